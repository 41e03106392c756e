//! What the processor reads from its settings.

use std::time::Duration;

use cassandra::CassandraSettings;
use kafka::{KafkaSettings, Limits};
use service::backoff::RetrySettings;
use service::settings::Reader;

use crate::flood::FloodLimits;

/// Longest delay before a write, a dead letter or a connection is tried again, whatever RETRY_MAX_DELAY says, less the jitter:
/// what waited for an outage goes on a few seconds after it.
const LONGEST_DELAY: Duration = Duration::from_secs(3);

/// See the module's page.
#[derive(Debug, Clone)]
pub struct ProcessorSettings {
    /// Where records come from and dead letters go.
    pub kafka: KafkaSettings,
    /// Where rows go.
    pub cassandra: CassandraSettings,
    /// Retries of writes, dead letters and connections, a few seconds apart at most.
    pub retry: RetrySettings,
    /// Consumers in this process, each with a thread that polls and one that writes.
    pub shards: usize,
    /// Bound on what is read and not settled, the whole process.
    pub limits: Limits,
    /// When there is so much poison that the line stops.
    pub flood: FloodLimits,
    /// Bound on what is redelivered after a crash.
    pub commit_interval: Duration,
    /// How long a revoke or a shutdown waits for what is in flight: less than the whole process has, so that the last commit
    /// is still made.
    pub drain: Duration,
}

impl ProcessorSettings {
    /// Reads all of them; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        let retry = RetrySettings::read(reader);
        Self {
            kafka: KafkaSettings::read(reader),
            cassandra: CassandraSettings::read(reader),
            retry: RetrySettings { max: retry.max.min(LONGEST_DELAY), ..retry },
            shards: reader.number("PIPELINE_SHARDS", 1..=64),
            limits: Limits {
                records: reader.number("PIPELINE_BUDGET_RECORDS", 1..=10_000_000),
                bytes: reader.number("PIPELINE_BUDGET_BYTES", 1..=1 << 40),
            },
            flood: FloodLimits {
                window: reader.number("PIPELINE_POISON_WINDOW", 1..=1_000_000),
                ratio: reader.number("PIPELINE_POISON_RATIO", 0.0..=1.0),
                run: reader.number("PIPELINE_POISON_RUN", 0..=1_000_000),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_for_an_outage_goes_on_soon_whatever_the_longest_delay_is() {
        let mut reader = Reader::from_pairs([("RETRY_MAX_DELAY", "600"), ("RETRY_BASE_DELAY", "100")]);
        let mut delays = ProcessorSettings::read(&mut reader).retry.delays();
        assert!(reader.finish().is_ok());
        assert!((0..20).all(|_| delays.next() <= Duration::from_millis(4_501)));
    }
}
