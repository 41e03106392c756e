//! Records that become visible together or not at all.
//!
//! Readers see them only under `read_committed`, which every consumer of ours uses, and they wait behind an open transaction:
//! whoever publishes has its records at hand before it begins.
//!
//! A newer producer with the same transactional id fences the older one. The coordinator does the same to a producer whose
//! transaction stayed open for too long, and the client tells the two alike ([`TransactionError::Fenced`]): who has to tell
//! them apart opens the producer anew and looks at what was committed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use schema::record::{Headers, NewRecord, Record};

use crate::delivery::Delivered;
use crate::error::{Class, ClientError, RequestError, class_of_code};
use crate::hidden::{Hidden, Reach, hidden};
use crate::polled_producer::PolledProducer;
use crate::producer::SendError;
use crate::reader::ReadError;
use crate::settings::KafkaSettings;

/// How long the coordinator lets a transaction stay open: so long readers wait when its producer is killed and no other takes
/// its id.
const OPEN: Duration = Duration::from_secs(30);
/// How long a record of a transaction may wait for its acknowledgement. With a step behind it that is less than what a
/// transaction may take, and less than the drain of a service.
const ACKNOWLEDGED: Duration = Duration::from_secs(12);
/// How long the markers of a committed transaction are waited for.
const DECIDED: Duration = Duration::from_secs(10);
/// How long one call of the transaction protocol may block.
const STEP: Duration = Duration::from_secs(10);
/// How long the registration of an id may take: the coordinator first ends what was open under it.
const REGISTERED: Duration = Duration::from_secs(30);

/// A transaction did not happen, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// The broker, or the client, refuses some of the records for good: their places among those that were handed over. The
    /// transaction was aborted; without them it may succeed.
    #[error("{} of the transaction's records were refused, the first because {}", .0.len(), first(.0))]
    Refused(Vec<(usize, SendError)>),
    /// The cluster did not go along. The transaction was aborted; the same producer can try again.
    #[error("the transaction was aborted: {0}")]
    Aborted(#[source] SendError),
    /// This producer's id was taken: by another process, or by the coordinator because a transaction stayed open for too long.
    /// The transaction may have been committed or not.
    #[error("another process with the same transactional id has taken over, or a transaction stayed open for too long")]
    Fenced,
    /// Nobody knows whether the transaction was committed, and this producer cannot go on.
    #[error("the outcome of the transaction is not known after {step}: {source}")]
    Unknown {
        /// Which step of the protocol failed.
        step: &'static str,
        /// What the client said.
        #[source]
        source: KafkaError,
    },
    /// Nothing is under way, and the brokers do not say whether an earlier transaction left something open.
    #[error("what an ended transaction may have left open cannot be looked for: {0}")]
    Leftovers(#[source] ReadError),
    /// The task that waits for the client ended early.
    #[error("the transaction's task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

fn topics_of(records: &[NewRecord]) -> BTreeSet<Arc<str>> {
    records.iter().map(|record| Arc::clone(&record.topic)).collect()
}

fn first(refused: &[(usize, SendError)]) -> String {
    refused.first().map(|(_, error)| error.to_string()).unwrap_or_default()
}

impl TransactionError {
    fn at(step: &'static str) -> impl Fn(KafkaError) -> Self {
        move |source| match source.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Fenced,
            _ => Self::Unknown { step, source },
        }
    }
}

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where each record was stored, in order; those of an account are not among them.
    pub delivered: Vec<Delivered>,
    /// How far it reaches, its account included.
    pub reach: Reach,
}

/// A producer of transactions.
pub struct TransactionalProducer {
    client: Arc<PolledProducer>,
    client_id: Arc<str>,
    settings: Arc<KafkaSettings>,
}

impl TransactionalProducer {
    /// Registers `transactional_id`. That fences an older producer of the id and ends what it left open: once this returns,
    /// everything that was ever published under the id is either committed or aborted.
    ///
    /// # Errors
    /// The id cannot be registered now; it may be tried again.
    pub async fn new(settings: &KafkaSettings, client_id: &str, transactional_id: &str) -> Result<Self, OpenError> {
        let mut config = settings.producer(client_id);
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", OPEN.as_millis().to_string())
            .set("message.timeout.ms", ACKNOWLEDGED.as_millis().to_string());
        let client = Arc::new(PolledProducer::new(&config)?);
        let registering = Arc::clone(&client);
        blocking("registering the transactional id", move || registering.init_transactions(REGISTERED)).await?;
        Ok(Self { client, client_id: client_id.into(), settings: Arc::new(settings.clone()) })
    }

