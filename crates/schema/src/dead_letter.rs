//! What is published about a record that can never succeed unchanged: its bytes untouched, and headers of ours.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::api_user::key_of;
use crate::event::Event;
use crate::fault::Fault;
use crate::reason::{Reason, Stage};
use crate::record::{Headers, NewRecord, Record};
use crate::{date, headers, redaction};

/// The service that gives up on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct App {
    /// Its name, as `stream-processor`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// One violated rule, as read from a dead letter; its rule may be one that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// JSON pointer.
    pub pointer: String,
    /// Rule id.
    pub rule: String,
}

/// Where the failed record was, or was meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// The partition; none for a dead letter of the producer.
    pub partition: Option<i32>,
    /// The offset; none for a dead letter of the producer.
    pub offset: Option<i64>,
    /// The record's timestamp in milliseconds, where it had one.
    pub timestamp_ms: Option<i64>,
    /// The consumer group that read it; none for a dead letter of the producer.
    pub group: Option<String>,
}

/// The typed view of every `dlq.*` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// `user_data/3/1042`, or `producer/<run.id>/<page>/<index>`.
    pub id: String,
    /// Where it failed.
    pub stage: Stage,
    /// Why it failed.
    pub reason: Reason,
    /// Whether it may succeed later, unchanged.
    pub retryable: bool,
    /// Stable label, finer than the reason.
    pub error_type: String,
    /// Text that never holds a field's value.
    pub error_message: String,
    /// Every violated rule with its pointer.
    pub details: Vec<Detail>,
    /// The ids of the violated rules, each once.
    pub rule_ids: Vec<String>,
    /// 16 hexadecimal digits, the same for every record that fails alike.
    pub fingerprint: String,
    /// 1 at the first failure, then one more than the replays.
    pub attempts: u32,
    /// When it failed first; microseconds.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed now; microseconds.
    pub failed_at: DateTime<Utc>,
    /// Where it was.
    pub source: Source,
    /// The service that gave up on it.
    pub app: String,
    /// That service's version.
    pub app_version: String,
    /// The producer's run, where it is known.
    pub run_id: Option<String>,
}

