//! The JSON envelope that older pipelines of this family write instead of headers: the value is an object with
//! `original_message` (the record's value as text), `error_type`, `error_message`, `timestamp`, `retry_count` and
//! `source_topic`.
//!
//! An object with a field twice contradicts itself and is no envelope.

use chrono::{DateTime, NaiveDateTime, Utc};
use schema::date;
use serde::Deserialize;
use serde_json::Value;

use super::Source;
use super::told::{self, Told};

/// Dates that name no zone, as Python and Spark write them. Like all times they are UTC.
const WITHOUT_ZONE: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];

/// What an envelope says and holds.
#[derive(Debug, PartialEq)]
pub(super) struct Opened {
    pub(super) told: Told,
    /// When the record failed.
    pub(super) failed_at: Option<DateTime<Utc>>,
    /// The record's value; none where it is no text.
    pub(super) original: Option<Vec<u8>>,
}

/// The fields, of any type: one that is not of its own says nothing, and spoils none of the others.
#[derive(Deserialize)]
struct Envelope {
    original_message: Value,
    #[serde(default)]
    error_type: Value,
    #[serde(default)]
    error_message: Value,
    #[serde(default)]
    timestamp: Value,
    #[serde(default)]
    retry_count: Value,
    #[serde(default)]
    source_topic: Value,
}

/// Opens a dead letter's value; `None` where it is no envelope.
pub(super) fn open(value: &[u8]) -> Option<Opened> {
    let envelope: Envelope = serde_json::from_slice(value).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (error_type, error_message) = (text(&envelope.error_type), text(&envelope.error_message));
    let topic = envelope.source_topic.as_str();
    if error_type.is_none() && error_message.is_none() && topic.is_none() {
        return None;
    }
    let retries = envelope.retry_count.as_u64().and_then(|count| u32::try_from(count).ok());
    Some(Opened {
        told: Told {
            source: Source { topic: topic.and_then(told::topic_name), ..Source::default() },
            error_type,
            error_message,
            attempts: retries.and_then(|retries| retries.checked_add(1)),
        },
        failed_at: envelope.timestamp.as_str().and_then(instant),
        original: match envelope.original_message {
            Value::String(text) => Some(text.into_bytes()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        },
    })
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let without_zone = || {
        let instant = WITHOUT_ZONE.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
        // Written with its zone, it is judged like any other date.
        date::instant(&date::micros(instant.and_utc()))
    };
    date::instant(text).or_else(without_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc_where_they_name_no_zone() {
        for (text, expected) in [
            ("2026-03-01T12:00:00", "2026-03-01T12:00:00Z"),
            ("2026-03-01T12:00:00.123456", "2026-03-01T12:00:00.123456Z"),
            ("2026-03-01 12:00:00.5", "2026-03-01T12:00:00.5Z"),
            ("2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00Z"),
        ] {
            assert_eq!(instant(text), date::instant(expected), "{text}");
        }
        for no_date in ["", "yesterday", "2026-03-01", "1772366400", "2026-02-30T12:00:00", "-9999-01-01T00:00:00"] {
            assert_eq!(instant(no_date), None, "{no_date}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_not_opened() {
        for value in [
            "",
            "null",
            "[]",
            "{}",
            "{\"original_message\":\"{}\"}",
            "{\"error_type\":\"E\",\"error_message\":\"m\",\"source_topic\":\"t\"}",
            "{\"original_message\":\"a\",\"original_message\":\"b\",\"error_type\":\"E\"}",
            "{\"original_message\":\"a\",\"source_topic\":\"t\",\"source_topic\":\"u\"}",
            "{\"original_message\":\"a\",\"error_type\":\"E\"",
        ] {
            assert_eq!(open(value.as_bytes()), None, "{value}");
        }
        assert_eq!(open(b"{\"original_message\":\"\xff\",\"error_type\":\"E\"}"), None);
    }

    #[test]
    fn a_field_of_another_type_says_nothing_and_spoils_none_of_the_others() {
        let value = br#"{"original_message":{"a":1},"error_type":5,"error_message":"m","timestamp":1772366400,
            "retry_count":-1,"source_topic":"a/b","more":[1]}"#;
        let opened = open(value).expect("an envelope");
        let told = Told { error_message: Some("m".to_owned()), ..Told::default() };
        assert_eq!(opened, Opened { told, failed_at: None, original: None });
    }
}
