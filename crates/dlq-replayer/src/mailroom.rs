//! Where dead letters and their ledger are read. Reading blocks, so it happens off the runtime; a look is bounded by where the
//! topic ended when it began.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::Utc;
use kafka::{Admin, ClientError, KafkaSettings, ReadError, RecordFinder, Start, TopicError, TopicReader};
use schema::reason::Reason;
use schema::record::Record;
use tokio::sync::mpsc;

use crate::book::{Book, Choice};
use crate::disposition::Entry;
use crate::letter::{Coordinates, Letter};
use crate::selection::Selection;

/// Name of the client in the brokers' logs.
pub(crate) const CLIENT: &str = "dlq-replayer";

/// Letters that were read and wait to be dealt with; with records of 1 MiB that is what they may weigh.
const WAITING: usize = 32;

/// Reading failed.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A topic is missing, or Kafka does not answer.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A topic cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The task that reads ended early.
    #[error("the task that reads ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The dead letter that a replayed record came back as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    pub(crate) id: String,
    pub(crate) reason: Option<Reason>,
}

/// See the module's page. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Mailroom {
    kafka: Arc<KafkaSettings>,
}

impl Mailroom {
    pub(crate) fn new(kafka: &KafkaSettings) -> Self {
        Self { kafka: Arc::new(kafka.clone()) }
    }

    /// Hands every record of `topic` to `take`. Blocks.
    pub(crate) fn each(&self, topic: &str, start: &Start, mut take: impl FnMut(Record)) -> Result<(), ReadError> {
        for record in TopicReader::open(&self.kafka, CLIENT, topic, start)? {
            take(record?);
        }
        Ok(())
    }

    /// All dead letters and all that became of them.
    pub(crate) async fn book(&self, selection: &Selection) -> Result<Book, MailError> {
        let admin = Admin::new(&self.kafka, CLIENT)?;
        for topic in [&self.kafka.topics.dlq, &self.kafka.topics.ledger] {
            admin.require(topic).await?;
        }
        let (this, selection, now) = (self.clone(), selection.clone(), Utc::now());
        let book = tokio::task::spawn_blocking(move || {
            let mut book = Book::default();
            this.each(&this.kafka.topics.dlq, &Start::Beginning, |record| {
                let letter = Letter::of(record);
                let wanted = selection.wants(&letter, now);
                book.letter(&letter, wanted);
            })?;
            Ok::<_, ReadError>(book)
        });
        self.with_ledger(book.await??).await
    }

    /// Returns when everything that is on the ledger now is visible.
    pub(crate) async fn ledger_decided(&self) -> Result<(), MailError> {
        let this = self.clone();
        let decided = move || kafka::wait_until_decided(&this.kafka, CLIENT, &this.kafka.topics.ledger);
        Ok(tokio::task::spawn_blocking(decided).await??)
    }

    /// The book with the ledger as it is now. The letters are read before the ledger, so that no entry is missing that a
    /// letter makes one expect.
    pub(crate) async fn with_ledger(&self, mut book: Book) -> Result<Book, MailError> {
        let this = self.clone();
        let book = tokio::task::spawn_blocking(move || {
            this.each(&this.kafka.topics.ledger, &Start::Beginning, |record| {
                book.entry(Entry::of(&record));
            })?;
            Ok::<_, ReadError>(book)
        });
        Ok(book.await??)
    }

    /// The chosen letters with their places among the chosen, as the topic yields them. Letters that retention has deleted
    /// meanwhile are missing.
    pub(crate) fn letters(&self, chosen: &[Choice]) -> mpsc::Receiver<Result<(usize, Letter), ReadError>> {
        self.read(chosen, |_| Ok(()))
    }

    /// As [`Mailroom::letters`], each with the record that failed: where the letter does not carry it, it is fetched from where
    /// it was.
    pub(crate) fn letters_with_originals(
        &self,
        chosen: &[Choice],
    ) -> mpsc::Receiver<Result<(usize, Letter), ReadError>> {
        let kafka = Arc::clone(&self.kafka);
        let mut finder: Option<RecordFinder> = None;
        self.read(chosen, move |letter| {
            let Some((topic, partition, offset)) = letter.wanted() else { return Ok(()) };
            let finder = match &mut finder {
                Some(finder) => finder,
                none => none.insert(RecordFinder::open(&kafka, CLIENT)?),
            };
            let found = finder.find(topic, partition, offset)?;
            letter.fetched(found);
            Ok(())
        })
    }

    fn read(
        &self,
        chosen: &[Choice],
        mut complete: impl FnMut(&mut Letter) -> Result<(), ReadError> + Send + 'static,
    ) -> mpsc::Receiver<Result<(usize, Letter), ReadError>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut wanted: HashMap<Coordinates, (usize, Arc<str>)> =
            chosen.iter().enumerate().map(|(place, choice)| (choice.dlq, (place, Arc::clone(&choice.id)))).collect();
        let mut first = BTreeMap::new();
        for choice in chosen {
            let offset = first.entry(choice.dlq.partition).or_insert(choice.dlq.offset);
            *offset = choice.dlq.offset.min(*offset);
        }
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            if wanted.is_empty() {
                return;
            }
            let reader = match TopicReader::open(&this.kafka, CLIENT, &this.kafka.topics.dlq, &Start::At(first)) {
                Ok(reader) => reader,
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
            for record in reader {
                let item = match record {
                    Ok(record) => {
                        let at = Coordinates { partition: record.partition, offset: record.offset };
                        let Some((place, id)) = wanted.remove(&at) else { continue };
                        let mut letter = Letter { id: id.to_string(), ..Letter::of(record) };
                        complete(&mut letter).map(|()| (place, letter))
                    }
                    Err(error) => Err(error),
                };
                // Nobody listens any more: the job was told to end.
                if sender.blocking_send(item).is_err() || wanted.is_empty() {
                    return;
                }
            }
        });
        receiver
    }

    /// What has come back from a job since the dead-letter topic ended at `since`: the letters that were replayed, each with
    /// the one it came back as.
    pub(crate) async fn boomerangs(
        &self,
        replay_id: &str,
        since: BTreeMap<i32, i64>,
    ) -> Result<HashMap<String, Return>, MailError> {
        let (this, replay_id) = (self.clone(), replay_id.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let mut found = HashMap::new();
            this.each(&this.kafka.topics.dlq, &Start::At(since), |record| {
                let letter = Letter::of(record);
                if let Some(boomerang) = letter.boomerang.filter(|boomerang| boomerang.replay_id == replay_id) {
                    found.insert(boomerang.of, Return { id: letter.id, reason: letter.reason });
                }
            })?;
            Ok::<_, ReadError>(found)
        });
        Ok(found.await??)
    }
}
