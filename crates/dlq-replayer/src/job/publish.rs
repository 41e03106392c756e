//! The transactions of a job: chunks of letters, each letter's record and its ledger entry in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use kafka::{Delivered, KafkaSettings, Published, Reach, TransactionError, TransactionalProducer};
use service::shutdown::Shutdown;
use tokio::sync::watch;

use crate::book::Choice;
use crate::disposition::{Disposition, Landed, State};
use crate::job::judge::{Judge, Passenger};
use crate::job::progress::{Phase, Progress};
use crate::job::{Action, JobError, Plan, taken_back};
use crate::mailroom::{CLIENT, Mailroom};
use crate::pace::Pace;
use crate::preflight::Row;
use crate::redrive::Refusal;
use crate::report::Report;
use crate::routes::Routes;

/// Bytes of one transaction, about: a chunk is closed by the record that goes beyond.
const CHUNK_BYTES: usize = 4 << 20;

/// Takes over from whichever job works on the same ledger: whoever writes the same account takes turns.
///
/// Once this returns, the whole ledger can be read: entries behind a transaction that stays open are hidden, and their letters
/// would be dealt with once more. Registering has ended what the coordinator knows of; what hangs although it does not is ended
/// by records that nobody sees. Whatever still stays open then is of another id, and the job does not begin. What the ledger
/// accounts for and nobody can read is taken back, see [`taken_back`].
pub(super) async fn open(
    kafka: &KafkaSettings,
    routes: &Routes,
    mailroom: &Mailroom,
) -> Result<TransactionalProducer, JobError> {
    let id = format!("{CLIENT}-{}", kafka.topics.ledger);
    let producer = TransactionalProducer::new(kafka, CLIENT, &id).await?;
    let failed = |source| JobError::after(0, source);
    let hidden = producer.hidden([kafka.topics.ledger.as_str().into()].into()).await.map_err(failed)?;
    if !hidden.is_empty() {
        producer.end_hidden(&hidden).await.map_err(failed)?;
        mailroom.decided(&kafka.topics.ledger).await?;
    }
    taken_back::take_back(&producer, kafka, routes, mailroom).await?;
    Ok(producer)
}

/// See the module's page.
pub(super) struct Publication<'a> {
    judge: Judge,
    routes: Routes,
    ledger: Arc<str>,
    producer: TransactionalProducer,
    /// How far the last transaction reaches.
    last: Reach,
    pace: Pace,
    progress: &'a watch::Sender<Progress>,
    /// The counts so far.
    pub(super) report: Report,
    /// What was replayed and is to come home.
    flights: Vec<Disposition>,
    /// The rows of what was replayed, by the letter's id.
    pub(super) rows: HashMap<String, Row>,
}

/// How a part of a job is published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// So many replays, at most.
    pub(super) limit: usize,
    /// Whether the job waits until they are home.
    pub(super) attended: bool,
}

impl<'a> Publication<'a> {
    pub(super) fn new(
        plan: &Plan,
        judge: Judge,
        producer: TransactionalProducer,
        ledger: &str,
        report: Report,
        progress: &'a watch::Sender<Progress>,
    ) -> Self {
        Self {
            judge,
            routes: plan.routes.clone(),
            ledger: ledger.into(),
            producer,
            last: Reach::default(),
            pace: Pace::new(plan.rate, Instant::now()),
            progress,
            report,
            flights: Vec::new(),
            rows: HashMap::new(),
        }
    }

    /// Deals with chosen letters until there are none left, or so many are replayed as the part may have. Returns the entries
    /// of those that are to come home, and the letters that were not looked at.
    pub(super) async fn publish_part(
        &mut self,
        mailroom: &Mailroom,
        chosen: Vec<Choice>,
        part: Part,
        shutdown: &Shutdown,
    ) -> Result<(Vec<Disposition>, Vec<Choice>), JobError> {
        let mut letters = self.judge.letters(mailroom, &chosen);
        let mut chunk: Vec<Passenger> = Vec::new();
        let (mut weight, mut replays) = (0, 0);
        let mut unseen = vec![true; chosen.len()];
        let mut all = true;
        while let Some(item) = letters.recv().await {
            let (place, letter) = item?;
            let (Some(choice), Some(unseen)) = (chosen.get(place), unseen.get_mut(place)) else { continue };
            *unseen = false;
            let id = letter.id.clone();
            match self.judge.passenger(letter, choice, part.attended, Utc::now()) {
                Ok(passenger) => {
                    weight += passenger.weight();
                    replays += usize::from(passenger.is_replayed());
                    if let Some(Ok(row)) = passenger.row.as_ref().filter(|_| part.attended) {
                        self.rows.insert(passenger.entry.id.clone(), *row);
                    }
                    chunk.push(passenger);
                }
                Err(refusal) => self.refuse(&id, &refusal),
            }
            if chunk.len() >= self.pace.chunk() || weight >= CHUNK_BYTES {
                self.publish_in_time(std::mem::take(&mut chunk), shutdown).await?;
                weight = 0;
            }
            if shutdown.is_requested() || replays >= part.limit {
                all = false;
                break;
            }
        }
        self.publish_in_time(chunk, shutdown).await?;
        let rest: Vec<_> =
            chosen.into_iter().zip(unseen).filter_map(|(choice, unseen)| unseen.then_some(choice)).collect();
        if all {
            rest.iter().for_each(|choice| self.refuse(&choice.dlq.to_string(), &Refusal::Gone));
        }
        self.show();
        let rest = if all { Vec::new() } else { rest };
        Ok((std::mem::take(&mut self.flights), rest))
    }

