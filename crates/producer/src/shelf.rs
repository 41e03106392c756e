//! Where bookmarks are kept: the cursor topic, by the producer's name.

use std::sync::Arc;

use kafka::{KafkaSettings, ReadError, UNREACHABLE_REMEDY};
use schema::record::{Headers, NewRecord};

use crate::bookmark::{Bookmark, Unreadable};

/// The bookmarks of one name.
#[derive(Debug, Clone)]
pub struct Shelf {
    kafka: Arc<KafkaSettings>,
    topic: Arc<str>,
    name: Arc<str>,
}

/// The bookmark is not known.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The topic cannot be read.
    #[error("the place in the API cannot be read: {0}")]
    Read(#[from] ReadError),
    /// It is none.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The task that reads ended early.
    #[error("the task that reads the place in the API ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Shelf {
    /// The bookmarks of the producer `name`.
    pub fn new(kafka: &KafkaSettings, name: &str) -> Self {
        Self { topic: kafka.topics.cursor.as_str().into(), kafka: Arc::new(kafka.clone()), name: name.into() }
    }

    /// The producer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id under which the producer of this name publishes.
    pub fn transactional_id(&self) -> String {
        format!("sluice-producer-{}", self.name)
    }

    /// The newest bookmark, once every transaction that is open on the topic has ended; none where there is none.
    ///
    /// # Errors
    /// See [`ShelfError`].
    pub async fn read(&self) -> Result<Option<Bookmark>, ShelfError> {
        let Self { kafka, topic, name } = self.clone();
        let read = move || kafka::newest(&kafka, "producer", &topic, name.as_bytes());
        let record = tokio::task::spawn_blocking(read).await??;
        Ok(record.as_ref().map(Bookmark::of).transpose()?.flatten())
    }

    /// True where the newest record under the name, committed or not, is a bookmark of `owner`.
    ///
    /// # Errors
    /// See [`ShelfError`].
    pub async fn ends_with_one_of(&self, owner: &str) -> Result<bool, ShelfError> {
        let Self { kafka, topic, name } = self.clone();
        let read = move || kafka::newest_written(&kafka, "producer", &topic, name.as_bytes());
        let record = tokio::task::spawn_blocking(read).await??;
        Ok(record.is_some_and(|record| Bookmark::is_of(&record, owner)))
    }

    /// A record of the name's partition that is never to become visible: it would begin anew.
    pub fn blank(&self) -> NewRecord {
        NewRecord {
            topic: Arc::clone(&self.topic),
            partition: None,
            timestamp_ms: None,
            key: Some(self.name.as_bytes().to_vec()),
            value: None,
            headers: Headers::new(),
        }
    }

    /// What is to be published to keep `bookmark`.
    pub fn record(&self, bookmark: &Bookmark) -> NewRecord {
        bookmark.record(&self.topic, &self.name)
    }
}

impl ShelfError {
    /// What a person can do about it; where it passes by itself, that too.
    pub fn remedy(&self) -> String {
        match self {
            Self::Read(ReadError::Undecided(_)) => {
                "wait: the transaction of another producer is open and ends with it, or by its time-out; where it stays so, \
                 kafka-transactions.sh find-hanging names it"
                    .to_owned()
            }
            Self::Read(
                ReadError::Client(_) | ReadError::NoTopic(_) | ReadError::Request(_) | ReadError::Stalled(_),
            )
            | Self::Task(_) => format!("{UNREACHABLE_REMEDY}; it goes on by itself"),
            Self::Unreadable(_) => "set another PRODUCER_NAME, or publish under this one's name what it says: \
                 {\"seed\":\"abc\",\"page\":7} to go on there, a null to begin anew; it goes on by itself"
                .to_owned(),
        }
    }
}