/// Why headers are no dead letter of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A header that every dead letter of ours has is missing, null or not UTF-8.
    #[error("no header {0} with text")]
    Missing(&'static str),
    /// A header's value is not what it has to be.
    #[error("header {header}: not {expected}")]
    Malformed {
        /// Its name.
        header: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
}

// Bounds in bytes, so that our own headers stay under 8 KiB together however long a message or a name is. Nothing of ours
// reaches them but a foreign error's text, a group's or a run's name.
const LONGEST_MESSAGE: usize = 768;
const LONGEST_DETAILS: usize = 2048;
const LONGEST_RULE_IDS: usize = 512;
const LONGEST_STACKTRACE: usize = 1024;
const LONGEST_NAME: usize = 249;
const LONGEST_LABEL: usize = 64;

impl DeadLetter {
    /// The dead letter of a record that was consumed by `group`.
    pub fn of_record(record: &Record, fault: &Fault, group: &str, app: &App, now: DateTime<Utc>) -> Self {
        let replays = record.headers.text(headers::REPLAY_COUNT).and_then(|count| count.parse::<u32>().ok());
        let first_failed_at = record.headers.text(headers::REPLAY_FIRST_FAILED_AT).and_then(date::instant);
        let run_id = record.headers.text(headers::RUN_ID).map(|run_id| cut(run_id, LONGEST_LABEL));
        let source = Source {
            topic: record.topic.to_string(),
            partition: Some(record.partition),
            offset: Some(record.offset),
            timestamp_ms: record.timestamp_ms,
            group: Some(cut(group, LONGEST_NAME)),
        };
        Self {
            id: format!("{}/{}/{}", record.topic, record.partition, record.offset),
            attempts: replays.unwrap_or(0).saturating_add(1),
            first_failed_at: first_failed_at.unwrap_or(now).trunc_subsecs(6),
            ..Self::of(fault, source, run_id, app, now)
        }
    }

    /// The dead letter of a user of the API that was meant for `topic`.
    pub fn of_user(event: &Event, topic: &str, fault: &Fault, app: &App, now: DateTime<Utc>) -> Self {
        let source = Source { topic: topic.to_owned(), partition: None, offset: None, timestamp_ms: None, group: None };
        Self {
            id: format!("producer/{}", event.id()),
            ..Self::of(fault, source, Some(event.run_id.to_string()), app, now)
        }
    }

    fn of(fault: &Fault, source: Source, run_id: Option<String>, app: &App, now: DateTime<Utc>) -> Self {
        let now = now.trunc_subsecs(6);
        let details = fault
            .violations
            .iter()
            .map(|violation| Detail { pointer: violation.pointer.clone(), rule: violation.rule.to_owned() })
            .collect();
        let mut letter = Self {
            id: String::new(),
            stage: fault.stage,
            reason: fault.reason,
            retryable: fault.reason.retryable(),
            error_type: cut(fault.error_type, LONGEST_LABEL),
            error_message: cut(&fault.message, LONGEST_MESSAGE),
            details,
            rule_ids: fault.rule_ids().into_iter().map(str::to_owned).collect(),
            fingerprint: fault.fingerprint(),
            attempts: 1,
            first_failed_at: now,
            failed_at: now,
            source,
            app: cut(app.name, LONGEST_LABEL),
            app_version: cut(app.version, LONGEST_LABEL),
            run_id,
        };
        while details_text(&letter.details).len() > LONGEST_DETAILS {
            letter.details.pop();
        }
        while letter.rule_ids.join(",").len() > LONGEST_RULE_IDS {
            letter.rule_ids.pop();
        }
        letter
    }

    /// Every header of ours: `dlq.*` and those of Kafka Connect that apply.
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::with_capacity(31);
        headers.push(headers::DLQ_V, VERSION);
        headers.push(headers::DLQ_ID, self.id.as_str());
        headers.push(headers::DLQ_STAGE, self.stage.as_str());
        headers.push(headers::DLQ_REASON, self.reason.as_str());
        headers.push(headers::DLQ_RETRYABLE, self.retryable.to_string());
        headers.push(headers::DLQ_ERROR_TYPE, self.error_type.as_str());
        headers.push(headers::DLQ_ERROR_MESSAGE, self.error_message.as_str());
        headers.push(headers::DLQ_ERROR_DETAILS, details_text(&self.details));
        headers.push(headers::DLQ_RULE_IDS, self.rule_ids.join(","));
        headers.push(headers::DLQ_FINGERPRINT, self.fingerprint.as_str());
        headers.push(headers::DLQ_ATTEMPTS, self.attempts.to_string());
        headers.push(headers::DLQ_FIRST_FAILED_AT, date::micros(self.first_failed_at));
        headers.push(headers::DLQ_FAILED_AT, date::micros(self.failed_at));
        let mut optional = |name, value: Option<String>| {
            if let Some(value) = value {
                headers.push(name, value);
            }
        };
        optional(headers::DLQ_SOURCE_TOPIC, Some(self.source.topic.clone()));
        optional(headers::DLQ_SOURCE_PARTITION, self.source.partition.map(|partition| partition.to_string()));
        optional(headers::DLQ_SOURCE_OFFSET, self.source.offset.map(|offset| offset.to_string()));
        optional(headers::DLQ_SOURCE_TIMESTAMP, self.source.timestamp_ms.map(|millis| millis.to_string()));
        optional(headers::DLQ_SOURCE_GROUP, self.source.group.clone());
        optional(headers::DLQ_APP, Some(self.app.clone()));
        optional(headers::DLQ_APP_VERSION, Some(self.app_version.clone()));
        optional(headers::DLQ_RUN_ID, self.run_id.clone());
        optional(headers::CONNECT_TOPIC, Some(self.source.topic.clone()));
        optional(headers::CONNECT_PARTITION, self.source.partition.map(|partition| partition.to_string()));
        optional(headers::CONNECT_OFFSET, self.source.offset.map(|offset| offset.to_string()));
        headers.push(headers::CONNECT_CONNECTOR_NAME, self.app.as_str());
        headers.push(headers::CONNECT_TASK_ID, "0");
        headers.push(headers::CONNECT_STAGE, self.stage.connect());
        headers.push(headers::CONNECT_CLASS_NAME, format!("{}.{}", self.app, self.stage));
        headers.push(headers::CONNECT_EXCEPTION_CLASS_NAME, format!("{}.{}", self.reason, self.error_type));
        headers.push(headers::CONNECT_EXCEPTION_MESSAGE, self.error_message.as_str());
        headers.push(headers::CONNECT_EXCEPTION_STACKTRACE, self.stacktrace());
        headers
    }

    fn stacktrace(&self) -> String {
        let mut text = format!("{}.{}: {}", self.reason, self.error_type, self.error_message);
        for detail in &self.details {
            text.push_str(&format!("\n\tat {} ({})", detail.pointer, detail.rule));
        }
        cut(&text, LONGEST_STACKTRACE)
    }

    /// Reads the `dlq.*` headers back.
    ///
    /// # Errors
    ///
    /// Where a header is missing that every dead letter of ours has, or where one is not what it has to be: then this is no
    /// dead letter of ours.
    pub fn parse(headers: &Headers) -> Result<Self, ParseError> {
        let text = |name| headers.text(name).ok_or(ParseError::Missing(name));
        let optional = |name| headers.text(name);
        if text(headers::DLQ_V)? != VERSION {
            return Err(ParseError::Malformed { header: headers::DLQ_V, expected: VERSION });
        }
        let rule_ids = text(headers::DLQ_RULE_IDS)?;
        Ok(Self {
            id: text(headers::DLQ_ID)?.to_owned(),
            stage: parsed(headers::DLQ_STAGE, text(headers::DLQ_STAGE)?, "a stage")?,
            reason: parsed(headers::DLQ_REASON, text(headers::DLQ_REASON)?, "a reason")?,
            retryable: parsed(headers::DLQ_RETRYABLE, text(headers::DLQ_RETRYABLE)?, "true or false")?,
            error_type: text(headers::DLQ_ERROR_TYPE)?.to_owned(),
            error_message: text(headers::DLQ_ERROR_MESSAGE)?.to_owned(),
            details: serde_json::from_str(text(headers::DLQ_ERROR_DETAILS)?).map_err(|_| ParseError::Malformed {
                header: headers::DLQ_ERROR_DETAILS,
                expected: "a list of pointer and rule",
            })?,
            rule_ids: rule_ids.split(',').filter(|rule| !rule.is_empty()).map(str::to_owned).collect(),
            fingerprint: text(headers::DLQ_FINGERPRINT)?.to_owned(),
            attempts: number(headers::DLQ_ATTEMPTS, text(headers::DLQ_ATTEMPTS)?)?,
            first_failed_at: timestamp(headers::DLQ_FIRST_FAILED_AT, text(headers::DLQ_FIRST_FAILED_AT)?)?,
            failed_at: timestamp(headers::DLQ_FAILED_AT, text(headers::DLQ_FAILED_AT)?)?,
            source: Source {
                topic: text(headers::DLQ_SOURCE_TOPIC)?.to_owned(),
                partition: optional(headers::DLQ_SOURCE_PARTITION)
                    .map(|digits| number(headers::DLQ_SOURCE_PARTITION, digits))
                    .transpose()?,
                offset: optional(headers::DLQ_SOURCE_OFFSET)
                    .map(|digits| number(headers::DLQ_SOURCE_OFFSET, digits))
                    .transpose()?,
                timestamp_ms: optional(headers::DLQ_SOURCE_TIMESTAMP)
                    .map(|digits| number(headers::DLQ_SOURCE_TIMESTAMP, digits))
                    .transpose()?,
                group: optional(headers::DLQ_SOURCE_GROUP).map(str::to_owned),
            },
            app: text(headers::DLQ_APP)?.to_owned(),
            app_version: text(headers::DLQ_APP_VERSION)?.to_owned(),
            run_id: optional(headers::DLQ_RUN_ID).map(str::to_owned),
        })
    }
}

