//! A dead letter as it was read: one type, whoever wrote it.
//!
//! What its writer did not say is absent, never guessed. A dead letter that is not understood keeps its bytes and is listed
//! like any other.

use std::fmt;

use chrono::{DateTime, Utc};
use schema::dead_letter::{DeadLetter, Detail};
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, Record};
use serde::{Deserialize, Serialize};

/// Where a dead letter lies on the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Coordinates {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// The id of a dead letter that brings none of its own.
impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dlq/{}/{}", self.partition, self.offset)
    }
}

/// Who wrote a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A service of ours.
    Sluice,
    /// Nobody we know: no headers that we read.
    Unknown,
}

impl Dialect {
    /// The name in listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sluice => "sluice",
            Self::Unknown => "unknown",
        }
    }
}

/// Where the record was that failed, as far as the dead letter says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The topic it was read from, or meant for.
    pub topic: Option<String>,
    /// Its partition; none for a user that the producer could not publish.
    pub partition: Option<i32>,
    /// Its offset.
    pub offset: Option<i64>,
    /// Its timestamp in milliseconds.
    #[serde(skip)]
    pub timestamp_ms: Option<i64>,
}

/// The replay that a dead letter came back from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boomerang {
    /// The dead letter that was replayed.
    pub of: String,
    /// The job that replayed it.
    pub replay_id: String,
}

/// A dead letter, normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Its own id, or its coordinates.
    pub id: String,
    /// Where it lies.
    pub dlq: Coordinates,
    /// When the broker took it, milliseconds since 1970; retention counts from here.
    pub appended_ms: i64,
    /// Who wrote it.
    pub dialect: Dialect,
    /// Why the record failed.
    pub reason: Option<Reason>,
    /// Where the record failed.
    pub stage: Option<Stage>,
    /// How often the record failed, this time included.
    pub attempts: Option<u32>,
    /// Whether the record may succeed later, unchanged.
    pub retryable: Option<bool>,
    /// A label of the error, finer than the reason; of other dialects the exception's class.
    pub error_type: Option<String>,
    /// What its writer said of the error, in words.
    pub error_message: Option<String>,
    /// The same for every record that fails alike.
    pub fingerprint: Option<String>,
    /// The violated rules.
    pub rule_ids: Vec<String>,
    /// Each violated rule with the place in the value.
    pub details: Vec<Detail>,
    /// When the record failed first; microseconds.
    pub first_failed_at: DateTime<Utc>,
    /// When the record failed now; microseconds. Where the letter does not say: when the broker took it.
    pub failed_at: DateTime<Utc>,
    /// Where the record was.
    pub source: Source,
    /// The replay it came back from.
    pub boomerang: Option<Boomerang>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// Every header, in order.
    pub headers: Headers,
}

impl Letter {
    /// Reads a record of the dead-letter topic. Every record is a dead letter, understood or not.
    pub fn of(record: Record) -> Self {
        let dlq = Coordinates { partition: record.partition, offset: record.offset };
        let appended_ms = record.timestamp_ms.unwrap_or_default();
        let unknown = Self::unknown(dlq, appended_ms);
        let letter = match DeadLetter::parse(&record.headers) {
            Ok(ours) => Self {
                id: ours.id,
                dialect: Dialect::Sluice,
                reason: Some(ours.reason),
                stage: Some(ours.stage),
                attempts: Some(ours.attempts),
                retryable: Some(ours.retryable),
                error_type: Some(ours.error_type),
                error_message: Some(ours.error_message),
                fingerprint: Some(ours.fingerprint),
                rule_ids: ours.rule_ids,
                details: ours.details,
                first_failed_at: ours.first_failed_at,
                failed_at: ours.failed_at,
                source: Source {
                    topic: Some(ours.source.topic),
                    partition: ours.source.partition,
                    offset: ours.source.offset,
                    timestamp_ms: ours.source.timestamp_ms,
                },
                boomerang: boomerang(&record.headers),
                ..unknown
            },
            Err(_) => unknown,
        };
        Self { key: record.key, value: record.value, headers: record.headers, ..letter }
    }

