//! Confirmed sends: a record counts as sent when the broker has acknowledged it, never when it was enqueued (I2).

use std::sync::{Arc, PoisonError, RwLock};

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{Producer as _, PurgeConfig};
use schema::record::NewRecord;

use crate::delivery::{Delivered, Report};
use crate::error::{Class, ClientError, class_of_code};
use crate::polled_producer::PolledProducer;
use crate::settings::KafkaSettings;

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
    client: RwLock<Arc<PolledProducer>>,
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
        let client = RwLock::new(Arc::new(PolledProducer::new(&config)?));
        Ok(Self { config, client })
    }

    /// Sends one record and waits for the acknowledgement. Many sends may be under way at once; a key's order is the order
    /// of the calls.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, record: NewRecord) -> Result<Delivered, SendError> {
        let sent = self.send_all([record]).await.pop();
        sent.unwrap_or_else(|| Err(SendError::Fatal("the client has lost a record".to_owned())))
    }

    /// Sends many records at once and waits until each is acknowledged or refused; what became of each, in order. A record costs
    /// a fraction of a single send. A key's order is that of the records, and of the calls.
    pub async fn send_all(
        &self,
        records: impl IntoIterator<Item = NewRecord, IntoIter: ExactSizeIterator>,
    ) -> Vec<Result<Delivered, SendError>> {
        let client = self.client();
        let mut awaited = client.hand_over(records).await;
        let replaced = match awaited.end().await {
            Some(code) => self.replace(&client, &code.to_string()),
            None => Ok(()),
        };
        let sent = |report: Report| {
            report.map_err(|code| match (SendError::of(code), &replaced) {
                (SendError::Fatal(reason), Ok(())) => SendError::Transient(reason),
                (SendError::Fatal(_), Err(error)) => error.clone(),
                (error, _) => error,
            })
        };
        awaited.reports().await.into_iter().map(sent).collect()
    }

    fn client(&self) -> Arc<PolledProducer> {
        // The client is only ever replaced whole.
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new client in the place of one that is at its end; the first who notices does.
    fn replace(&self, ended: &Arc<PolledProducer>, reason: &str) -> Result<(), SendError> {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&client, ended) {
            let fatal = |error: &dyn std::fmt::Display| SendError::Fatal(error.to_string());
            *client = Arc::new(PolledProducer::new(&self.config).map_err(|error| fatal(&error))?);
            tracing::warn!(reason, "the kafka producer cannot go on, another one takes its place");
            // Whoever waits for it hears at once.
            ended.purge(PurgeConfig::default().queue().inflight());
        }
        Ok(())
    }
}

fn taking_any_size(mut config: ClientConfig) -> ClientConfig {
    config.set("message.max.bytes", LARGEST_RECORD_BYTES);
    config
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
        unsafe { bindings::rd_kafka_test_fatal_error(first.client().native_ptr(), code, c"test".as_ptr()) };
        for sent in [producer.send(record()).await, waiting.await.unwrap()] {
            assert!(matches!(sent, Err(SendError::Transient(_))), "{sent:?}");
        }
        assert!(!Arc::ptr_eq(&first, &producer.client()));
    }

    #[tokio::test]
    async fn a_group_is_handed_over_whole_and_a_client_at_its_end_gives_it_back_as_transient() {
        let settings = KafkaSettings::read(&mut Reader::from_pairs([("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]));
        let producer = Arc::new(Producer::patient(&settings, "test").unwrap());
        let waiting = tokio::spawn({
            let producer = Arc::clone(&producer);
            async move {
                let large = NewRecord { value: Some(vec![0; 100_000_001]), ..record() };
                producer.send_all([record(), large, record()]).await
            }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "one refused record says nothing of the others");
        let code = bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client and the text are alive.
        unsafe { bindings::rd_kafka_test_fatal_error(producer.client().client().native_ptr(), code, c"test".as_ptr()) };
        assert!(matches!(producer.send(record()).await, Err(SendError::Transient(_))));
        let sent = waiting.await.unwrap();
        assert!(
            matches!(&sent[..], [Err(SendError::Transient(_)), Err(SendError::TooLarge), Err(SendError::Transient(_))]),
            "{sent:?}"
        );
    }
}