    /// Sends all records in one transaction. Before the next one is begun, this one should be readable: [`Self::is_readable`].
    ///
    /// # Errors
    /// See [`TransactionError`]. After [`TransactionError::Fenced`] and [`TransactionError::Unknown`] this producer is at its
    /// end, and only a new one of the same id can learn what became of the transaction.
    pub async fn publish(&self, records: &[NewRecord]) -> Result<Published, TransactionError> {
        self.publish_with(records, |_| Vec::new()).await
    }

    /// The same with further records, in the same transaction, that tell where the first ones were stored. `account` gets the
    /// places in order.
    ///
    /// # Errors
    /// As [`Self::publish`]; places of [`TransactionError::Refused`] beyond `records` are those of the account.
    pub async fn publish_with(
        &self,
        records: &[NewRecord],
        account: impl Fn(&[Delivered]) -> Vec<NewRecord>,
    ) -> Result<Published, TransactionError> {
        match self.attempt(records, &account).await {
            // Where the broker has refused a record, the client goes on with a gap in its sequence numbers: its next transaction
            // to that partition fails, and only that one's abort mends the gap.
            Err(TransactionError::Aborted(SendError::Transient(_))) => self.attempt(records, &account).await,
            attempted => attempted,
        }
    }

    /// Waits until all that a committed transaction reached can be read; false where the brokers answer, and after ten seconds it
    /// still cannot: another producer's transaction is open before it, or a broker has skipped its end, see
    /// [`Self::end_hanging`].
    ///
    /// A commit is the coordinator's decision, the markers that make it true on each partition come later. Where one was
    /// skipped, the end of the next transaction of this id on the partition ends both, and an abort would undo what was
    /// committed. So nothing is to be begun before what came last can be read.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub async fn is_readable(&self, reach: &Reach) -> Result<bool, RequestError> {
        let (client, reach) = (Arc::clone(&self.client), reach.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + DECIDED;
            for ((topic, partition), last) in reach.partitions() {
                while readable_end(&client, topic, *partition)? <= *last {
                    if Instant::now() >= deadline {
                        return Ok(false);
                    }
                    client.poll(Duration::from_millis(20));
                }
            }
            Ok(true)
        });
        let found = looking.await.unwrap_or_else(|ended| Err(KafkaError::ClientCreation(ended.to_string())));
        found.map_err(|source| RequestError { what: "asking for the end of a partition", source })
    }

    /// Ends what an earlier transaction of this id left open on the partitions that `records` go to, although the coordinator
    /// counts it as ended: a broker that crashes between the decision and its markers can skip a marker for good, because it
    /// takes the partition for deleted while that has no leader (Kafka 4.3, "Couldn't find leader endpoint for partitions"). A
    /// marker of the same producer ends it, so the records are written and aborted; nobody sees them.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub async fn end_hanging(&self, records: &[NewRecord]) -> Result<(), TransactionError> {
        self.client.begin_transaction().map_err(TransactionError::at("its begin"))?;
        let sent = self.send_all(records).await;
        self.abort().await?;
        sent.map(drop).map_err(|failures| cause_of(&failures))
    }

    /// What is written on `topics` now and still hidden from `read_committed` after ten seconds.
    ///
    /// # Errors
    /// A topic cannot be read.
    pub async fn hidden(&self, mut topics: BTreeSet<Arc<str>>) -> Result<Hidden, TransactionError> {
        let (settings, client_id) = (Arc::clone(&self.settings), Arc::clone(&self.client_id));
        let look = move || loop {
            match hidden(&settings, &client_id, &topics) {
                // Nothing is hidden on what is not there; whoever writes to it is told so.
                Err(ReadError::NoTopic(missing)) => topics.retain(|topic| **topic != *missing),
                looked => return looked,
            }
        };
        tokio::task::spawn_blocking(look).await?.map_err(TransactionError::Leftovers)
    }

    /// The records of `hidden` that are `wanted`, of transactions of anyone, be they open, committed or aborted.
    ///
    /// # Errors
    /// A topic cannot be read.
    pub async fn hidden_records(
        &self,
        hidden: Hidden,
        wanted: impl Fn(&Record) -> bool + Send + 'static,
    ) -> Result<Vec<Record>, TransactionError> {
        let (settings, client_id) = (Arc::clone(&self.settings), Arc::clone(&self.client_id));
        let read = move || hidden.records(&settings, &client_id, wanted);
        tokio::task::spawn_blocking(read).await?.map_err(TransactionError::Leftovers)
    }

    /// Ends as aborted what of `hidden` is of this id, see [`Self::end_hanging`]: the commit of the next transaction would make it
    /// visible. To be called while nothing is under way.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub async fn end_hidden(&self, hidden: &Hidden) -> Result<(), TransactionError> {
        if hidden.is_empty() {
            return Ok(());
        }
        let partitions = hidden.partitions().count();
        tracing::warn!(partitions, "a transaction stays open: should it be ours, it is ended as aborted now");
        let blank = |(topic, partition): &(Arc<str>, i32)| NewRecord {
            topic: Arc::clone(topic),
            partition: Some(*partition),
            timestamp_ms: None,
            // A compacted topic takes nothing without a key.
            key: Some(self.client_id.as_bytes().to_vec()),
            value: None,
            headers: Headers::new(),
        };
        self.end_hanging(&hidden.partitions().map(blank).collect::<Vec<_>>()).await
    }

    /// Looks at `topics` and ends what hangs there, see [`Self::end_hidden`]. To be called behind an abort.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub async fn end_leftovers(&self, topics: BTreeSet<Arc<str>>) -> Result<(), TransactionError> {
        let hidden = self.hidden(topics).await?;
        self.end_hidden(&hidden).await
    }

    async fn attempt(
        &self,
        records: &[NewRecord],
        account: impl Fn(&[Delivered]) -> Vec<NewRecord>,
    ) -> Result<Published, TransactionError> {
        self.client.begin_transaction().map_err(TransactionError::at("its begin"))?;
        let mut touched = topics_of(records);
        let account = |delivered: &[Delivered]| {
            let account = account(delivered);
            touched.extend(topics_of(&account));
            account
        };
        match self.send_with_account(records, account).await {
            Ok(published) => {
                self.commit().await?;
                Ok(published)
            }
            Err(failures) => {
                // A fenced producer's sends fail as purged, and only the abort says why.
                self.abort().await?;
                let cause = cause_of(&failures);
                match Box::pin(self.end_leftovers(touched)).await {
                    Ok(()) => Err(cause),
                    Err(error) => {
                        tracing::warn!(%cause, "a transaction was aborted, and what it left open is not known");
                        Err(error)
                    }
                }
            }
        }
    }

    async fn send_with_account(
        &self,
        records: &[NewRecord],
        account: impl FnOnce(&[Delivered]) -> Vec<NewRecord>,
    ) -> Result<Published, Vec<(usize, RDKafkaErrorCode)>> {
        let delivered = self.send_all(records).await?;
        // A broker that has forgotten a batch acknowledges its repetition without saying where it is.
        let unplaced = delivered.iter().position(|stored| stored.offset < 0);
        if let Some(place) = unplaced {
            return Err(vec![(place, RDKafkaErrorCode::MessageTimedOut)]);
        }
        let behind = |(place, code)| (records.len() + place, code);
        let account = account(&delivered);
        match self.send_all(&account).await {
            Ok(told) => {
                let stored = records.iter().zip(&delivered).chain(account.iter().zip(&told));
                Ok(Published { reach: Reach::of(stored), delivered })
            }
            Err(failures) => Err(failures.into_iter().map(behind).collect()),
        }
    }

    async fn send_all(&self, records: &[NewRecord]) -> Result<Vec<Delivered>, Vec<(usize, RDKafkaErrorCode)>> {
        let mut awaited = self.client.hand_over(records).await;
        let refused = awaited.refused();
        if !refused.is_empty() {
            // The abort gives up the others.
            return Err(refused);
        }
        let (mut delivered, mut failures) = (Vec::with_capacity(records.len()), Vec::new());
        for (place, report) in awaited.reports().await.into_iter().enumerate() {
            match report {
                Ok(stored) => delivered.push(stored),
                Err(code) => failures.push((place, code)),
            }
        }
        if failures.is_empty() { Ok(delivered) } else { Err(failures) }
    }

    /// Commits, and asks again while the client says that this is of use: the commit goes on in the background meanwhile.
    /// Once a commit was asked for, its failure says nothing about the outcome.
    async fn commit(&self) -> Result<(), TransactionError> {
        let client = Arc::clone(&self.client);
        let committed = blocking("its commit", move || {
            // Longer is of no use: the coordinator ends the transaction by itself.
            let deadline = Instant::now() + OPEN;
            loop {
                match client.commit_transaction(STEP) {
                    Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                        client.poll(Duration::from_millis(100));
                    }
                    ended => return ended,
                }
            }
        });
        let Err(error) = committed.await else { return Ok(()) };
        if !matches!(error, TransactionError::Unknown { .. }) {
            return Err(error);
        }
        // Where nothing was committed, readers need not wait for the coordinator's patience to end.
        match self.abort().await {
            Ok(()) => Err(error),
            // A commit that meets the fencing half done is answered with "unknown server error" (Kafka 4.3); the abort behind it
            // is told the reason.
            Err(TransactionError::Fenced) => Err(TransactionError::Fenced),
            Err(abort) => {
                tracing::debug!(error = %abort, "transaction with an unknown outcome could not be aborted");
                Err(error)
            }
        }
    }

    async fn abort(&self) -> Result<(), TransactionError> {
        let client = Arc::clone(&self.client);
        blocking("its abort", move || client.abort_transaction(STEP)).await
    }
}

