//! Confirmed sends: a record counts as sent when the broker has acknowledged it, never when it was enqueued (I2).

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, ThreadedProducer};
use schema::record::NewRecord;
use tokio::sync::Semaphore;

use crate::delivery::{Awaited, Delivered, Deliveries};
use crate::error::{Class, ClientError, class_of_code};
use crate::message::client_headers;
use crate::settings::KafkaSettings;

/// Sends under way at once: below the client's own queue of 100 000 messages, so that the queue is full by bytes only.
const MAX_IN_FLIGHT: usize = 50_000;

/// A record was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is larger than the topic, or the client, takes.
    #[error("the record is larger than the topic takes")]
    TooLarge,
    /// The broker refuses this record for good.
    #[error("the broker refuses the record: {0}")]
    Rejected(String),
    /// No acknowledgement in time, or the cluster is in trouble. The record may be stored or not: send it again.
    #[error("the record was not acknowledged: {0}")]
    Transient(String),
    /// The topic is missing or a permission is wrong. Send it again when that is mended.
    #[error("the record cannot be sent: {0}")]
    Misconfigured(String),
    /// The client is at its end.
    #[error("the producer cannot go on: {0}")]
    Fatal(String),
}

impl SendError {
    /// Classifies an error code of a send.
    pub(crate) fn of(code: RDKafkaErrorCode) -> Self {
        match (code, class_of_code(code)) {
            (RDKafkaErrorCode::MessageSizeTooLarge, _) => Self::TooLarge,
            (_, Class::Rejected) => Self::Rejected(code.to_string()),
            (_, Class::Misconfigured) => Self::Misconfigured(code.to_string()),
            (_, Class::Fatal) => Self::Fatal(code.to_string()),
            (_, Class::Retry | Class::Rejoin) => Self::Transient(code.to_string()),
        }
    }
}

/// An idempotent producer. Dropping it abandons what is not acknowledged: wait for every send first.
pub struct Producer {
    client: ThreadedProducer<Deliveries>,
    deliveries: Deliveries,
    room: Semaphore,
}

impl Producer {
    /// Builds the client; connections are made in the background.
    pub fn new(settings: &KafkaSettings, client_id: &str) -> Result<Self, ClientError> {
        let deliveries = Deliveries::default();
        let client =
            settings.producer(client_id).create_with_context(deliveries.clone()).map_err(ClientError::Config)?;
        Ok(Self { client, deliveries, room: Semaphore::new(MAX_IN_FLIGHT) })
    }

    /// Sends one record and waits for the acknowledgement. Many sends may be under way at once; a key's order is the order
    /// of the calls.
    pub async fn send(&self, record: NewRecord) -> Result<Delivered, SendError> {
        let _room = self.room.acquire().await.map_err(|closed| SendError::Fatal(closed.to_string()))?;
        let awaited = loop {
            match enqueue(&self.client, &self.deliveries, &record) {
                Ok(awaited) => break awaited,
                // Full by bytes: serve delivery reports until there is room again.
                Err(RDKafkaErrorCode::QueueFull) => {
                    self.client.poll(Duration::from_millis(1));
                    tokio::task::yield_now().await;
                }
                Err(code) => return Err(SendError::of(code)),
            }
        };
        drop(record);
        awaited.await.map_err(SendError::of)
    }
}

/// Hands a record to the client, which copies it.
pub(crate) fn enqueue(
    client: &ThreadedProducer<Deliveries>,
    deliveries: &Deliveries,
    record: &NewRecord,
) -> Result<Awaited, RDKafkaErrorCode> {
    let (index, awaited) = deliveries.expect();
    let mut message =
        BaseRecord::<[u8], [u8], usize>::with_opaque_to(&record.topic, index).headers(client_headers(&record.headers));
    message.partition = record.partition;
    message.timestamp = record.timestamp_ms;
    message.key = record.key.as_deref();
    message.payload = record.value.as_deref();
    match client.send(message) {
        Ok(()) => Ok(awaited),
        Err((error, _)) => {
            deliveries.not_sent(awaited);
            Err(code_of(&error))
        }
    }
}

fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument)
}