    fn unknown(dlq: Coordinates, appended_ms: i64) -> Self {
        let appended = DateTime::from_timestamp_millis(appended_ms).unwrap_or_default();
        Self {
            id: dlq.to_string(),
            dlq,
            appended_ms,
            dialect: Dialect::Unknown,
            reason: None,
            stage: None,
            attempts: None,
            retryable: None,
            error_type: None,
            error_message: None,
            fingerprint: None,
            rule_ids: Vec::new(),
            details: Vec::new(),
            first_failed_at: appended,
            failed_at: appended,
            source: Source::default(),
            boomerang: None,
            key: None,
            value: None,
            headers: Headers::new(),
        }
    }

    /// How often the record was replayed before it became this dead letter.
    pub fn replays(&self) -> u32 {
        let told = self.headers.text(headers::REPLAY_COUNT).and_then(|count| count.parse().ok()).unwrap_or(0);
        self.attempts.unwrap_or(1).saturating_sub(1).max(told)
    }

    /// Whether it is a user of the API that never became a record.
    pub fn is_from_producer(&self) -> bool {
        self.dialect == Dialect::Sluice && self.source.partition.is_none()
    }
}

fn boomerang(headers: &Headers) -> Option<Boomerang> {
    let text = |name| headers.text(name).map(str::to_owned);
    Some(Boomerang { of: text(headers::REPLAY_DLQ_ID)?, replay_id: text(headers::REPLAY_ID)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Placed as _};

    #[test]
    fn a_dead_letter_of_ours_is_read_with_everything_it_says() {
        let letter = Letter::of(fixture::processor_letter(3, 1042).at(3, 17));
        assert_eq!(letter.id, "user_data/3/1042");
        assert_eq!(letter.dlq, Coordinates { partition: 3, offset: 17 });
        assert_eq!(letter.dialect, Dialect::Sluice);
        assert_eq!((letter.reason, letter.stage), (Some(Reason::QualityRule), Some(Stage::Quality)));
        assert_eq!((letter.attempts, letter.retryable, letter.replays()), (Some(1), Some(false), 0));
        assert_eq!(letter.rule_ids, ["email.format"]);
        assert_eq!(letter.details, [Detail { pointer: "/email".to_owned(), rule: "email.format".to_owned() }]);
        assert!(letter.error_type.is_some() && letter.error_message.is_some());
        assert_eq!(letter.failed_at, fixture::now());
        assert_eq!(letter.source.topic.as_deref(), Some("user_data"));
        assert_eq!((letter.source.partition, letter.source.offset), (Some(3), Some(1042)));
        assert_eq!(letter.source.timestamp_ms, Some(fixture::SOURCE_MS));
        assert_eq!(letter.boomerang, None);
        assert!(!letter.is_from_producer());
    }

    #[test]
    fn a_user_of_the_producer_has_only_the_topic_it_was_meant_for() {
        let letter = Letter::of(fixture::producer_letter(1, 7).at(0, 0));
        assert_eq!(letter.id, format!("producer/{}/1/7", fixture::RUN_ID));
        assert_eq!((letter.source.topic.as_deref(), letter.source.partition), (Some("user_data"), None));
        assert!(letter.is_from_producer());
    }

    #[test]
    fn a_record_that_is_not_understood_is_a_dead_letter_all_the_same() {
        let letter = Letter::of(fixture::foreign_letter(b"\0").at(2, 9));
        assert_eq!((letter.id.as_str(), letter.dialect), ("dlq/2/9", Dialect::Unknown));
        assert_eq!((letter.reason, letter.attempts, letter.replays()), (None, None, 0));
        assert_eq!(letter.value.as_deref(), Some(&b"\0"[..]));
        assert_eq!(letter.failed_at.timestamp_millis(), fixture::APPENDED_MS);
    }

    #[test]
    fn a_dead_letter_of_a_replayed_record_knows_its_replay() {
        let letter = Letter::of(fixture::boomerang("user_data/3/1042", "r1", 2).at(3, 18));
        assert_eq!(letter.boomerang, Some(Boomerang { of: "user_data/3/1042".to_owned(), replay_id: "r1".to_owned() }));
        assert_eq!((letter.attempts, letter.replays()), (Some(3), 2));
    }

    #[test]
    fn of_two_headers_that_contradict_each_other_the_larger_count_is_believed() {
        let mut record = fixture::boomerang("user_data/3/1042", "r1", 5).at(0, 0);
        record.headers.replace(headers::DLQ_ATTEMPTS, "1");
        assert_eq!(Letter::of(record).replays(), 5);
    }
}
