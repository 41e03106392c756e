//! Dead letters, confirmed: a record counts as dead-lettered when the broker has acknowledged its dead letter (I2).

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use kafka::{Producer, SendError};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::record::Record;
use service::backoff::RetrySettings;
use service::health::Health;

use crate::metrics::Metrics;

/// The name of the DLQ in `/readyz`.
pub(crate) const DLQ: &str = "dead letters";

/// Sends dead letters of one shard.
pub(crate) struct DeadLetters {
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: Arc<str>,
    pub(crate) partitions: i32,
    pub(crate) group: String,
    pub(crate) app: App,
    pub(crate) retry: RetrySettings,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

impl DeadLetters {
    /// Returns when the dead letter is stored. While it cannot be, the record's offset stays open and this waits: a dead
    /// letter is never dropped.
    pub(crate) async fn send(&self, record: Record, fault: &Fault) {
        let (topic, partition, offset) = (Arc::clone(&record.topic), record.partition, record.offset);
        let letter =
            dead_letter::from_record(record, fault, &self.topic, self.partitions, &self.group, &self.app, Utc::now());
        let mut delays = self.retry.delays();
        while let Err(error) = self.producer.send(letter.clone()).await {
            let delay = delays.next();
            self.wait(&error, delay).await;
        }
        if self.health.ready(DLQ) {
            tracing::info!("dead letters are stored again");
        }
        self.metrics.dead_lettered(fault);
        tracing::warn!(
            topic = &*topic,
            partition,
            offset,
            reason = fault.reason.as_str(),
            stage = fault.stage.as_str(),
            error_type = fault.error_type,
            rules = fault.rule_ids().join(","),
            "record dead-lettered"
        );
    }

    async fn wait(&self, error: &SendError, delay: Duration) {
        let remedy = match error {
            SendError::Transient(_) => "bring Kafka back; it goes on by itself",
            SendError::Misconfigured(_) => {
                "create the topic (docker compose run --rm kafka-init) or grant writing to it"
            }
            SendError::TooLarge => "raise max.message.bytes of the DLQ topic to 64 KiB more than that of user_data",
            SendError::Rejected(_) => "look at the configuration of the DLQ topic",
            SendError::Fatal(_) => "restart this process",
        };
        if self.health.not_ready(DLQ, error.to_string(), remedy) {
            tracing::error!(topic = &*self.topic, %error, remedy, "dead letter is not stored, the line waits");
        }
        tokio::time::sleep(delay).await;
    }
}