/// The version of these headers.
const VERSION: &str = "1";

fn details_text(details: &[Detail]) -> String {
    // Two texts an entry: nothing that JSON cannot hold.
    serde_json::to_string(details).unwrap_or_else(|_| "[]".to_owned())
}

fn parsed<T: std::str::FromStr>(header: &'static str, text: &str, expected: &'static str) -> Result<T, ParseError> {
    text.parse().map_err(|_| ParseError::Malformed { header, expected })
}

fn number<T: std::str::FromStr>(header: &'static str, digits: &str) -> Result<T, ParseError> {
    parsed(header, digits, "a number in range")
}

fn timestamp(header: &'static str, text: &str) -> Result<DateTime<Utc>, ParseError> {
    date::instant(text).ok_or(ParseError::Malformed { header, expected: "an RFC 3339 date" })
}

/// At most `longest` bytes, cut between two characters.
fn cut(text: &str, longest: usize) -> String {
    text.get(..text.floor_char_boundary(longest)).unwrap_or_default().to_owned()
}

/// The dead letter of a consumed record, ready to be published: key, value and foreign headers untouched. `partitions` is the
/// number of partitions of the dead-letter topic.
pub fn from_record(
    record: Record,
    fault: &Fault,
    dlq_topic: &Arc<str>,
    partitions: i32,
    group: &str,
    app: &App,
    now: DateTime<Utc>,
) -> NewRecord {
    let ours = DeadLetter::of_record(&record, fault, group, app, now).headers();
    let mut all = record.headers;
    all.retain(|header| !headers::is_dead_letter_header(&header.name));
    all.extend(ours);
    NewRecord {
        topic: Arc::clone(dlq_topic),
        partition: record.partition.checked_rem_euclid(partitions),
        timestamp_ms: None,
        key: record.key,
        value: record.value,
        headers: all,
    }
}