    /// Publishes a chunk when its time has come; not at all once the job is told to end.
    async fn publish_in_time(&mut self, chunk: Vec<Passenger>, shutdown: &Shutdown) -> Result<(), JobError> {
        let wait = tokio::time::sleep(self.pace.wait(Instant::now()));
        if chunk.is_empty() || shutdown.cuts(wait).await.is_none() {
            return Ok(());
        }
        self.publish(chunk).await?;
        self.show();
        Ok(())
    }

    /// Waits until the last transaction can be read: where a broker has skipped its end, an abort of the next one would undo it.
    async fn wait_until_readable(&self) -> Result<(), JobError> {
        match self.producer.is_readable(&self.last).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(JobError::Hidden { done: self.report.done() }),
            Err(error) => Err(self.stopped(TransactionError::Leftovers(error.into()))),
        }
    }

    fn show(&self) {
        self.progress.send_replace(Progress { phase: Phase::Publishing, report: self.report.clone() });
    }

    fn refuse(&mut self, id: &str, refusal: &Refusal) {
        self.report.refuse(refusal);
        tracing::warn!(id, why = %refusal, "dead letter is left as it is");
    }

    /// One chunk in one transaction; where the broker refuses a record for good, its letters one by one.
    async fn publish(&mut self, chunk: Vec<Passenger>) -> Result<(), JobError> {
        self.pace.sent(chunk.len());
        self.wait_until_readable().await?;
        match self.transact(&chunk).await {
            Ok(entries) => {
                self.account(entries);
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

    async fn publish_alone(&mut self, passenger: Passenger) -> Result<(), JobError> {
        self.wait_until_readable().await?;
        match self.transact(std::slice::from_ref(&passenger)).await {
            Ok(entries) => self.account(entries),
            Err(error) => match refusal(&error) {
                Some(refusal) => self.refuse(&passenger.entry.id, &refusal),
                None => return Err(self.stopped(error)),
            },
        }
        Ok(())
    }

    /// Publishes the records, then in the same transaction their entries, which tell where the records landed: so anybody
    /// can see later whether they came home.
    async fn transact(&mut self, chunk: &[Passenger]) -> Result<Vec<Disposition>, TransactionError> {
        let records: Vec<_> = chunk.iter().filter_map(|passenger| passenger.record.clone()).collect();
        let account =
            |landed: &[Delivered]| entries(chunk, landed).iter().map(|entry| entry.record(&self.ledger)).collect();
        let Published { delivered, reach } = self.producer.publish_with(&records, account).await?;
        self.last = reach;
        Ok(entries(chunk, &delivered))
    }

    fn account(&mut self, entries: Vec<Disposition>) {
        for entry in entries {
            match entry.state {
                State::Parked => {
                    self.report.parked += 1;
                    if self.report.action == Action::Replay {
                        let (id, replays) = (&entry.id, entry.replays);
                        tracing::warn!(id, replays, "dead letter is parked, its attempts are used up");
                    }
                }
                State::Discarded => self.report.discarded += 1,
                State::Unresolved | State::Replayed | State::Confirmed | State::Boomeranged => {
                    self.report.replayed += 1;
                    let followed = entry.landed.as_ref().is_some_and(|landed| self.routes.is_followed(&landed.topic));
                    if followed && entry.attended {
                        self.flights.push(entry);
                    } else {
                        self.report.not_followed += 1;
                    }
                }
            }
        }
    }

    fn stopped(&self, source: TransactionError) -> JobError {
        JobError::after(self.report.done(), source)
    }
}

/// The ledger entries of a chunk whose records have landed there, in the order of those that have one.
fn entries(chunk: &[Passenger], landed: &[Delivered]) -> Vec<Disposition> {
    let mut landed = landed.iter();
    let mut entries = Vec::with_capacity(chunk.len());
    for Passenger { record, entry, .. } in chunk {
        let at = record.as_ref().and_then(|record| Some((record, landed.next()?)));
        let landed = at.map(|(record, at)| Landed {
            topic: record.topic.to_string(),
            partition: at.partition,
            offset: at.offset,
        });
        entries.push(Disposition { landed, ..entry.clone() });
    }
    entries
}

/// The refusal of a record, where the broker has refused one for good.
fn refusal(error: &TransactionError) -> Option<Refusal> {
    match error {
        TransactionError::Refused(refused) => refused.first().map(|(_, error)| Refusal::NotTaken(error.to_string())),
        TransactionError::Aborted(_)
        | TransactionError::Fenced
        | TransactionError::Unknown { .. }
        | TransactionError::Leftovers(_)
        | TransactionError::Task(_) => None,
    }
}
