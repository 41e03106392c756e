//! What the processor reads from its settings.

use std::time::Duration;

use cassandra::CassandraSettings;
use kafka::{KafkaSettings, Limits};
use service::backoff::RetrySettings;
use service::settings::Reader;

/// See the module's page.
#[derive(Debug, Clone)]
pub struct ProcessorSettings {
    /// Where records come from and dead letters go.
    pub kafka: KafkaSettings,
    /// Where rows go.
    pub cassandra: CassandraSettings,
    /// Retries of writes and dead letters.
    pub retry: RetrySettings,
    /// Consumers in this process, each with a thread that polls and one that writes.
    pub shards: usize,
    /// Bound on what is read and not settled, the whole process.
    pub limits: Limits,
    /// Bound on what is redelivered after a crash.
    pub commit_interval: Duration,
    /// How long a revoke or a shutdown waits for what is in flight: less than the whole process has, so that the last commit
    /// is still made.
    pub drain: Duration,
}

impl ProcessorSettings {
    /// Reads all of them; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            kafka: KafkaSettings::read(reader),
            cassandra: CassandraSettings::read(reader),
            retry: RetrySettings::read(reader),
            shards: reader.number("PIPELINE_SHARDS", 1..=64),
            limits: Limits {
                records: reader.number("PIPELINE_BUDGET_RECORDS", 1..=10_000_000),
                bytes: reader.number("PIPELINE_BUDGET_BYTES", 1..=1 << 40),
            },
            commit_interval: reader.millis("COMMIT_INTERVAL_MS", 10..=600_000),
            drain: reader.seconds("SHUTDOWN_TIMEOUT_SECONDS", 0.0..=3600.0).mul_f64(0.8),
        }
    }

    /// The share of one shard in the process's bound.
    pub(crate) fn limits_of_shard(&self) -> Limits {
        Limits { records: (self.limits.records / self.shards).max(1), bytes: (self.limits.bytes / self.shards).max(1) }
    }
}
