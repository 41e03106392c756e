//! The topics that the replayer needs, and what a person can do where one is missing.

use std::collections::BTreeMap;

use kafka::{Admin, AdminError, KafkaSettings};

/// What a person can do when Kafka does not answer.
pub(crate) const KAFKA_REMEDY: &str =
    "bring Kafka back, or set KAFKA_BOOTSTRAP_SERVERS and the KAFKA_SASL_* and KAFKA_SSL_* variables";

/// A topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicProblem {
    /// There is no such topic.
    #[error("topic {topic} does not exist; {remedy}")]
    Missing {
        /// Its name.
        topic: String,
        /// What mends it.
        remedy: String,
    },
    /// The cluster does not answer.
    #[error("{source}; {}", KAFKA_REMEDY)]
    Unknown {
        /// Why.
        #[from]
        source: AdminError,
    },
}

/// What a person can do when a topic is missing.
pub(crate) fn remedy(kafka: &KafkaSettings, topic: &str) -> String {
    let specs = kafka.topics.specs();
    let spec = specs.iter().find(|(name, _)| *name == topic).map(|(_, spec)| spec);
    let partitions = spec.map_or(1, |spec| spec.partitions);
    let config: String =
        spec.iter().flat_map(|spec| spec.config).map(|(name, value)| format!(" --config {name}={value}")).collect();
    format!(
        "kafka-topics.sh --bootstrap-server {} --create --topic {topic} --partitions {partitions}{config}, or \
         docker compose run --rm kafka-init",
        kafka.bootstrap_servers
    )
}

/// The topics that are read and written, in the order in which their absence is told.
pub(crate) fn needed(kafka: &KafkaSettings) -> [&str; 4] {
    let topics = &kafka.topics;
    [&topics.dlq, &topics.ledger, &topics.user_data, &topics.parked]
}

/// How many partitions the topic has.
pub(crate) async fn partitions(admin: &Admin, kafka: &KafkaSettings, topic: &str) -> Result<i32, TopicProblem> {
    let missing = || TopicProblem::Missing { topic: topic.to_owned(), remedy: remedy(kafka, topic) };
    admin.partitions(topic).await?.ok_or_else(missing)
}

/// Whether every topic is there.
pub(crate) async fn all_there(admin: &Admin, kafka: &KafkaSettings) -> Result<(), TopicProblem> {
    for topic in needed(kafka) {
        partitions(admin, kafka, topic).await?;
    }
    Ok(())
}

/// First offset and end of every partition; nothing for a topic that is gone.
pub(crate) async fn offsets(admin: &Admin, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, AdminError> {
    Ok(admin.offsets(topic).await?.unwrap_or_default())
}
