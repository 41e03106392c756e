//! A dead letter as commands show it: the fields and their names.

mod original;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schema::date;
use schema::record::Headers;
use serde::{Serialize, Serializer};

pub use self::original::ShownOriginal;

use crate::book::{Census, Group};
use crate::disposition::State;
use crate::letter::{Coordinates, Letter, Source};

/// One dead letter in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub state: State,
    /// Why its record failed.
    pub reason: Option<&'static str>,
    /// Where its record failed.
    pub stage: Option<&'static str>,
    /// How often its record failed.
    pub attempts: Option<u32>,
    /// Whether its record may succeed later, unchanged.
    pub retryable: Option<bool>,
    /// The same for every record that fails alike.
    pub fingerprint: Option<String>,
    /// The violated rules.
    pub rule_ids: Vec<String>,
    /// RFC 3339, UTC, microseconds.
    pub failed_at: String,
    /// Where its record was.
    pub source: Source,
    /// Where it lies.
    pub dlq: Coordinates,
    /// Its key: `key`, or `key_base64` where it is no text.
    #[serde(flatten)]
    pub key: Key,
    /// Who wrote it.
    pub dialect: &'static str,
}

impl Listed {
    /// The fields of a letter in this state.
    pub fn of(letter: &Letter, state: State) -> Self {
        Self {
            id: letter.id.clone(),
            state,
            reason: letter.reason.map(schema::reason::Reason::as_str),
            stage: letter.stage.map(schema::reason::Stage::as_str),
            attempts: letter.attempts,
            retryable: letter.retryable,
            fingerprint: letter.fingerprint.clone(),
            rule_ids: letter.rule_ids.clone(),
            failed_at: date::micros(letter.failed_at),
            source: letter.source.clone(),
            dlq: letter.dlq,
            key: Key::of(letter.key.as_deref()),
            dialect: letter.dialect.as_str(),
        }
    }
}

/// A key, as text where it is text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Key {
    /// UTF-8, or null.
    Text {
        /// The text.
        key: Option<String>,
    },
    /// Anything else.
    Binary {
        /// Its bytes.
        key_base64: String,
    },
}

impl Key {
    fn of(key: Option<&[u8]>) -> Self {
        match Bytes::of(key) {
            Bytes::Null => Self::Text { key: None },
            Bytes::Text(text) => Self::Text { key: Some(text) },
            Bytes::Binary(base64) => Self::Binary { key_base64: base64 },
        }
    }

    /// For people.
    pub fn shown(&self) -> &str {
        match self {
            Self::Text { key } => key.as_deref().unwrap_or("-"),
            Self::Binary { key_base64 } => key_base64,
        }
    }
}

/// Bytes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// Kafka's null.
    Null,
    /// UTF-8.
    Text(String),
    /// Anything else, in base64.
    Binary(String),
}

impl Bytes {
    /// Text where it is text.
    pub fn of(bytes: Option<&[u8]>) -> Self {
        match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
            None => Self::Null,
            Some((_, Ok(text))) => Self::Text(text.to_owned()),
            Some((bytes, Err(_))) => Self::Binary(BASE64.encode(bytes)),
        }
    }
}

/// A header's value: text, null, or `{"base64": ".."}`.
impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Binary(base64) => serializer.collect_map([("base64", base64)]),
        }
    }
}

/// One dead letter in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The fields of a list.
    #[serde(flatten)]
    pub listed: Listed,
    /// Names and values, in order.
    pub headers: Vec<(String, Bytes)>,
    /// `value`, or `value_base64` where it is no text.
    #[serde(flatten)]
    pub value: Value,
    /// The record that failed, where it is not what the letter shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<ShownOriginal>,
}

/// A value, as text where it is text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// UTF-8, or null.
    Text {
        /// The text.
        value: Option<String>,
    },
    /// Anything else.
    Binary {
        /// Its bytes.
        value_base64: String,
    },
}

impl Value {
    fn of(value: Option<&[u8]>) -> Self {
        match Bytes::of(value) {
            Bytes::Null => Self::Text { value: None },
            Bytes::Text(text) => Self::Text { value: Some(text) },
            Bytes::Binary(base64) => Self::Binary { value_base64: base64 },
        }
    }
}

fn headers_of(headers: &Headers) -> Vec<(String, Bytes)> {
    headers.iter().map(|header| (header.name.to_string(), Bytes::of(header.value.as_deref()))).collect()
}

impl Shown {
    /// Everything about a letter in this state.
    pub fn of(letter: &Letter, state: State) -> Self {
        Self {
            listed: Listed::of(letter, state),
            headers: headers_of(&letter.headers),
            value: Value::of(letter.value.as_deref()),
            original: ShownOriginal::of(letter),
        }
    }
}

/// Dead letters that failed alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grouped {
    /// The same for every one of them; null for those that say too little to have one.
    pub fingerprint: Option<String>,
    /// Why their records failed.
    pub reason: Option<&'static str>,
    /// A label of the error.
    pub error_type: Option<String>,
    /// The violated rules.
    pub rule_ids: Vec<String>,
    /// The places in the value that violate them.
    pub pointers: Vec<String>,
    /// How many they are.
    pub count: u64,
    /// When the first of them failed: RFC 3339, UTC, microseconds.
    pub first_failed_at: String,
    /// When the last of them failed.
    pub last_failed_at: String,
    /// The id of the last of them.
    pub example: String,
    /// Who wrote them.
    pub dialect: &'static str,
}

