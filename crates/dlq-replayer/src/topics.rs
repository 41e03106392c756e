//! The topics that the replayer needs.

use std::collections::BTreeMap;

use kafka::{Admin, AdminError, KafkaSettings, TopicError};

/// The topics that are read and written, in the order in which their absence is told.
pub(crate) fn needed(kafka: &KafkaSettings) -> [&str; 4] {
    let topics = &kafka.topics;
    [&topics.dlq, &topics.ledger, &topics.user_data, &topics.parked]
}

/// Whether every topic is there.
pub(crate) async fn all_there(admin: &Admin, kafka: &KafkaSettings) -> Result<(), TopicError> {
    for topic in needed(kafka) {
        admin.require(topic).await?;
    }
    Ok(())
}

/// First offset and end of every partition; nothing for a topic that is gone.
pub(crate) async fn offsets(admin: &Admin, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, AdminError> {
    Ok(admin.offsets(topic).await?.unwrap_or_default())
}
