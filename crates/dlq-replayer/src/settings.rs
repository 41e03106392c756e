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
    /// What `serve` replays by itself.
    pub auto: Auto,
    /// Topics beside the users' that records may be replayed to.
    pub allowed_topics: Vec<String>,
}

/// What `serve` replays without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auto {
    /// Nothing.
    #[default]
    Off,
    /// What may succeed unchanged.
    Transient,
}

impl ReplayerSettings {
    /// Reads them; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        let auto = reader.parse("REPLAY_AUTO", "off or transient", |text| match text.to_lowercase().as_str() {
            "off" => Some(Auto::Off),
            "transient" => Some(Auto::Transient),
            _ => None,
        });
        Self {
            kafka: KafkaSettings::read(reader),
            cassandra: CassandraSettings::read(reader),
            retry: RetrySettings::read(reader),
            max_attempts: reader.number("REPLAY_MAX_ATTEMPTS", 1..=1000),
            rate_per_second: reader.number("REPLAY_RATE_PER_SECOND", 1..=FASTEST),
            auto: auto.unwrap_or_default(),
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
    fn what_is_replayed_by_itself_is_named() {
        for (text, auto) in [("off", Auto::Off), ("Transient", Auto::Transient)] {
            let mut reader = Reader::from_pairs([("REPLAY_AUTO", text)]);
            assert_eq!(ReplayerSettings::read(&mut reader).auto, auto);
            assert!(reader.finish().is_ok());
        }
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let wrong = [("REPLAY_AUTO", "always"), ("REPLAY_MAX_ATTEMPTS", "0"), ("CASSANDRA_PORT", "x")];
        let mut reader = Reader::from_pairs(wrong);
        ReplayerSettings::read(&mut reader);
        let problems = reader.finish().expect_err("problems").to_string();
        assert!(wrong.iter().all(|(name, _)| problems.contains(name)), "{problems}");
    }
}
