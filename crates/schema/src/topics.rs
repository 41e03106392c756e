//! The five topics: default names, partitions and configuration.

/// What a topic has to be when it is created. The replication factor is the cluster's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// The default name.
    pub name: &'static str,
    /// Number of partitions.
    pub partitions: i32,
    /// Kafka's topic configuration.
    pub config: &'static [(&'static str, &'static str)],
}

/// User records, by user id.
pub const USER_DATA: TopicSpec = TopicSpec {
    name: "user_data",
    partitions: 12,
    config: &[("retention.ms", "604800000"), ("max.message.bytes", "1048576")],
};

/// Dead letters, by the original key. Their retention counts from the failure, and their records are larger than their
/// originals by our headers.
pub const USER_DATA_DLQ: TopicSpec = TopicSpec {
    name: "user_data_dlq",
    partitions: 12,
    config: &[
        ("retention.ms", "2592000000"),
        ("max.message.bytes", "1114112"),
        ("message.timestamp.type", "LogAppendTime"),
    ],
};

/// Dead letters that are not replayed any more.
pub const USER_DATA_DLQ_PARKED: TopicSpec = TopicSpec {
    name: "user_data_dlq_parked",
    partitions: 12,
    config: &[
        ("retention.ms", "7776000000"),
        ("max.message.bytes", "1114112"),
        ("message.timestamp.type", "LogAppendTime"),
    ],
};

/// What became of every dead letter, by its id.
pub const USER_DATA_DLQ_LEDGER: TopicSpec =
    TopicSpec { name: "user_data_dlq_ledger", partitions: 3, config: &[("cleanup.policy", "compact")] };

/// The producer's place in the API, by its name.
pub const USER_DATA_CURSOR: TopicSpec =
    TopicSpec { name: "user_data_cursor", partitions: 1, config: &[("cleanup.policy", "compact")] };

/// All five.
pub const ALL: [TopicSpec; 5] =
    [USER_DATA, USER_DATA_DLQ, USER_DATA_DLQ_PARKED, USER_DATA_DLQ_LEDGER, USER_DATA_CURSOR];

#[cfg(test)]
mod tests {
    use super::*;

    fn number(topic: &TopicSpec, key: &str) -> Option<u64> {
        topic.config.iter().find(|(name, _)| *name == key).map(|(_, value)| value.parse().unwrap())
    }

    #[test]
    fn retention_and_sizes_are_those_of_the_contract() {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        for (topic, days) in [(USER_DATA, 7), (USER_DATA_DLQ, 30), (USER_DATA_DLQ_PARKED, 90)] {
            assert_eq!((topic.partitions, number(&topic, "retention.ms")), (12, Some(days * DAY_MS)));
        }
        let user_data = number(&USER_DATA, "max.message.bytes").unwrap();
        assert_eq!(user_data, 1 << 20);
        for dead in [USER_DATA_DLQ, USER_DATA_DLQ_PARKED] {
            assert_eq!(number(&dead, "max.message.bytes"), Some(user_data + (64 << 10)));
            assert!(dead.config.contains(&("message.timestamp.type", "LogAppendTime")));
        }
        for (compacted, partitions) in [(USER_DATA_DLQ_LEDGER, 3), (USER_DATA_CURSOR, 1)] {
            assert_eq!(compacted.partitions, partitions);
            assert_eq!(compacted.config, [("cleanup.policy", "compact")]);
        }
    }
}
