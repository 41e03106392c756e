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