impl Grouped {
    /// The fields of a group whose example goes by this id.
    pub fn of(group: &Group<'_>, example: String) -> Self {
        let kind = group.kind;
        Self {
            fingerprint: kind.fingerprint.clone(),
            reason: kind.reason.map(schema::reason::Reason::as_str),
            error_type: kind.error_type.clone(),
            rule_ids: kind.rule_ids.clone(),
            pointers: kind.pointers.clone(),
            count: group.count,
            first_failed_at: date::micros(group.first_failed_at),
            last_failed_at: date::micros(group.last_failed_at),
            example,
            dialect: kind.dialect,
        }
    }
}

/// The counts of `stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All of them.
    pub total: u64,
    /// Every state, those of nobody too.
    pub by_state: Counts,
    /// The reasons that occur; `unknown` where the letter says none.
    pub by_reason: Counts,
    /// The stages that occur; `unknown` where the letter says none.
    pub by_stage: Counts,
}

/// Names with counts, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(pub Vec<(&'static str, u64)>);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

impl From<&Census> for Stats {
    fn from(census: &Census) -> Self {
        let reason = |reason: &Option<schema::reason::Reason>| reason.map_or("unknown", schema::reason::Reason::as_str);
        let stage = |stage: &Option<schema::reason::Stage>| stage.map_or("unknown", schema::reason::Stage::as_str);
        Self {
            total: census.total,
            by_state: Counts(census.by_state.iter().map(|(state, count)| (state.as_str(), *count)).collect()),
            by_reason: Counts(census.by_reason.iter().map(|(key, count)| (reason(key), *count)).collect()),
            by_stage: Counts(census.by_stage.iter().map(|(key, count)| (stage(key), *count)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::book::Book;
    use crate::fixture::{self, Placed as _};
    use crate::selection::Selection;

    fn json_of<T: Serialize>(value: &T) -> serde_json::Value {
        serde_json::to_value(value).expect("JSON")
    }

    #[test]
    fn a_listed_letter_has_the_documented_fields() {
        let letter = fixture::read_letter(3, 1042, 17);
        assert_eq!(
            json_of(&Listed::of(&letter, State::Unresolved)),
            json!({
                "id": "user_data/3/1042", "state": "unresolved", "reason": "quality_rule", "stage": "quality",
                "attempts": 1, "retryable": false, "fingerprint": letter.fingerprint, "rule_ids": ["email.format"],
                "failed_at": "2026-03-01T12:00:00.000000Z",
                "source": {"topic": "user_data", "partition": 3, "offset": 1042},
                "dlq": {"partition": 0, "offset": 17}, "key": "key", "dialect": "sluice"
            })
        );
    }

    #[test]
    fn what_a_letter_does_not_say_is_null() {
        let letter = Letter::of(fixture::foreign_letter(b"x").at(1, 2));
        let listed = json_of(&Listed::of(&letter, State::Unresolved));
        assert_eq!((&listed["id"], &listed["dialect"]), (&json!("dlq/1/2"), &json!("unknown")));
        for field in ["reason", "stage", "attempts", "retryable", "fingerprint", "key"] {
            assert!(listed.get(field).is_some_and(serde_json::Value::is_null), "{field}");
        }
        assert_eq!(listed["source"], json!({"topic": null, "partition": null, "offset": null}));
    }

    #[test]
    fn a_shown_letter_has_its_headers_in_order_and_bytes_that_are_no_text_in_base64() {
        let mut dead = fixture::foreign_letter(b"\xff\x00").at(1, 2);
        dead.key = Some(vec![0xfe]);
        dead.headers.push("b", "2");
        dead.headers.push("a", [0xff]);
        dead.headers.push_foreign("b", None);
        let shown = json_of(&Shown::of(&Letter::of(dead.clone()), State::Parked));
        assert_eq!(shown["headers"], json!([["b", "2"], ["a", {"base64": "/w=="}], ["b", null]]));
        assert_eq!((&shown["value_base64"], &shown["key_base64"]), (&json!("/wA="), &json!("/g==")));
        assert!(shown.get("value").is_none() && shown.get("key").is_none());
        dead.value = None;
        let shown = json_of(&Shown::of(&Letter::of(dead), State::Parked));
        assert_eq!(shown.get("value"), Some(&serde_json::Value::Null));
    }

    #[test]
    fn stats_have_every_state_and_the_reasons_and_stages_that_occur() {
        let mut book = Book::default();
        book.letter(&fixture::read_letter(0, 1, 1));
        book.letter(&Letter::of(fixture::foreign_letter(b"x").at(1, 2)));
        let census = book.census(&Selection::default(), &State::ALL, fixture::now());
        assert_eq!(
            json_of(&Stats::from(&census)),
            json!({
                "total": 2,
                "by_state": {"unresolved": 2, "replayed": 0, "confirmed": 0, "boomeranged": 0, "parked": 0, "discarded": 0},
                "by_reason": {"quality_rule": 1, "unknown": 1},
                "by_stage": {"quality": 1, "unknown": 1}
            })
        );
    }
}
