//! `stream-processor`: consumes `user_data`, decodes, checks, enriches, writes to Cassandra, settles, commits.
//!
//! A record is settled when Cassandra acknowledged its row or the broker acknowledged its dead letter (I2); only the settled
//! prefix of a partition is committed (I1).

mod audit;
mod breaker;
mod check;
pub mod cli;
mod concurrency;
mod dead_letters;
mod flood;
mod floodgate;
mod gate;
mod hand;
mod intake;
mod metrics;
mod progress;
mod settings;
mod shard;
mod trouble;
mod worker;
mod writer;

use std::io::Write as _;
use std::sync::Arc;

use kafka::{ClientError, Producer};
use schema::dead_letter::App;
use service::Exit;
use service::process::{Checks, Context, Role, Service};
use service::settings::Reader;
use service::telemetry::chain;
use service::version::VERSION;
use tokio::task::JoinSet;

use crate::cli::{Arguments, Command};
pub use crate::flood::FloodLimits;
use crate::floodgate::Floodgate;
use crate::metrics::Metrics;
use crate::progress::Progress;
pub use crate::settings::ProcessorSettings;
use crate::shard::Shard;

/// The processor as a service.
pub struct StreamProcessor;

/// The processor failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A Kafka client could not be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A shard ended although nobody asked it to.
    #[error("shard {index} ended early: {reason}")]
    Shard {
        /// Which one.
        index: usize,
        /// Why.
        reason: String,
    },
    /// Standard error cannot be written.
    #[error("standard error cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl Service for StreamProcessor {
    const NAME: &'static str = "stream-processor";
    const ABOUT: &'static str =
        "Carries records from Kafka into Cassandra; what cannot be written becomes a dead letter";
    const ADMIN_ADDR: &'static str = "127.0.0.1:8001";
    type Arguments = Arguments;
    type Settings = ProcessorSettings;
    type Error = RunError;

    fn settings(reader: &mut Reader) -> ProcessorSettings {
        ProcessorSettings::read(reader)
    }

    fn role(arguments: &Arguments) -> Role {
        match arguments.command {
            None => Role::Daemon,
            Some(Command::Audit { .. }) => Role::Command,
        }
    }

    async fn check(settings: ProcessorSettings, checks: &mut Checks) {
        check::run(&settings, checks).await;
    }

    async fn run(settings: ProcessorSettings, arguments: Arguments, context: Context) -> Result<Exit, RunError> {
        match arguments.command {
            None => run(settings, context).await,
            Some(Command::Audit { output }) => {
                match context.shutdown.cuts(Box::pin(audit::run(&settings.kafka, output))).await {
                    Some(Ok(exit)) => Ok(exit),
                    Some(Err(error)) => say(&chain(&error)),
                    None => Ok(Exit::Failed),
                }
            }
        }
    }
}

/// A command that cannot do what it was asked for.
fn say(problem: &str) -> Result<Exit, RunError> {
    writeln!(std::io::stderr(), "error: {problem}")?;
    Ok(Exit::Failed)
}

/// Runs every shard until shutdown is requested and what is in flight has come to rest.
///
/// # Errors
/// A shard that ends by itself, or a client that cannot be built.
pub async fn run(settings: ProcessorSettings, context: Context) -> Result<Exit, RunError> {
    let table = format!("{}.{}", settings.cassandra.keyspace, settings.cassandra.table);
    let metrics = Metrics::new(&context.metrics, &table);
    let floodgate = Arc::new(Floodgate::new(settings.flood, context.health.clone(), metrics.flood_stopped()));
    let progress = Progress::new(metrics.clone(), Arc::clone(&floodgate));
    context.routes.mount(progress.router());
    let producer = Arc::new(Producer::patient(&settings.kafka, "stream-processor-dlq")?);
    let settings = Arc::new(settings);
    let mut shards = JoinSet::new();
    for index in 0..settings.shards {
        let shard = Shard {
            index,
            settings: Arc::clone(&settings),
            producer: Arc::clone(&producer),
            shutdown: context.shutdown.clone(),
            health: context.health.clone(),
            metrics: metrics.clone(),
            progress: progress.clone(),
            floodgate: Arc::clone(&floodgate),
            app: App { name: StreamProcessor::NAME, version: VERSION },
        };
        shards.spawn_blocking(move || (index, shard.run()));
    }
    let mut drained = true;
    while let Some(ended) = shards.join_next().await {
        let failed = |index, reason: String| RunError::Shard { index, reason };
        match ended {
            Ok((_, Ok(in_time))) if context.shutdown.is_requested() => drained &= in_time,
            Ok((index, Ok(_))) => return Err(failed(index, "nobody asked it to".to_owned())),
            Ok((index, Err(error))) => return Err(failed(index, error.to_string())),
            Err(error) => return Err(failed(usize::MAX, error.to_string())),
        }
    }
    Ok(if drained { Exit::Done } else { Exit::Cut })
}
