//! What the replayer reads from the environment.

use cassandra::CassandraSettings;
use kafka::KafkaSettings;
use service::backoff::RetrySettings;
use service::settings::Reader;

/// Replays of one second, at most.
pub(crate) const FASTEST: u32 = 1_000_000;

/// Connections, topics and the `REPLAY_*` variables.
#[derive(Debug, Clone)]
pub struct ReplayerSettings {
    /// The cluster, the topics and the processor's group.
    pub kafka: KafkaSettings,
    /// The table that the processor writes: a replay asks it what is newer.
    pub cassandra: CassandraSettings,
    /// Retries of questions to Cassandra.
    pub retry: RetrySettings,
    /// A record that was replayed so often is parked instead.
    pub max_attempts: u32,
    /// Records per second.
    pub rate_per_second: u32,
    /// Topics beside the users' that records may be replayed to.
    pub allowed_topics: Vec<String>,
}

impl ReplayerSettings {
    /// Reads them; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        // Whoever sets it relies on it: refused, not passed over.
        reader.parse("REPLAY_AUTO", "off (replaying by itself is not there yet)", |text| {
            text.eq_ignore_ascii_case("off").then_some(())
        });
        Self {
            kafka: KafkaSettings::read(reader),
            cassandra: CassandraSettings::read(reader),
            retry: RetrySettings::read(reader),
            max_attempts: reader.number("REPLAY_MAX_ATTEMPTS", 1..=1000),
            rate_per_second: reader.number("REPLAY_RATE_PER_SECOND", 1..=FASTEST),
            allowed_topics: list(&reader.optional("REPLAY_ALLOWED_TOPICS").unwrap_or_default()),
        }
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|topic| !topic.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_catalogue() {
        let mut reader = Reader::from_pairs([("", "")]);
        let settings = ReplayerSettings::read(&mut reader);
        assert!(reader.finish().is_ok());
        assert_eq!((settings.max_attempts, settings.rate_per_second), (3, 500));
        assert!(settings.allowed_topics.is_empty());
    }

    #[test]
    fn topics_are_a_list() {
        let mut reader = Reader::from_pairs([("REPLAY_ALLOWED_TOPICS", "orders, payments,")]);
        assert_eq!(ReplayerSettings::read(&mut reader).allowed_topics, ["orders", "payments"]);
        assert!(reader.finish().is_ok());
    }

    #[test]
    fn replaying_by_itself_is_refused_and_not_passed_over() {
        let mut reader =
            Reader::from_pairs([("REPLAY_AUTO", "transient"), ("REPLAY_MAX_ATTEMPTS", "0"), ("CASSANDRA_PORT", "x")]);
        ReplayerSettings::read(&mut reader);
        let problems = reader.finish().expect_err("problems").to_string();
        for name in ["REPLAY_AUTO", "REPLAY_MAX_ATTEMPTS", "CASSANDRA_PORT"] {
            assert!(problems.contains(name), "{problems}");
        }
    }
}
