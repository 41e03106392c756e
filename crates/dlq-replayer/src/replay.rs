//! The job that publishes dead letters again.
//!
//! 1. Choose: the dead letters as they are now, the ledger, the selection.
//! 2. Take over: registering the transactional id ends an older job on the same ledger, whose next transaction fails. Only
//!    then is the ledger read once more: what another job has replayed meanwhile is not taken again.
//! 3. Publish, in chunks: one transaction holds the replayed records, the copies for the parked topic and a ledger entry for
//!    each, so a crash anywhere leaves each letter either replayed and accounted for or untouched.
//! 4. Wait until they are home: [`crate::homecoming`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use kafka::{
    Admin, AdminError, ClientError, Delivered, OpenError, ReadError, TopicError, TransactionError,
    TransactionalProducer,
};
use schema::record::NewRecord;
use service::process::Context;
use uuid::Uuid;

use crate::book::{Book, Choice};
use crate::cli::ReplayArguments;
use crate::disposition::{Disposition, REPLAY_LIMIT, State, Unreadable};
use crate::homecoming;
use crate::letter::Letter;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::operator::{self, Consent, NobodyToAsk};
use crate::pace::Pace;
use crate::redrive::{Redrive, Refusal};
use crate::report::Report;
use crate::settings::ReplayerSettings;
use crate::topics;

/// Bytes of one transaction, about: a chunk is closed by the record that goes beyond.
const CHUNK_BYTES: usize = 4 << 20;

/// The job could not do its work. What it had published is accounted for.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Neither `--yes` nor a terminal.
    #[error(transparent)]
    NobodyToAsk(#[from] NobodyToAsk),
    /// Asking failed.
    #[error("the terminal cannot be asked: {0}")]
    Terminal(#[from] std::io::Error),
    /// A topic is missing, or Kafka does not answer.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Dead letters or ledger cannot be read.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The ledger holds what we do not understand.
    #[error("nothing is replayed: {0}")]
    Unreadable(Unreadable),
    /// A client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The producer of transactions cannot be had.
    #[error("replaying cannot begin: {0}")]
    Open(#[from] OpenError),
    /// The cluster does not answer.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Another job works on the same ledger now.
    #[error(
        "another replay has taken over after {published} dead letters of this one; what was replayed is not taken again"
    )]
    TakenOver {
        /// Letters that were published and accounted for.
        published: usize,
    },
    /// A transaction did not happen.
    #[error(
        "stopped after {published} dead letters: {source}; run the same command again, what was replayed is not taken again"
    )]
    Transaction {
        /// Letters that were published and accounted for.
        published: usize,
        /// What happened.
        #[source]
        source: TransactionError,
    },
}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> Self {
        Self::Mail(error.into())
    }
}

impl ReplayError {
    /// A transaction of a job that had published so many letters failed.
    pub(crate) fn after(published: usize, source: TransactionError) -> Self {
        match source {
            TransactionError::Fenced => Self::TakenOver { published },
            TransactionError::Refused(_)
            | TransactionError::Aborted(_)
            | TransactionError::Unknown { .. }
            | TransactionError::Task(_) => Self::Transaction { published, source },
        }
    }
}

/// A replayed letter that is not home yet.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    /// The ledger's last word on it.
    pub(crate) entry: Disposition,
    /// Where its record landed.
    pub(crate) landed: Delivered,
}

/// One letter of a chunk.
struct Passenger {
    record: NewRecord,
    entry: Disposition,
}

impl Passenger {
    fn weight(&self) -> usize {
        self.record.key.as_ref().map_or(0, Vec::len) + self.record.value.as_ref().map_or(0, Vec::len)
    }
}

