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
use crate::error::{ClientError, class_of_code};
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
        match self.attempt(records).await {
            // Where the broker has refused a record, the client goes on with a gap in its sequence numbers: its next transaction
            // to that partition fails, and only that one's abort mends the gap.
            Err(Failure { error: TransactionError::Send(SendError::Transient(_)), aborted: true }) => {
                self.attempt(records).await.map_err(|failure| failure.error)
            }
            attempted => attempted.map_err(|failure| failure.error),
        }
    }

    async fn attempt(&self, records: &[NewRecord]) -> Result<Vec<Delivered>, Failure> {
        self.client
            .begin_transaction()
            .map_err(|source| Failure { error: TransactionError::at("begin")(source), aborted: false })?;
        let sent = match self.send_all(records).await {
            Ok(delivered) => {
                let client = Arc::clone(&self.client);
                blocking("commit", move || client.commit_transaction(STEP)).await.map(|()| delivered)
            }
            Err(code) => Err(SendError::of(code).into()),
        };
        match sent {
            Ok(delivered) => Ok(delivered),
            Err(error) => Err(self.abort(error).await),
        }
    }

    async fn send_all(&self, records: &[NewRecord]) -> Result<Vec<Delivered>, RDKafkaErrorCode> {
        let mut awaited = Vec::with_capacity(records.len());
        for record in records {
            awaited.push(enqueue(&self.client, &self.deliveries, record)?);
        }
        let mut delivered = Vec::with_capacity(records.len());
        let mut cause = None;
        for one in awaited {
            match one.await {
                Ok(stored) => delivered.push(stored),
                Err(code) => cause = Some(cause.map_or(code, |known| likelier(known, code))),
            }
        }
        cause.map_or(Ok(delivered), Err)
    }

    /// Aborts because of `error`. A fenced producer's sends fail as purged, and only the abort says why.
    async fn abort(&self, error: TransactionError) -> Failure {
        let client = Arc::clone(&self.client);
        match blocking("abort", move || client.abort_transaction(STEP)).await {
            Ok(()) => Failure { error, aborted: true },
            Err(TransactionError::Fenced) => Failure { error: TransactionError::Fenced, aborted: false },
            Err(failure) => {
                // The broker aborts it by itself after its time-out, or the fencing producer already has.
                tracing::warn!(error = %failure, "transaction could not be aborted");
                Failure { error, aborted: false }
            }
        }
    }
}

/// A transaction did not happen; `aborted` when that is certain.
struct Failure {
    error: TransactionError,
    aborted: bool,
}

/// The error that caused the other one: a refused record fails its transaction, and with it every record of it as purged.
fn likelier(one: RDKafkaErrorCode, other: RDKafkaErrorCode) -> RDKafkaErrorCode {
    let rank = |code| match (code, class_of_code(code)) {
        (RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight, _) => 0,
        (_, Class::Rejected) => 2,
        (_, Class::Retry | Class::Rejoin | Class::Misconfigured | Class::Fatal) => 1,
    };
    if rank(other) > rank(one) { other } else { one }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failed_transaction_is_not_a_record_that_was_purged_with_it() {
        use RDKafkaErrorCode as C;
        for (cause, consequence) in [
            (C::MessageSizeTooLarge, C::PurgeQueue),
            (C::InvalidRecord, C::PurgeInflight),
            (C::MessageTimedOut, C::PurgeQueue),
            (C::MessageSizeTooLarge, C::MessageTimedOut),
        ] {
            assert_eq!(likelier(cause, consequence), cause);
            assert_eq!(likelier(consequence, cause), cause);
        }
    }
}
