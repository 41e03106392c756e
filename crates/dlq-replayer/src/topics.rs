//! The topics that the replayer needs.

use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Which of these topics do not exist.
pub(crate) async fn missing(admin: &Admin, topics: &[Arc<str>]) -> Result<Vec<Arc<str>>, AdminError> {
    let mut missing = Vec::new();
    for topic in topics {
        if admin.partitions(topic).await?.is_none() {
            missing.push(Arc::clone(topic));
        }
    }
    Ok(missing)
}

/// First offset and end of every partition; nothing for a topic that is gone.
pub(crate) async fn offsets(admin: &Admin, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, AdminError> {
    Ok(admin.offsets(topic).await?.unwrap_or_default())
}
