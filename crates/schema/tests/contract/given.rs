//! Records, events and users that tests start from.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use schema::dead_letter::App;
use schema::event::Event;
use schema::fault::Fault;
use schema::headers;
use schema::produce::record_of;
use schema::record::{Headers, NewRecord, Record};
use schema::version::VersionMicros;
use serde_json::{Value, json};
use uuid::Uuid;

pub const APP: App = App { name: "stream-processor", version: "0.1.0" };
pub const ID: &str = "9f07341f-c7e6-45b7-bab0-af6de5a4582d";
pub const PAGE: &str = include_str!("../fixtures/randomuser/seed_abc_results10_page1.json");
pub const FLAT: &str = include_str!("../fixtures/randomuser/seed_abc_results10_page1.flat.json");

pub fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The instant of [`event`]'s version.
pub fn event_time() -> DateTime<Utc> {
    instant("2024-02-29T12:00:00.000001Z")
}

/// When the processor reads.
pub fn now() -> DateTime<Utc> {
    event_time() + TimeDelta::seconds(3)
}

pub fn topic() -> Arc<str> {
    Arc::from("user_data")
}

pub fn dlq_topic() -> Arc<str> {
    Arc::from("user_data_dlq")
}

pub fn event() -> Event {
    Event {
        run_id: Uuid::parse_str("018df3f2-4c00-7000-8000-000000000001").unwrap(),
        seed: Arc::from("abc"),
        page: 1,
        index: 0,
        version: VersionMicros::new(event_time().timestamp_micros()).unwrap(),
    }
}

/// The first recorded user.
pub fn api_user() -> Value {
    let page: Value = serde_json::from_str(PAGE).unwrap();
    page["results"][0].clone()
}

/// The first recorded user with one place of it replaced; `null` included.
pub fn api_user_with(pointer: &str, value: Value) -> Value {
    let mut user = api_user();
    *user.pointer_mut(pointer).unwrap() = value;
    user
}

pub fn produce(user: &Value) -> Result<NewRecord, Box<Fault>> {
    record_of(&user.to_string(), &event(), &topic())
}

/// The wire value of a user that passes level 1.
pub fn wire(user: &Value) -> Value {
    serde_json::from_slice(produce(user).unwrap().value.as_ref().unwrap()).unwrap()
}

/// A published record as the processor sees it.
pub fn consumed(record: NewRecord) -> Record {
    Record {
        topic: record.topic,
        partition: 3,
        offset: 1042,
        timestamp_ms: Some(now().timestamp_millis()),
        key: record.key,
        value: record.value,
        headers: record.headers,
    }
}

/// A whole record of `user/1` around any value, its key the value's id where it has one.
pub fn whole(value: &Value) -> Record {
    let key = value["id"].as_str().unwrap_or(ID);
    consumed(NewRecord {
        topic: topic(),
        partition: None,
        timestamp_ms: None,
        key: Some(key.into()),
        value: Some(value.to_string().into()),
        headers: event().headers(),
    })
}

/// A record without a `schema.id`, with whatever bytes.
pub fn flat_bytes(value: impl Into<Vec<u8>>) -> Record {
    Record {
        topic: topic(),
        partition: 3,
        offset: 1042,
        timestamp_ms: Some(now().timestamp_millis()),
        key: None,
        value: Some(value.into()),
        headers: Headers::new(),
    }
}

/// The smallest user that passes level 2.
pub fn smallest() -> Value {
    json!({"id": ID, "first_name": "Laura", "email": "laura.woods@example.com", "username": "angryostrich988"})
}

/// `pointer rule` of every violation, in order.
pub fn told(fault: &Fault) -> Vec<String> {
    fault.violations.iter().map(|violation| format!("{} {}", violation.pointer, violation.rule)).collect()
}

/// Headers as lines, for golden files: `name: value`.
pub fn lines(headers: &Headers) -> String {
    headers
        .iter()
        .map(|header| {
            let value = header.value.as_ref().map_or("(null)".into(), |value| String::from_utf8_lossy(value));
            format!("{}: {}\n", header.name, value.replace('\n', "\\n").replace('\t', "\\t"))
        })
        .collect()
}

/// The headers of a whole record without the named one.
pub fn without(mut record: Record, name: &str) -> Record {
    record.headers.retain(|header| header.name != name);
    record
}

pub fn with_version(mut record: Record, version: &str) -> Record {
    record.headers.replace(headers::EVENT_VERSION_US, version);
    record
}