/// Replays what the arguments select. `None` where the person at the terminal said no.
///
/// # Errors
/// See [`ReplayError`].
pub async fn run(
    settings: &ReplayerSettings,
    arguments: &ReplayArguments,
    context: &Context,
) -> Result<Option<Report>, ReplayError> {
    let consent = Consent::of(arguments.yes)?;
    let kafka = &settings.kafka;
    let admin = Admin::new(kafka, CLIENT)?;
    topics::all_there(&admin, kafka).await?;
    let mailroom = Mailroom::new(kafka);
    let selection = &arguments.selection;
    let book = mailroom.book(selection).await?;
    let selected = chosen(&book, selection)?.len();
    let replay_id = Uuid::now_v7().to_string();
    if selected == 0 {
        return Ok(Some(Report { replay_id, ..Report::default() }));
    }
    let question = format!("Replay {selected} dead letters to {}?", kafka.topics.user_data);
    if !consent.obtain(&question, &context.shutdown).await? {
        return Ok(None);
    }

    // One id per ledger: whoever writes the same account takes turns.
    let id = format!("{CLIENT}-{}", kafka.topics.ledger);
    let producer = TransactionalProducer::new(kafka, CLIENT, &id).await?;
    let book = mailroom.with_ledger(book).await?;
    let chosen = chosen(&book, selection)?;
    let since: BTreeMap<i32, i64> = topics::offsets(&admin, &kafka.topics.dlq)
        .await?
        .into_iter()
        .map(|(partition, (_, end))| (partition, end))
        .collect();
    let rate = arguments.rate.unwrap_or(settings.rate_per_second);
    tracing::info!(replay_id, selected = chosen.len(), rate, "replay begins");
    let mut job = Job {
        redrive: Redrive {
            replay_id: replay_id.clone(),
            topic: kafka.topics.user_data.as_str().into(),
            by: operator::who(),
            why: arguments.why.clone(),
        },
        parked: kafka.topics.parked.as_str().into(),
        ledger: kafka.topics.ledger.as_str().into(),
        max_attempts: settings.max_attempts,
        producer,
        pace: Pace::new(rate, Instant::now()),
        report: Report { replay_id, selected: chosen.len(), ..Report::default() },
        flights: Vec::new(),
    };
    job.publish_all(&mailroom, &chosen, context).await?;
    let Job { producer, ledger, mut report, flights, .. } = job;
    let home = homecoming::Watch { admin: &admin, mailroom: &mailroom, kafka, producer: &producer, ledger: &ledger };
    home.settle(flights, since, &mut report, &context.shutdown).await?;
    Ok(Some(report))
}

/// What the job takes; nothing at all where the ledger cannot be read whole.
fn chosen(book: &Book, selection: &crate::selection::Selection) -> Result<Vec<Choice>, ReplayError> {
    match book.unreadable() {
        Some(unreadable) => Err(ReplayError::Unreadable(unreadable.clone())),
        None => Ok(book.chosen(selection, &[State::Unresolved])),
    }
}

struct Job {
    redrive: Redrive,
    parked: Arc<str>,
    ledger: Arc<str>,
    max_attempts: u32,
    producer: TransactionalProducer,
    pace: Pace,
    report: Report,
    flights: Vec<Flight>,
}

impl Job {
    async fn publish_all(
        &mut self,
        mailroom: &Mailroom,
        chosen: &[Choice],
        context: &Context,
    ) -> Result<(), ReplayError> {
        let mut letters = mailroom.letters(chosen);
        let mut chunk: Vec<Passenger> = Vec::new();
        let mut weight = 0;
        let mut gone = vec![true; chosen.len()];
        while let Some(item) = letters.recv().await {
            let (place, letter) = item?;
            let (Some(choice), Some(gone)) = (chosen.get(place), gone.get_mut(place)) else { continue };
            *gone = false;
            match self.passenger(letter, choice) {
                Ok(passenger) => {
                    weight += passenger.weight();
                    chunk.push(passenger);
                }
                Err(refusal) => self.refuse(&choice.id, &refusal),
            }
            if chunk.len() >= self.pace.chunk() || weight >= CHUNK_BYTES {
                self.publish_in_time(std::mem::take(&mut chunk), context).await?;
                weight = 0;
            }
            if context.shutdown.is_requested() {
                break;
            }
        }
        self.publish_in_time(chunk, context).await?;
        if context.shutdown.is_requested() {
            self.report.left = self.report.selected - self.report.replayed - self.report.parked - self.report.refused;
            tracing::warn!(left = self.report.left, "told to end; what was replayed is accounted for");
            return Ok(());
        }
        for (choice, _) in chosen.iter().zip(gone).filter(|(_, gone)| *gone) {
            self.refuse(&choice.id, &Refusal::Gone);
        }
        Ok(())
    }

