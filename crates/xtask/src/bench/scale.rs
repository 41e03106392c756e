//! `cargo xtask bench scale`: the same topic for more and more processes of ours, and for more shards of one.

use clap::Args;
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::{Build, PROCESSOR};
use crate::failure::Failure;

/// Arguments of `bench scale`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many records are on the topic.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// How often each case runs, beside the runs that warm the servers up.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    build: Build,
}

/// Measures.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    let Arguments { records, rounds, build } = arguments;
    stage.screen.say("building the services")?;
    let programs = build.programs()?;
    let plans = ::bench::scale(programs.path(PROCESSOR)?, records);
    let settings = json!({ "records": records, "rounds": rounds, "build": build.name() });
    Ok(stage.contest("scale", settings, plans, rounds).await?.unwrap_or(Exit::Failed))
}
