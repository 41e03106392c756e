//! From a dead letter back to the record that failed: what the letter carries of it, and what has to be fetched.

use schema::headers;
use schema::record::{Headers, Record};
use schema::version::VersionMicros;

use super::{Letter, Source};

/// Beginnings of the names of headers that say why and where a record failed, in every dialect.
const OF_DEAD_LETTERS: [&str; 8] = [
    "dlq.",
    "__connect.errors.",
    "__streams.errors.",
    "__dlq.errors.",
    "kafka_dlt-",
    "x-original-",
    "x-exception-",
    "dead-letter-",
];

/// The record that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order, without those that a dead letter adds.
    pub headers: Headers,
    /// Its version where it has no `event.version_us` header.
    pub version: Option<VersionMicros>,
}

/// Why the record that failed is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    /// Nobody we know wrote the letter.
    #[error("its headers are not understood")]
    NotUnderstood,
    /// The letter points to its record without saying where that is.
    #[error("it does not carry its record and does not say where that is")]
    NoPlace,
    /// The letter points to its record, which has not been fetched.
    #[error("it does not carry its record, which has not been fetched")]
    NotFetched,
    /// An envelope without text inside.
    #[error("its original_message is no text")]
    NoText,
    /// There is nothing where the letter points to.
    #[error(transparent)]
    Missing(#[from] kafka::Missing),
    /// What is where the letter points to is not its record: the topic was made anew.
    #[error("what is at {topic}/{partition}/{offset} now is another record")]
    AnotherRecord {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
}

/// What a letter carries of the record that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// Key, value and headers, with the headers of a dead letter among them.
    All {
        /// The record's version where it has no header that says it and the letter does.
        version: Option<VersionMicros>,
    },
    /// The value as text inside the letter's, and the key.
    Enveloped {
        /// The value; none where what is inside is no text.
        value: Option<Vec<u8>>,
        /// As for [`Carried::All`].
        version: Option<VersionMicros>,
    },
    /// Where it was, and at times its bytes, but not its headers.
    Pointer,
    /// Nothing that we understand.
    Nothing,
    /// Nothing, and it has been fetched.
    Fetched(Box<Record>),
    /// Nothing, and fetching was in vain.
    Lost(Absence),
}

impl Letter {
    /// The record that failed.
    ///
    /// # Errors
    ///
    /// The letter does not carry it, and it has not been fetched or is gone.
    pub fn original(&self) -> Result<Original, Absence> {
        let of_letter = |value: Option<&Vec<u8>>, version| Original {
            key: self.key.clone(),
            value: value.cloned(),
            headers: stripped(&self.headers),
            version,
        };
        match &self.carried {
            Carried::All { version } => Ok(of_letter(self.value.as_ref(), *version)),
            Carried::Enveloped { value: Some(value), version } => Ok(of_letter(Some(value), *version)),
            Carried::Enveloped { value: None, .. } => Err(Absence::NoText),
            Carried::Pointer if self.source.place().is_none() => Err(Absence::NoPlace),
            Carried::Pointer => Err(Absence::NotFetched),
            Carried::Nothing => Err(Absence::NotUnderstood),
            Carried::Fetched(record) => Ok(Original {
                key: record.key.clone(),
                value: record.value.clone(),
                headers: stripped(&record.headers),
                version: record.timestamp_ms.and_then(VersionMicros::from_millis),
            }),
            Carried::Lost(absence) => Err(absence.clone()),
        }
    }

    /// Topic, partition and offset of the record that failed, where it has to be fetched: the letter does not carry it, or
    /// carries it without anything that says its version.
    pub fn wanted(&self) -> Option<(&str, i32, i64)> {
        let is_wanted = match &self.carried {
            Carried::Pointer => true,
            Carried::All { version } => version.is_none() && !self.headers.contains(headers::EVENT_VERSION_US),
            Carried::Enveloped { .. } | Carried::Nothing | Carried::Fetched(_) | Carried::Lost(_) => false,
        };
        self.source.place().filter(|_| is_wanted)
    }

    /// Takes what was found at [`Letter::wanted`].
    pub fn fetched(&mut self, found: Result<Record, kafka::Missing>) {
        let found = found.map_err(Absence::from).and_then(|record| self.recognised(record));
        match (found, &self.carried) {
            (Ok(record), _) => self.carried = Carried::Fetched(Box::new(record)),
            // All but its version is here.
            (Err(_), Carried::All { .. }) => {}
            (Err(absence), _) => self.carried = Carried::Lost(absence),
        }
    }

    /// The record where it can be the letter's: a letter with bytes has those of its record, and none is older than its record.
    fn recognised(&self, record: Record) -> Result<Record, Absence> {
        let carries_bytes = self.key.is_some() || self.value.is_some();
        let is_other = carries_bytes && (&record.key, &record.value) != (&self.key, &self.value);
        let is_later = record.timestamp_ms.is_some_and(|timestamp| timestamp > self.appended_ms);
        if is_other || (!carries_bytes && is_later) {
            let Record { topic, partition, offset, .. } = record;
            return Err(Absence::AnotherRecord { topic: topic.to_string(), partition, offset });
        }
        Ok(record)
    }
}

impl Source {
    fn place(&self) -> Option<(&str, i32, i64)> {
        Some((self.topic.as_deref()?, self.partition?, self.offset?))
    }
}

/// The headers that the record had before it became a dead letter, in order.
fn stripped(all: &Headers) -> Headers {
    let mut headers = all.clone();
    headers.retain(|header| !is_of_dead_letters(&header.name));
    headers
}

/// Whether a header of this name says why and where a record failed, whoever wrote it.
pub fn is_of_dead_letters(name: &str) -> bool {
    OF_DEAD_LETTERS.iter().any(|start| name.starts_with(start))
}