/// The end that `read_committed` sees.
///
/// A client that has once heard of a topic without this partition, as from a broker that is just starting, answers so from memory
/// for minutes: it is made to ask again.
fn readable_end(client: &PolledProducer, topic: &str, partition: i32) -> Result<i64, KafkaError> {
    let client = client.client();
    let end = || client.fetch_watermarks(topic, partition, STEP).map(|(_, end)| end);
    end().or_else(|error| match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic) => {
            client.fetch_metadata(Some(topic), STEP)?;
            end()
        }
        _ => Err(error),
    })
}

impl Drop for TransactionalProducer {
    /// The client's end waits for its threads, so it happens off the runtime where there is one.
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let client = Arc::clone(&self.client);
            runtime.spawn_blocking(move || drop(client));
        }
    }
}

/// Why an aborted transaction failed: some records are refused for good, or the cluster did not go along. A refused record
/// fails its transaction, and with it every other record of it as purged.
fn cause_of(failures: &[(usize, RDKafkaErrorCode)]) -> TransactionError {
    let refused: Vec<_> = failures
        .iter()
        .map(|(place, code)| (*place, SendError::of(*code)))
        .filter(|(_, error)| matches!(error, SendError::TooLarge | SendError::Rejected(_)))
        .collect();
    if !refused.is_empty() {
        return TransactionError::Refused(refused);
    }
    let purged =
        |code: RDKafkaErrorCode| matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
    let codes = || failures.iter().map(|(_, code)| *code);
    let cause = codes().find(|code| !purged(*code)).or_else(|| codes().next());
    TransactionError::Aborted(SendError::of(cause.unwrap_or(RDKafkaErrorCode::Fail)))
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

impl OpenError {
    /// What a person can do about it; where it passes by itself, that too.
    pub fn remedy(&self) -> &'static str {
        let code = match self {
            Self::Register(TransactionError::Unknown { source, .. }) => source.rdkafka_error_code(),
            Self::Register(
                TransactionError::Refused(_)
                | TransactionError::Aborted(_)
                | TransactionError::Fenced
                | TransactionError::Leftovers(_)
                | TransactionError::Task(_),
            )
            | Self::Client(_) => None,
        };
        match code.map(class_of_code) {
            Some(Class::Misconfigured | Class::Fatal | Class::Rejected) => {
                "allow this user to write with its transactional id, and transactions of 30 s (the brokers' \
                 transaction.max.timeout.ms); it goes on by itself"
            }
            Some(Class::Retry | Class::Rejoin) | None => {
                "bring Kafka back; a broker that never took a transaction needs a transaction.state.log.replication.factor of \
                 at most the number of brokers; it goes on by itself"
            }
        }
    }
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
        let TransactionError::Refused(refused) =
            cause_of(&[(0, C::PurgeQueue), (1, C::MessageSizeTooLarge), (2, C::PurgeInflight), (3, C::InvalidRecord)])
        else {
            panic!("refused")
        };
        assert_eq!(refused.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 3]);
        for (cause, consequence) in [(C::MessageTimedOut, C::PurgeQueue), (C::NotEnoughReplicas, C::PurgeInflight)] {
            for failures in [[(0, cause), (1, consequence)], [(0, consequence), (1, cause)]] {
                assert!(
                    matches!(cause_of(&failures), TransactionError::Aborted(error) if error == SendError::of(cause))
                );
            }
        }
        assert!(matches!(cause_of(&[(0, C::PurgeQueue)]), TransactionError::Aborted(SendError::Transient(_))));
    }

    #[test]
    fn a_refusal_is_told_apart_from_an_outage_even_where_both_happened() {
        use RDKafkaErrorCode as C;
        let cause = cause_of(&[(0, C::MessageTimedOut), (7, C::MessageSizeTooLarge)]);
        assert!(matches!(cause, TransactionError::Refused(refused) if refused == [(7, SendError::TooLarge)]));
    }
}
