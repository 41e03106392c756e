//! Dead letters, confirmed: a record counts as dead-lettered when the broker has acknowledged its dead letter (I2).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use kafka::{Producer, SendError};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::record::Record;
use service::backoff::RetrySettings;

use crate::metrics::Metrics;
use crate::trouble::{Trouble, Waiting};

/// The name of the DLQ in `/readyz`.
pub(crate) const DLQ: &str = "dead letters";

/// A dead letter that is not acknowledged in this time is trouble that `/readyz` names.
const SLOW: Duration = Duration::from_secs(10);

/// Sends dead letters of one shard.
pub(crate) struct DeadLetters {
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: Arc<str>,
    pub(crate) partitions: i32,
    pub(crate) group: String,
    pub(crate) app: App,
    pub(crate) retry: RetrySettings,
    pub(crate) trouble: Trouble,
    pub(crate) metrics: Metrics,
}

impl DeadLetters {
    /// Returns when the dead letter is stored. While it cannot be, the record's offset stays open and this waits: a dead
    /// letter is never dropped.
    ///
    /// # Errors
    /// The producer is at its end.
    pub(crate) async fn send(&self, record: Record, fault: &Fault) -> Result<(), SendError> {
        let (topic, partition, offset) = (Arc::clone(&record.topic), record.partition, record.offset);
        let letter =
            dead_letter::from_record(record, fault, &self.topic, self.partitions, &self.group, &self.app, Utc::now());
        let mut delays = self.retry.delays();
        let mut waiting = None;
        loop {
            let mut sending = pin!(self.producer.send(letter.clone()));
            let sent = match tokio::time::timeout(SLOW, sending.as_mut()).await {
                Ok(sent) => sent,
                Err(_slow) => {
                    self.tell(&mut waiting, &SendError::Transient(format!("waiting for {} s", SLOW.as_secs())));
                    // Not sent again: the producer repeats it, so that it is stored once.
                    sending.await
                }
            };
            match sent {
                Ok(_) => break,
                Err(error @ SendError::Fatal(_)) => return Err(error),
                Err(error) => self.tell(&mut waiting, &error),
            }
            tokio::time::sleep(delays.next()).await;
        }
        if waiting.is_some() {
            tracing::info!("a dead letter that waited is stored");
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
        Ok(())
    }
    fn tell<'a>(&'a self, waiting: &mut Option<Waiting<'a>>, error: &SendError) {
        let remedy = error.remedy();
        if waiting.get_or_insert_with(|| self.trouble.wait()).because(error.to_string(), remedy) {
            tracing::error!(topic = &*self.topic, %error, remedy, "dead letter is not stored, it waits");
        }
    }
}
