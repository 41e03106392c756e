//! Confirmed sends: a record counts as sent when the broker has acknowledged it, never when it was enqueued (I2).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use schema::record::NewRecord;
use tokio::sync::Semaphore;

use crate::delivery::{Awaited, Delivered, Deliveries};
use crate::error::{Class, ClientError, class_of_code};
use crate::message::client_headers;
use crate::polled_producer::PolledProducer;
use crate::settings::KafkaSettings;

/// Sends under way at once: below the client's own queue of 100 000 messages, so that the queue is full by bytes only.
const MAX_IN_FLIGHT: usize = 50_000;

/// The brokers alone decide what is too large: a topic's limit is on what is left after compression, the client's on what was
/// there before, and a record that fitted its own topic only when compressed has to fit the topic of dead letters as well.
/// This is as much as a consumer takes from one answer (`receive.message.max.bytes`).
const LARGEST_RECORD_BYTES: &str = "100000000";

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
    /// What a person can do about it; where it passes by itself, that too.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Transient(_) => {
                "bring Kafka back, or set KAFKA_BOOTSTRAP_SERVERS and the KAFKA_SASL_* and KAFKA_SSL_* variables; it goes on \
                 by itself"
            }
            Self::Misconfigured(_) => {
                "create the topics (docker compose run --rm kafka-init does), or allow this user to write to them; it goes \
                 on by itself"
            }
            // A record that is refused becomes a dead letter, so what stays refused is a dead letter.
            Self::TooLarge => {
                "set max.message.bytes of the topic of dead letters 64 KiB above that of the users' topic; it goes on by \
                 itself"
            }
            Self::Rejected(_) => {
                "mend the configuration of the topic of dead letters, which refuses one; it goes on by itself"
            }
            Self::Fatal(_) => "start the process again",
        }
    }

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
///
/// A client that has lost its place in the broker's sequence of a partition, as after a crash of the broker, refuses everything
/// from then on. It is replaced by another one then, and what it had not delivered is transient: sent again, it may be stored
/// twice.
pub struct Producer {
    config: ClientConfig,
    client: RwLock<Arc<Client>>,
    room: Semaphore,
}

struct Client {
    client: PolledProducer,
    deliveries: Deliveries,
}

impl Client {
    fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let deliveries = Deliveries::default();
        let client = PolledProducer::new(config, deliveries.clone())?;
        Ok(Self { client, deliveries })
    }

    async fn send(&self, record: NewRecord) -> Result<Delivered, SendError> {
        let awaited = enqueue_when_room(&self.client, &self.deliveries, &record).await.map_err(SendError::of)?;
        drop(record);
        awaited.await.map_err(SendError::of)
    }
}

impl Producer {
    /// Builds the client; connections are made in the background. A send that is not acknowledged in half a minute is handed
    /// back as transient, stored or not: sent again, it may be there twice.
    pub fn new(settings: &KafkaSettings, client_id: &str) -> Result<Self, ClientError> {
        Self::of(settings.producer(client_id))
    }

    /// A producer whose sends wait for their acknowledgement however long it takes: the client repeats what was not
    /// acknowledged under the same sequence number, so that after an outage of any length it is there once.
    pub fn patient(settings: &KafkaSettings, client_id: &str) -> Result<Self, ClientError> {
        let mut config = settings.producer(client_id);
        config.set("message.timeout.ms", "0");
        Self::of(config)
    }

    /// What [`Producer::new`] configures the client library with, for a measuring tool that is to be configured alike.
    pub fn properties(settings: &KafkaSettings, client_id: &str) -> Vec<(String, String)> {
        let config = taking_any_size(settings.producer(client_id));
        config.config_map().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn of(config: ClientConfig) -> Result<Self, ClientError> {
        let config = taking_any_size(config);
        let client = RwLock::new(Arc::new(Client::new(&config)?));
        Ok(Self { config, client, room: Semaphore::new(MAX_IN_FLIGHT) })
    }

    /// Sends one record and waits for the acknowledgement. Many sends may be under way at once; a key's order is the order
    /// of the calls.
    pub async fn send(&self, record: NewRecord) -> Result<Delivered, SendError> {
        let _room = self.room.acquire().await.map_err(|closed| SendError::Fatal(closed.to_string()))?;
        let client = self.client();
        match client.send(record).await {
            Err(SendError::Fatal(reason)) => {
                self.replace(&client, &reason)?;
                Err(SendError::Transient(reason))
            }
            outcome => outcome,
        }
    }

    fn client(&self) -> Arc<Client> {
        // The client is only ever replaced whole.
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new client in the place of one that is at its end; the first who notices does.
    fn replace(&self, ended: &Arc<Client>, reason: &str) -> Result<(), SendError> {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&client, ended) {
            let fatal = |error: &dyn std::fmt::Display| SendError::Fatal(error.to_string());
            *client = Arc::new(Client::new(&self.config).map_err(|error| fatal(&error))?);
            tracing::warn!(reason, "the kafka producer cannot go on, another one takes its place");
            // Whoever waits for it hears at once.
            ended.client.purge(PurgeConfig::default().queue().inflight());
        }
        Ok(())
    }
}

fn taking_any_size(mut config: ClientConfig) -> ClientConfig {
    config.set("message.max.bytes", LARGEST_RECORD_BYTES);
    config
}

/// Hands a record to the client, which copies it; waits while the client's queue is full by bytes.
pub(crate) async fn enqueue_when_room(
    client: &BaseProducer<Deliveries>,
    deliveries: &Deliveries,
    record: &NewRecord,
) -> Result<Awaited, RDKafkaErrorCode> {
    loop {
        match enqueue(client, deliveries, record) {
            // Serve delivery reports until there is room again.
            Err(RDKafkaErrorCode::QueueFull) => {
                client.poll(Duration::from_millis(1));
                tokio::task::yield_now().await;
            }
            enqueued => return enqueued,
        }
    }
}

fn enqueue(
    client: &BaseProducer<Deliveries>,
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

#[cfg(test)]
mod tests {
    use rdkafka::bindings;
    use schema::record::Headers;
    use service::settings::Reader;

    use super::*;

    fn record() -> NewRecord {
        NewRecord {
            topic: "t".into(),
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Headers::new(),
        }
    }

    #[tokio::test]
    async fn a_client_at_its_end_is_replaced_and_what_it_had_not_delivered_is_transient() {
        // Nobody listens there.
        let settings = KafkaSettings::read(&mut Reader::from_pairs([("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]));
        let producer = Arc::new(Producer::new(&settings, "test").unwrap());
        let waiting = tokio::spawn({
            let producer = Arc::clone(&producer);
            async move { producer.send(record()).await }
        });
        tokio::task::yield_now().await;
        let first = producer.client();
        let code = bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client and the text are alive.
        unsafe { bindings::rd_kafka_test_fatal_error(first.client.client().native_ptr(), code, c"test".as_ptr()) };
        for sent in [producer.send(record()).await, waiting.await.unwrap()] {
            assert!(matches!(sent, Err(SendError::Transient(_))), "{sent:?}");
        }
        assert!(!Arc::ptr_eq(&first, &producer.client()));
    }
}
