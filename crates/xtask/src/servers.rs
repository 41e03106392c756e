//! Kafka and Cassandra with everything the services expect to find in them.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cassandra::Session;
use kafka::Admin;
use local_stack::{Artifacts, Profile, Progress, Stack, StackOptions};

use crate::arguments::Ports;
use crate::failure::Failure;
use crate::running::Running;
use crate::screen::Screen;
use crate::settings::Settings;
use crate::workspace;

/// Makes sure that nobody else uses the data, and that the jars are there. Blocks, for a minute or so the first time.
pub(crate) fn fetch(data_dir: &Path) -> Result<Artifacts, Failure> {
    if let Some(process) = Stack::holder(data_dir)? {
        return Err(local_stack::StackError::DataInUse { dir: data_dir.to_owned(), process }.into());
    }
    Running::forget(data_dir)?;
    let mut stderr = std::io::stderr().lock();
    let in_place = stderr.is_terminal();
    let artifacts = Artifacts::ensure(|progress| {
        // Progress is a courtesy: a terminal that is gone does not stop the fetch.
        let _ = match &progress {
            Progress::Fetched { .. } if in_place => write!(stderr, "\r\x1b[K{progress}"),
            Progress::Fetched { done, .. } if done % 25 != 0 => Ok(()),
            Progress::Checking { .. } if in_place => writeln!(stderr, "\r\x1b[K{progress}"),
            Progress::Waiting | Progress::Resolving { .. } | Progress::Fetched { .. } | Progress::Checking { .. } => {
                writeln!(stderr, "{progress}")
            }
        };
        let _ = stderr.flush();
    })?;
    Ok(artifacts)
}

/// A stack that answers.
pub(crate) struct Started {
    pub(crate) stack: Arc<Stack>,
    took: Duration,
}

/// Starts both servers and waits until they answer. Blocks.
fn start(ports: Ports, data_dir: &Path, artifacts: &Artifacts) -> Result<Arc<Stack>, Failure> {
    let fixed = |port| (!ports.free_ports).then_some(port);
    let options = StackOptions {
        kafka_port: fixed(ports.kafka_port),
        cassandra_port: fixed(ports.cassandra_port),
        ..StackOptions::new(data_dir, Profile::Demo).with_rows_kept_at_a_kill()
    };
    Ok(Arc::new(Stack::start(&options, artifacts)?))
}

/// [`start`] beside the async work.
pub(crate) async fn start_in_background(
    ports: Ports,
    data_dir: &Path,
    artifacts: Artifacts,
) -> Result<Started, Failure> {
    let data_dir = data_dir.to_owned();
    let start = move || {
        let began = Instant::now();
        Ok(Started { stack: start(ports, &data_dir, &artifacts)?, took: began.elapsed() })
    };
    tokio::task::spawn_blocking(start).await.map_err(|error| Failure::System(error.into()))?
}

/// Makes topics and tables where they are missing, and the addresses known to other terminals.
pub(crate) async fn prepare(
    stack: &Stack,
    settings: Settings,
    data_dir: &Path,
) -> Result<(Settings, Admin, Session), Failure> {
    let running = Running { kafka: stack.kafka().address(), cassandra: stack.cassandra().address() };
    let settings = settings.at(running.kafka, running.cassandra);
    let refused = |source| Failure::Topics { source, log: stack.kafka().log().to_owned() };
    let admin = Admin::new(&settings.kafka, "sluice-xtask").map_err(|error| refused(error.into()))?;
    admin.create_topics(&settings.kafka.topics.specs(), 1).await.map_err(refused)?;
    let session = Session::connect(&settings.cassandra).await?;
    session.migrate(&workspace::cql(), &settings.cassandra).await?;
    running.publish(data_dir)?;
    Ok((settings, admin, session))
}

/// Says where the servers are.
pub(crate) fn announce(screen: &mut Screen, started: &Started, data_dir: &Path) -> Result<(), Failure> {
    screen.say(&format!(
        "Kafka answers on {}, Cassandra on {}, {:.1} s after their start; their logs are in {}",
        started.stack.kafka().address(),
        started.stack.cassandra().address(),
        started.took.as_secs_f64(),
        data_dir.join("logs").display(),
    ))
}

/// Ends both servers in order.
pub(crate) async fn end(stack: Arc<Stack>, data_dir: &Path) -> Result<(), Failure> {
    Running::forget(data_dir)?;
    let stopped = tokio::task::spawn_blocking(move || stack.stop()).await;
    Ok(stopped.map_err(|error| Failure::System(error.into()))??)
}