    /// Publishes a chunk when its time has come; not at all once the job is told to end.
    async fn publish_in_time(&mut self, chunk: Vec<Passenger>, context: &Context) -> Result<(), ReplayError> {
        let wait = tokio::time::sleep(self.pace.wait(Instant::now()));
        if chunk.is_empty() || context.shutdown.cuts(wait).await.is_none() {
            return Ok(());
        }
        self.publish(chunk).await
    }

    fn refuse(&mut self, id: &str, refusal: &Refusal) {
        self.report.refused += 1;
        tracing::warn!(id, why = %refusal, "dead letter is not replayed");
    }

    /// What is to be published for a letter, and what the ledger says of it.
    fn passenger(&self, letter: Letter, choice: &Choice) -> Result<Passenger, Refusal> {
        let now = Utc::now();
        let replays = letter.replays().max(choice.replays);
        let Redrive { by, why, .. } = &self.redrive;
        // Whoever asks for a parked letter by its state wants it replayed and not parked once more.
        if replays >= self.max_attempts && choice.state != State::Parked {
            let entry = Disposition {
                cause: Some(REPLAY_LIMIT.to_owned()),
                ..Disposition::new(&letter, State::Parked, replays, by, why, now)
            };
            let Letter { key, value, headers, .. } = letter;
            let topic = Arc::clone(&self.parked);
            let record = NewRecord { topic, partition: None, timestamp_ms: None, key, value, headers };
            return Ok(Passenger { record, entry });
        }
        let count = replays.saturating_add(1);
        let record = self.redrive.record_of(&letter, count, now)?;
        let entry = Disposition {
            replay_id: Some(self.redrive.replay_id.clone()),
            ..Disposition::new(&letter, State::Replayed, count, by, why, now)
        };
        Ok(Passenger { record, entry })
    }

    /// One chunk in one transaction; where the broker refuses a record for good, its letters one by one.
    async fn publish(&mut self, chunk: Vec<Passenger>) -> Result<(), ReplayError> {
        self.pace.sent(chunk.len());
        match self.transact(&chunk).await {
            Ok(landed) => {
                self.account(chunk, &landed);
                Ok(())
            }
            Err(error) if refusal(&error).is_none() => Err(self.stopped(error)),
            Err(_) => {
                for passenger in chunk {
                    self.publish_alone(passenger).await?;
                }
                Ok(())
            }
        }
    }

    async fn publish_alone(&mut self, passenger: Passenger) -> Result<(), ReplayError> {
        match self.transact(std::slice::from_ref(&passenger)).await {
            Ok(landed) => self.account(vec![passenger], &landed),
            Err(error) => match refusal(&error) {
                Some(refusal) => self.refuse(&passenger.entry.id, &refusal),
                None => return Err(self.stopped(error)),
            },
        }
        Ok(())
    }

    async fn transact(&self, chunk: &[Passenger]) -> Result<Vec<Delivered>, TransactionError> {
        let records = chunk.iter().map(|passenger| passenger.record.clone());
        let entries = chunk.iter().map(|passenger| passenger.entry.record(&self.ledger));
        let all: Vec<_> = records.chain(entries).collect();
        self.producer.publish(&all).await
    }

    fn account(&mut self, chunk: Vec<Passenger>, landed: &[Delivered]) {
        for (Passenger { entry, .. }, landed) in chunk.into_iter().zip(landed) {
            if entry.state == State::Parked {
                self.report.parked += 1;
                tracing::warn!(
                    id = entry.id,
                    replays = entry.replays,
                    "dead letter is parked, its attempts are used up"
                );
            } else {
                self.report.replayed += 1;
                self.flights.push(Flight { entry, landed: *landed });
            }
        }
    }

    fn stopped(&self, source: TransactionError) -> ReplayError {
        ReplayError::after(self.report.replayed + self.report.parked, source)
    }
}

/// The refusal of a record, where the broker has refused one for good.
fn refusal(error: &TransactionError) -> Option<Refusal> {
    match error {
        TransactionError::Refused(refused) => refused.first().map(|(_, error)| Refusal::NotTaken(error.to_string())),
        TransactionError::Aborted(_)
        | TransactionError::Fenced
        | TransactionError::Unknown { .. }
        | TransactionError::Task(_) => None,
    }
}
