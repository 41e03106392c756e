//! Dead letters of every dialect, each with what it says in one form for all and the record that it goes back to.
//!
//! `data/dead_letters/<name>.json`: `record` is the record of the dead-letter topic, bytes that are no text in base64;
//! `fetched` is what was found where its record was, where it has to be looked for; `letter` and `original` are what is
//! expected.
#![expect(clippy::expect_used, clippy::panic, reason = "a failure is told by a panic, in the helpers of a test too")]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dlq_replayer::letter::{Dialect, Letter};
use kafka::Missing;
use schema::date;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, Record};
use schema::version::VersionMicros;
use serde_json::{Value, json};

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match (value.as_str(), value["base64"].as_str()) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (None, Some(base64)) => Some(BASE64.decode(base64).expect("base64")),
        (None, None) => None,
    }
}

fn readable(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Value::Null,
        Some((_, Ok(text))) if !text.contains('\0') => text.into(),
        Some((bytes, _)) => json!({ "base64": BASE64.encode(bytes) }),
    }
}

fn record(given: &Value) -> Record {
    let mut headers = Headers::new();
    for header in given["headers"].as_array().expect("headers") {
        headers.push_foreign(header[0].as_str().expect("a name"), bytes(&header[1]));
    }
    Record {
        topic: given["topic"].as_str().expect("a topic").into(),
        partition: given["partition"].as_i64().and_then(|number| number.try_into().ok()).expect("a partition"),
        offset: given["offset"].as_i64().expect("an offset"),
        timestamp_ms: given["timestamp_ms"].as_i64(),
        key: bytes(&given["key"]),
        value: bytes(&given["value"]),
        headers,
    }
}

fn fetched(given: &Value) -> Result<Record, Missing> {
    match given["missing"].as_str() {
        Some("deleted") => Err(Missing::Deleted { topic: "user_data".to_owned(), partition: 3, offset: 1042 }),
        Some(other) => panic!("nobody says {other}"),
        None => Ok(record(given)),
    }
}

fn normalised(letter: &Letter) -> Value {
    json!({
        "id": letter.id,
        "dialect": letter.dialect.as_str(),
        "reason": letter.reason.map(Reason::as_str),
        "stage": letter.stage.map(Stage::as_str),
        "attempts": letter.attempts,
        "replays": letter.replays(),
        "retryable": letter.retryable,
        "error_type": letter.error_type,
        "error_message": letter.error_message,
        "fingerprint": letter.fingerprint,
        "first_failed_at": date::micros(letter.first_failed_at),
        "failed_at": date::micros(letter.failed_at),
        "source": letter.source,
        "boomerang": letter.boomerang.as_ref().map(|came| json!({"of": came.of, "replay_id": came.replay_id})),
        "wanted": letter.wanted().map(|(topic, partition, offset)| format!("{topic}/{partition}/{offset}")),
    })
}

fn original(letter: &Letter) -> Value {
    match letter.original() {
        Err(absence) => json!({ "absent": absence.to_string() }),
        Ok(original) => {
            let header = |header: &schema::record::Header| json!([header.name, readable(header.value.as_deref())]);
            json!({
                "key": readable(original.key.as_deref()),
                "value": readable(original.value.as_deref()),
                "headers": original.headers.iter().map(header).collect::<Vec<_>>(),
                "version": original.version.map(VersionMicros::get),
            })
        }
    }
}

#[test]
fn every_dialect_is_read_as_its_writer_meant_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dead_letters");
    let mut dialects = Vec::new();
    for entry in fs::read_dir(folder).expect("the letters") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let given: Value = serde_json::from_slice(&fs::read(&path).expect("a letter")).expect("JSON");
        let dead = record(&given["record"]);
        let mut letter = Letter::of(dead.clone());
        assert_eq!(normalised(&letter), given["letter"], "{name}");
        assert_eq!((&letter.key, &letter.value, &letter.headers), (&dead.key, &dead.value, &dead.headers), "{name}");
        if let Some(found) = given.get("fetched") {
            letter.fetched(fetched(found));
        }
        assert_eq!(original(&letter), given["original"], "{name}");
        dialects.push(letter.dialect);
    }
    for dialect in Dialect::ALL {
        assert!(dialects.contains(&dialect), "no letter of {}", dialect.as_str());
    }
}
