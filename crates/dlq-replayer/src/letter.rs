//! A dead letter as it was read: one type, whoever wrote it.
//!
//! What its writer did not say is absent, never guessed. A dead letter that is not understood keeps its bytes and is listed
//! like any other.
//!
//! One file for each writer: [`connect`], [`streams`], [`share_group`], [`spring`], [`spring_cloud`], [`smallrye`] and
//! [`envelope`]; ours is [`schema::dead_letter`]. [`writer`] tells which of them it was, [`original`] goes back to the record
//! that failed.

mod connect;
mod envelope;
mod fingerprint;
mod original;
mod share_group;
mod smallrye;
mod spring;
mod spring_cloud;
mod streams;
mod told;
mod writer;

use std::fmt;

use chrono::{DateTime, SubsecRound as _, Utc};
use schema::dead_letter::{DeadLetter, Detail};
use schema::reason::{Reason, Stage};
use schema::record::{Headers, Record};
use schema::version::VersionMicros;
use schema::{date, headers};
use serde::{Deserialize, Serialize};

pub use self::original::{Absence, Carried, Original, is_of_dead_letters};
use self::told::Told;

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
    /// A sink connector of Kafka Connect.
    Connect,
    /// Kafka Streams.
    Streams,
    /// The broker, for a share group.
    ShareGroup,
    /// Spring Kafka.
    Spring,
    /// Spring Cloud Stream.
    SpringCloud,
    /// SmallRye Reactive Messaging, which Quarkus uses.
    SmallRye,
    /// An older pipeline: JSON that holds the record.
    Envelope,
    /// Nobody we know.
    Unknown,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 9] = [
        Self::Sluice,
        Self::Connect,
        Self::Streams,
        Self::ShareGroup,
        Self::Spring,
        Self::SpringCloud,
        Self::SmallRye,
        Self::Envelope,
        Self::Unknown,
    ];

    /// The name in listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sluice => "sluice",
            Self::Connect => "connect",
            Self::Streams => "streams",
            Self::ShareGroup => "share_group",
            Self::Spring => "spring",
            Self::SpringCloud => "spring_cloud_stream",
            Self::SmallRye => "smallrye",
            Self::Envelope => "envelope",
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
    /// What it carries of the record that failed.
    pub carried: Carried,
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
        let appended_ms = record.timestamp_ms;
        let unknown = Self::unknown(record);
        let ours = DeadLetter::parse(&unknown.headers).ok();
        // A letter of ours that cannot be read is not to be taken for Kafka Connect's, whose headers it has.
        let is_damaged = ours.is_none() && unknown.headers.contains(headers::DLQ_V);
        if is_damaged {
            return unknown;
        }
        let letter = match (writer::newest(&unknown.headers, ours.as_ref()), ours) {
            (Some((dialect, told)), _) => unknown.told_by_headers(dialect, told),
            (None, Some(ours)) => unknown.told_by_us(ours),
            (None, None) => match unknown.value.as_deref().and_then(envelope::open) {
                Some(opened) => unknown.told_by_envelope(opened, appended_ms),
                None => return unknown,
            },
        };
        // The ledger knows microseconds, and finds a letter by them.
        let failed_at = letter.failed_at.trunc_subsecs(6);
        let first_failed_at = letter.first_failed_at.trunc_subsecs(6);
        Self { failed_at, first_failed_at, boomerang: boomerang(&letter.headers), ..letter }
    }

    fn told_by_us(self, ours: DeadLetter) -> Self {
        Self {
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
            carried: Carried::All { version: ours.source.timestamp_ms.and_then(VersionMicros::from_millis) },
            source: Source {
                topic: Some(ours.source.topic),
                partition: ours.source.partition,
                offset: ours.source.offset,
                timestamp_ms: ours.source.timestamp_ms,
            },
            ..self
        }
    }

    fn told_by_headers(self, dialect: Dialect, told: Told) -> Self {
        let carried = if dialect == Dialect::ShareGroup {
            Carried::Pointer
        } else {
            Carried::All { version: told.source.timestamp_ms.and_then(VersionMicros::from_millis) }
        };
        let failed_at = self.failed_at;
        Self { carried, ..self.told(dialect, told, failed_at) }
    }

    fn told_by_envelope(self, opened: envelope::Opened, appended_ms: Option<i64>) -> Self {
        let version = match opened.failed_at {
            Some(failed_at) => VersionMicros::new(failed_at.timestamp_micros()),
            None => appended_ms.and_then(VersionMicros::from_millis),
        };
        let failed_at = opened.failed_at.unwrap_or(self.failed_at);
        Self {
            carried: Carried::Enveloped { value: opened.original, version },
            ..self.told(Dialect::Envelope, opened.told, failed_at)
        }
    }

    fn told(self, dialect: Dialect, told: Told, failed_at: DateTime<Utc>) -> Self {
        let first = self.headers.text(headers::REPLAY_FIRST_FAILED_AT).and_then(date::instant);
        Self {
            dialect,
            failed_at,
            first_failed_at: first.unwrap_or(failed_at),
            fingerprint: fingerprint::of(dialect, told.error_type.as_deref(), told.error_message.as_deref()),
            source: told.source,
            error_type: told.error_type,
            error_message: told.error_message,
            attempts: told.attempts,
            ..self
        }
    }

    fn unknown(record: Record) -> Self {
        let dlq = Coordinates { partition: record.partition, offset: record.offset };
        let appended_ms = record.timestamp_ms.unwrap_or_default();
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
            carried: Carried::Nothing,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }

    /// How often the record was replayed before it became this dead letter. The attempts of other writers are not replays.
    pub fn replays(&self) -> u32 {
        let told = self.headers.text(headers::REPLAY_COUNT).and_then(|count| count.parse().ok()).unwrap_or(0);
        let attempts = self.attempts.filter(|_| self.dialect == Dialect::Sluice);
        attempts.unwrap_or(1).saturating_sub(1).max(told)
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
mod tests;
