//! The transactions of a job: chunks of letters, each letter's record and its ledger entry in the same transaction.

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use kafka::{Admin, Delivered, KafkaSettings, ReadError, TransactionError, TransactionalProducer};
use schema::record::NewRecord;
use service::shutdown::Shutdown;
use tokio::sync::watch;

use crate::book::Choice;
use crate::disposition::{self, Disposition, Landed, REPLAY_LIMIT, State};
use crate::job::progress::{Phase, Progress};
use crate::job::{JobError, Plan};
use crate::letter::Letter;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::pace::Pace;
use crate::redrive::{Redrive, Refusal};
use crate::report::Report;
use crate::settings::ReplayerSettings;
use crate::topics;

/// Bytes of one transaction, about: a chunk is closed by the record that goes beyond.
const CHUNK_BYTES: usize = 4 << 20;

/// Takes over from whichever job works on the same ledger: whoever writes the same account takes turns.
///
/// Once this returns, the whole ledger can be read: entries behind a transaction that stays open are hidden, and their letters
/// would be dealt with once more. Registering has ended what the coordinator knows of; what hangs although it does not is ended
/// by records that nobody sees. Whatever still stays open then is of another id, and the job does not begin.
pub(super) async fn open(
    kafka: &KafkaSettings,
    admin: &Admin,
    mailroom: &Mailroom,
) -> Result<TransactionalProducer, JobError> {
    let id = format!("{CLIENT}-{}", kafka.topics.ledger);
    let producer = TransactionalProducer::new(kafka, CLIENT, &id).await?;
    match mailroom.ledger_decided().await {
        Err(MailError::Read(ReadError::Undecided(topic))) => {
            tracing::warn!(topic, "a transaction stays open: should it be of an older job, it is ended now");
            let ledger: Arc<str> = topic.into();
            let partitions = topics::offsets(admin, &ledger).await?.into_keys();
            let blanks: Vec<_> = partitions.map(|partition| disposition::blank(&ledger, partition)).collect();
            producer.end_hanging(&blanks).await.map_err(|source| JobError::after(0, source))?;
            mailroom.ledger_decided().await?;
        }
        decided => decided?,
    }
    Ok(producer)
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

    /// Its ledger entry, once its record has landed.
    fn landed(&self, at: Delivered) -> Disposition {
        let landed = Landed { topic: self.record.topic.to_string(), partition: at.partition, offset: at.offset };
        Disposition { landed: Some(landed), ..self.entry.clone() }
    }
}

/// See the module's page.
pub(super) struct Publication<'a> {
    redrive: Redrive,
    parked: Arc<str>,
    ledger: Arc<str>,
    max_attempts: u32,
    producer: TransactionalProducer,
    pace: Pace,
    report: Report,
    progress: &'a watch::Sender<Progress>,
    /// What was replayed and is not home yet.
    flights: Vec<Disposition>,
}

impl<'a> Publication<'a> {
    pub(super) fn new(
        settings: &ReplayerSettings,
        plan: &Plan,
        producer: TransactionalProducer,
        report: Report,
        progress: &'a watch::Sender<Progress>,
    ) -> Self {
        let topics = &settings.kafka.topics;
        Self {
            redrive: Redrive {
                replay_id: report.replay_id.clone(),
                topic: topics.user_data.as_str().into(),
                by: plan.by.clone(),
                why: plan.why.clone(),
                mend: None,
                oldest: None,
            },
            parked: topics.parked.as_str().into(),
            ledger: topics.ledger.as_str().into(),
            max_attempts: settings.max_attempts,
            producer,
            pace: Pace::new(plan.rate, Instant::now()),
            report,
            progress,
            flights: Vec::new(),
        }
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Deals with the chosen letters and returns the entries of those that are to come home.
    pub(super) async fn publish_all(
        &mut self,
        mailroom: &Mailroom,
        chosen: &[Choice],
        shutdown: &Shutdown,
    ) -> Result<Vec<Disposition>, JobError> {
        let mut letters = mailroom.letters_with_originals(chosen);
        let mut chunk: Vec<Passenger> = Vec::new();
        let mut weight = 0;
        let mut gone = vec![true; chosen.len()];
        while let Some(item) = letters.recv().await {
            let (place, letter) = item?;
            let (Some(choice), Some(gone)) = (chosen.get(place), gone.get_mut(place)) else { continue };
            *gone = false;
            let id = letter.id.clone();
            match self.passenger(letter, choice) {
                Ok(passenger) => {
                    weight += passenger.weight();
                    chunk.push(passenger);
                }
                Err(refusal) => self.refuse(&id, &refusal),
            }
            if chunk.len() >= self.pace.chunk() || weight >= CHUNK_BYTES {
                self.publish_in_time(std::mem::take(&mut chunk), shutdown).await?;
                weight = 0;
            }
            if shutdown.is_requested() {
                break;
            }
        }
        self.publish_in_time(chunk, shutdown).await?;
        if shutdown.is_requested() {
            tracing::warn!("told to end; what was done is accounted for");
        } else {
            for (choice, _) in chosen.iter().zip(gone).filter(|(_, gone)| *gone) {
                self.refuse(&choice.dlq.to_string(), &Refusal::Gone);
            }
        }
        self.show();
        Ok(std::mem::take(&mut self.flights))
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

    fn show(&self) {
        self.progress.send_replace(Progress { phase: Phase::Publishing, report: self.report.clone() });
    }

    fn refuse(&mut self, id: &str, refusal: &Refusal) {
        self.report.refuse(refusal);
        tracing::warn!(id, why = %refusal, "dead letter is left as it is");
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
    async fn publish(&mut self, chunk: Vec<Passenger>) -> Result<(), JobError> {
        self.pace.sent(chunk.len());
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
    async fn transact(&self, chunk: &[Passenger]) -> Result<Vec<Disposition>, TransactionError> {
        let records: Vec<_> = chunk.iter().map(|passenger| passenger.record.clone()).collect();
        let entries = |landed: &[Delivered]| -> Vec<Disposition> {
            chunk.iter().zip(landed).map(|(passenger, at)| passenger.landed(*at)).collect()
        };
        let account = |landed: &[Delivered]| entries(landed).iter().map(|entry| entry.record(&self.ledger)).collect();
        let landed = self.producer.publish_with(&records, account).await?;
        Ok(entries(&landed))
    }

    fn account(&mut self, entries: Vec<Disposition>) {
        for entry in entries {
            if entry.state == State::Parked {
                self.report.parked += 1;
                let (id, replays) = (&entry.id, entry.replays);
                tracing::warn!(id, replays, "dead letter is parked, its attempts are used up");
            } else {
                self.report.replayed += 1;
                self.flights.push(entry);
            }
        }
    }

    fn stopped(&self, source: TransactionError) -> JobError {
        JobError::after(self.report.done(), source)
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
