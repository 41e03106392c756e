//! `cargo xtask cql`: one statement, its rows as a table.

use std::path::Path;

use cassandra::Session;
use clap::Args;
use service::Exit;

use crate::failure::Failure;
use crate::running::Running;
use crate::screen;
use crate::settings::Settings;
use crate::table;

/// Arguments of `cql`.
#[derive(Args)]
pub(crate) struct Cql {
    /// For example "SELECT * FROM spark_streams.created_users LIMIT 10".
    statement: String,
}

/// Runs the statement on the running stack.
pub(crate) async fn run(cql: &Cql, data_dir: &Path) -> Result<Exit, Failure> {
    let running = Running::find(data_dir)?;
    let settings = Settings::read()?.at(running.kafka, running.cassandra);
    let session = Session::connect(&settings.cassandra).await?;
    let answer = session.query(&cql.statement).await.map_err(Failure::Statement)?;
    let text = if answer.columns.is_empty() {
        "done".to_owned()
    } else {
        let rows = match answer.rows.len() {
            1 => "1 row".to_owned(),
            count => format!("{count} rows"),
        };
        format!("{}\n{rows}", table::fitting(&answer.columns, &answer.rows, screen::width()))
    };
    screen::print(&text)?;
    Ok(Exit::Done)
}
