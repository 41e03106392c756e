//! Where dead letters and their ledger are read. Reading blocks, so it happens off the runtime; a look is bounded by where the
//! topic ended when it began.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka::{Admin, ClientError, KafkaSettings, ReadError, Start, TopicError, TopicReader};
use schema::reason::Reason;
use schema::record::Record;
use tokio::sync::mpsc;

use crate::book::{Book, Choice};
use crate::disposition::Entry;
use crate::letter::{Coordinates, Letter};
use crate::originals::{Originals, Placed};
use crate::reading::{Bars, Reading};
use crate::rounds::Rounds;

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
    bars: Bars,
}

impl Mailroom {
    pub(crate) fn new(kafka: &KafkaSettings) -> Self {
        Self { kafka: Arc::new(kafka.clone()), bars: Bars::None }
    }

    /// Long reads are drawn, where somebody sees it.
    pub(crate) fn with_bars(self) -> Self {
        Self { bars: Bars::OnTerminal, ..self }
    }

    /// Reads are not drawn any more: something else is.
    pub(crate) fn without_bars(self) -> Self {
        Self { bars: Bars::None, ..self }
    }

    /// Hands every record of `topic` to `take`. Blocks.
    pub(crate) fn each(&self, topic: &str, start: &Start, mut take: impl FnMut(Record)) -> Result<(), ReadError> {
        let mut reader = TopicReader::open(&self.kafka, CLIENT, topic, start)?;
        let mut reading = Reading::begin(self.bars, topic);
        while let Some(record) = reader.next() {
            take(record?);
            reading.record(&reader);
        }
        Ok(())
    }

    /// All dead letters and all that became of them.
    pub(crate) async fn book(&self) -> Result<Book, MailError> {
        let admin = Admin::new(&self.kafka, CLIENT)?;
        for topic in [&self.kafka.topics.dlq, &self.kafka.topics.ledger] {
            admin.require(topic).await?;
        }
        let this = self.clone();
        let book = tokio::task::spawn_blocking(move || {
            let mut book = Book::default();
            this.each(&this.kafka.topics.dlq, &Start::Beginning, |record| book.letter(&Letter::of(record)))?;
            Ok::<_, ReadError>(book)
        });
        self.with_ledger(book.await??).await
    }

    /// Returns when everything that is on `topic` now is visible.
    pub(crate) async fn decided(&self, topic: &str) -> Result<(), MailError> {
        let (this, topic) = (self.clone(), topic.to_owned());
        let decided = move || kafka::wait_until_decided(&this.kafka, CLIENT, &topic);
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
        self.read(chosen, None)
    }

    /// As [`Mailroom::letters`], each with the record that failed: where the letter does not carry it, it is fetched from where
    /// it was.
    pub(crate) fn letters_with_originals(
        &self,
        chosen: &[Choice],
    ) -> mpsc::Receiver<Result<(usize, Letter), ReadError>> {
        self.read(chosen, Some(Originals::new(Arc::clone(&self.kafka))))
    }

    fn read(
        &self,
        chosen: &[Choice],
        mut originals: Option<Originals>,
    ) -> mpsc::Receiver<Result<(usize, Letter), ReadError>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let rounds = Rounds::of(chosen);
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            for ranges in rounds.ranges() {
                match this.round(&rounds, ranges, &sender, originals.as_mut()) {
                    Ok(true) => {}
                    // Nobody listens any more: the job was told to end, or who reads the answer has had enough.
                    Ok(false) => return,
                    Err(error) => return drop(sender.blocking_send(Err(error))),
                }
            }
        });
        receiver
    }

    /// Reads some parts of the dead-letter topic and sends what is chosen of them. False where nobody listens.
    fn round(
        &self,
        rounds: &Rounds,
        ranges: BTreeMap<i32, (i64, i64)>,
        sender: &mpsc::Sender<Result<(usize, Letter), ReadError>>,
        mut originals: Option<&mut Originals>,
    ) -> Result<bool, ReadError> {
        let topic = &self.kafka.topics.dlq;
        let mut reader = TopicReader::open(&self.kafka, CLIENT, topic, &Start::Between(ranges))?;
        let mut reading = Reading::begin(self.bars.beside_an_answer(), topic);
        while let Some(record) = reader.next() {
            let record = record?;
            reading.record(&reader);
            let at = Coordinates { partition: record.partition, offset: record.offset };
            let Some((place, is_named)) = rounds.find(at) else { continue };
            let mut letter = Letter::of(record);
            if !is_named {
                letter.id = at.to_string();
            }
            let ready = match &mut originals {
                Some(originals) if letter.wanted().is_some() => {
                    if !originals.take(place, letter) {
                        continue;
                    }
                    originals.complete(|| sender.is_closed())?
                }
                Some(_) | None => vec![(place, letter)],
            };
            if !sent(sender, ready) {
                return Ok(false);
            }
        }
        match originals {
            Some(originals) => Ok(sent(sender, originals.complete(|| sender.is_closed())?)),
            None => Ok(true),
        }
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

/// Hands letters over. False where nobody listens.
fn sent(sender: &mpsc::Sender<Result<(usize, Letter), ReadError>>, letters: Placed) -> bool {
    letters.into_iter().all(|letter| sender.blocking_send(Ok(letter)).is_ok())
}
