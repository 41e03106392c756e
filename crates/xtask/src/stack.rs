//! `cargo xtask stack`: Kafka and Cassandra for services or tests that are started by hand.

use std::path::Path;

use service::Exit;

use crate::arguments::Ports;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::servers;
use crate::settings::Settings;
use crate::signals::Signals;

/// Runs until a signal comes.
pub(crate) async fn run(ports: Ports, data_dir: &Path) -> Result<Exit, Failure> {
    let settings = Settings::read()?;
    let artifacts = servers::fetch(data_dir)?;
    let mut signals = Signals::watch()?;
    let mut screen = Screen::on_stdout();
    screen.say("starting Kafka and Cassandra")?;
    let start = async {
        let started = servers::start_in_background(ports, data_dir, artifacts).await?;
        servers::prepare(&started.stack, settings, data_dir).await?;
        Ok::<_, Failure>(started)
    };
    let started = tokio::select! {
        started = start => started?,
        () = signals.next() => return Ok(Exit::Cut),
    };
    servers::announce(&mut screen, &started, data_dir)?;
    let stack = started.stack;
    screen.say(&format!(
        "topics and tables are there; a service finds them with KAFKA_BOOTSTRAP_SERVERS={} CASSANDRA_HOSTS={} CASSANDRA_PORT={}",
        stack.kafka().address(),
        stack.cassandra().address().ip(),
        stack.cassandra().address().port(),
    ))?;
    screen.say("Ctrl-C ends both")?;
    signals.next().await;
    screen.say("ending Kafka and Cassandra; Ctrl-C again ends them at once")?;
    tokio::select! {
        ended = servers::end(stack, data_dir) => ended.map(|()| Exit::Done),
        () = signals.next() => Ok(Exit::Cut),
    }
}
