//! An answer of the API: a page or an error, and of each user a record that the processor takes or a dead letter without
//! secrets.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use schema::api::parse_page;
use schema::dead_letter::{App, DeadLetter, from_user};
use schema::event::Event;
use schema::produce::record_of;
use schema::reason::PAIRS;
use schema::redaction::redacted;
use schema::row::row_of;
use schema::version::VersionMicros;
use serde_json::Value;
use uuid::Uuid;

use crate::record::placed;

const APP: App = App { name: "producer", version: "0.1.0" };

/// Every field of `user/1`.
const FIELDS: [&str; 21] = [
    "id",
    "first_name",
    "last_name",
    "title",
    "gender",
    "address",
    "city",
    "state",
    "country",
    "nat",
    "post_code",
    "latitude",
    "longitude",
    "timezone",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "cell",
    "picture",
];

/// The input as a whole answer and, since an input that is no answer would end there, as a single user too.
pub(crate) fn decode(input: &[u8]) {
    if let Ok(page) = parse_page(input) {
        for (index, raw_user) in page.users.iter().enumerate() {
            user(raw_user.get(), index.try_into().unwrap_or(u32::MAX));
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        user(text, 0);
    }
}

fn user(raw_user: &str, index: u32) {
    let now: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().expect("a date");
    let version = VersionMicros::new(now.timestamp_micros()).expect("a version");
    let event = Event { run_id: Uuid::nil(), seed: "abc".into(), page: 1, index, version };
    let topic = Arc::from("user_data");
    secrets_are_gone(raw_user);
    match record_of(raw_user, &event, &topic) {
        Ok(record) => {
            let wire: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).expect("JSON");
            let fields = wire.as_object().expect("an object");
            assert!(fields.keys().all(|field| FIELDS.contains(&&**field)), "{:?}", fields.keys());
            let record = placed(record);
            let row = row_of(&record, now + TimeDelta::seconds(1));
            let row = row.unwrap_or_else(|fault| panic!("what the producer passes, the processor takes: {fault}"));
            assert_eq!((row.version, &record.key), (version, &Some(row.id.to_string().into_bytes())));
        }
        Err(fault) => {
            assert!(PAIRS.contains(&(fault.reason, fault.stage)));
            let letter = from_user(raw_user, &event, &fault, "user_data", &Arc::from("user_data_dlq"), &APP, now);
            let told = DeadLetter::of_user(&event, "user_data", &fault, &APP, now);
            assert_eq!(DeadLetter::parse(&letter.headers), Ok(told), "what it says is read back");
            assert_eq!(letter.value, redacted(raw_user).map(String::into_bytes), "nothing leaves but redacted");
        }
    }
}

/// Redaction of the text holds against the same on the parsed tree: slow and obvious.
fn secrets_are_gone(raw_user: &str) {
    let kept = redacted(raw_user);
    let Ok(value) = serde_json::from_str::<Value>(raw_user) else { return };
    let kept = kept.expect("what is JSON is redacted");
    let read: Value = serde_json::from_str(&kept).expect("what is kept is JSON");
    assert_eq!(read, without_secrets(&value, false));
    assert_eq!(redacted(&kept).as_deref(), Some(&*kept), "nothing is left to redact");
}

fn without_secrets(value: &Value, below_id: bool) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !["password", "salt", "md5", "sha1", "sha256"].contains(&name.as_str()))
            .filter(|(name, _)| !(below_id && *name == "value"))
            .map(|(name, value)| (name.clone(), without_secrets(value, below_id || name == "id")))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| without_secrets(item, below_id)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
