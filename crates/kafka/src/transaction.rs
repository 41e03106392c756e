//! Records that become visible together or not at all.
//!
//! Readers see them only under `read_committed`, which every consumer of ours uses. A second producer with the same
//! transactional id fences the first, whose next call fails as [`TransactionError::Fenced`].

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, ThreadedProducer};
use schema::record::NewRecord;

use crate::delivery::{Delivered, Deliveries};
use crate::error::Class;
use crate::error::{ClientError, class};
use crate::producer::{SendError, enqueue};
use crate::settings::KafkaSettings;

/// How long one step of the transaction protocol may take.
const STEP: Duration = Duration::from_secs(30);

/// A transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// Another producer with the same transactional id has taken over.
    #[error("another process with the same transactional id has taken over")]
    Fenced,
    /// A record was refused; the transaction was aborted.
    #[error("a record of the transaction was refused: {0}")]
    Send(#[from] SendError),
    /// The cluster did not go along; the transaction was aborted or will be.
    #[error("the transaction failed at {step}: {source}")]
    Step {
        /// Which step of the protocol.
        step: &'static str,
        /// What the client said.
        #[source]
        source: KafkaError,
    },
    /// The task that waits for the client ended early.
    #[error("the transaction's task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl TransactionError {
    fn at(step: &'static str) -> impl Fn(KafkaError) -> Self {
        move |source| match source.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Fenced,
            _ => Self::Step { step, source },
        }
    }

    /// True when the same transaction may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Fenced | Self::Task(_) => false,
            Self::Send(error) => matches!(error, SendError::Transient(_)),
            Self::Step { source, .. } => class(source) == Class::Retry,
        }
    }
}

/// A producer of transactions.
pub struct TransactionalProducer {
    client: Arc<ThreadedProducer<Deliveries>>,
    deliveries: Deliveries,
}

impl TransactionalProducer {
    /// Registers `transactional_id`, which ends an older producer of that id.
    pub async fn new(settings: &KafkaSettings, client_id: &str, transactional_id: &str) -> Result<Self, OpenError> {
        let deliveries = Deliveries::default();
        let mut config = settings.producer(client_id);
        config.set("transactional.id", transactional_id);
        let client: ThreadedProducer<Deliveries> =
            config.create_with_context(deliveries.clone()).map_err(ClientError::Config)?;
        let client = Arc::new(client);
        let registering = Arc::clone(&client);
        blocking("registering the transactional id", move || registering.init_transactions(STEP)).await?;
        Ok(Self { client, deliveries })
    }

    /// Sends all records in one transaction and returns where each was stored, in order.
    pub async fn publish(&self, records: &[NewRecord]) -> Result<Vec<Delivered>, TransactionError> {
        self.client.begin_transaction().map_err(TransactionError::at("begin"))?;
        match self.send_all(records).await {
            Ok(delivered) => {
                let client = Arc::clone(&self.client);
                match blocking("commit", move || client.commit_transaction(STEP)).await {
                    Ok(()) => Ok(delivered),
                    Err(error) => {
                        self.abort().await;
                        Err(error)
                    }
                }
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn send_all(&self, records: &[NewRecord]) -> Result<Vec<Delivered>, TransactionError> {
        let mut awaited = Vec::with_capacity(records.len());
        for record in records {
            awaited.push(enqueue(&self.client, &self.deliveries, record).map_err(SendError::of)?);
        }
        let mut delivered = Vec::with_capacity(records.len());
        for one in awaited {
            delivered.push(one.await.map_err(SendError::of)?);
        }
        Ok(delivered)
    }

    async fn abort(&self) {
        let client = Arc::clone(&self.client);
        if let Err(error) = blocking("abort", move || client.abort_transaction(STEP)).await {
            // The broker aborts it by itself after its time-out, or the fencing producer already has.
            tracing::warn!(%error, "transaction could not be aborted");
        }
    }
}

/// A transactional producer could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The client could not be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The id could not be registered.
    #[error(transparent)]
    Register(#[from] TransactionError),
}

async fn blocking(
    step: &'static str,
    call: impl FnOnce() -> Result<(), KafkaError> + Send + 'static,
) -> Result<(), TransactionError> {
    tokio::task::spawn_blocking(call).await?.map_err(TransactionError::at(step))
}