/// The dead letter of a user of the API, ready to be published: the user's JSON less its secrets, and the `event.*`, `run.id`
/// and `source` headers that its record would have had; no `schema.id`, since the value is the API's user. The key is the id
/// where the user has a usable one.
pub fn from_user(
    raw_user: &str,
    event: &Event,
    fault: &Fault,
    topic: &str,
    dlq_topic: &Arc<str>,
    app: &App,
    now: DateTime<Utc>,
) -> NewRecord {
    let mut all = event.headers();
    all.retain(|header| header.name != headers::SCHEMA_ID);
    all.extend(DeadLetter::of_user(event, topic, fault, app, now).headers());
    NewRecord {
        topic: Arc::clone(dlq_topic),
        partition: None,
        timestamp_ms: None,
        key: key_of(raw_user).map(|id| id.to_string().into_bytes()),
        value: redaction::redacted(raw_user).map(String::into_bytes),
        headers: all,
    }
}

/// The same dead letter for a topic that does not take its value: the value is null, its length is a header. For users of the
/// API only, which may be of any size and can be fetched again by their `source`; a consumed record always fits into a topic
/// that is configured as it should be.
pub fn without_value(mut letter: NewRecord) -> NewRecord {
    let bytes = letter.value.take().map_or(0, |value| value.len());
    letter.headers.replace(headers::DLQ_VALUE_OMITTED_BYTES, bytes.to_string());
    letter
}
