//! The records that are worked on: ten recorded users of the API and what the flat dialect makes of them, always the same.

use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use schema::event::Event;
use schema::record::{Headers, NewRecord, Record};
use schema::version::VersionMicros;
use schema::{api, produce};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

const PAGE: &str = include_str!("../../schema/tests/fixtures/randomuser/seed_abc_results10_page1.json");
const FLAT: &str = include_str!("../../schema/tests/fixtures/randomuser/seed_abc_results10_page1.flat.json");
/// Users of the page.
pub const RECORDS: usize = 10;
/// Records of a round of the ledger.
pub const LEDGER_RECORDS: usize = 1_000;
/// 2026-01-01T00:00:00Z, when the records were written and an hour before they are judged, milliseconds since 1970.
const WRITTEN_MS: i64 = 1_767_225_600_000;

/// A user's JSON, and the event that it is.
pub type Recorded = (Box<RawValue>, Event);

/// See the module's page.
pub struct Material {
    /// The processor's clock.
    pub now: DateTime<Utc>,
    /// The topic of records.
    pub topic: Arc<str>,
    /// The topic of dead letters.
    pub dead_letters: Arc<str>,
    /// A page as the API answers it.
    pub page: &'static [u8],
    /// Its users, each as an event.
    pub users: Vec<Recorded>,
    /// Flat records, without headers.
    pub flat: Vec<Record>,
    /// Records of `user/1`.
    pub full: Vec<Record>,
    /// Flat records that break two rules.
    pub bad: Vec<Record>,
}

impl Material {
    /// Makes all of it.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let topic: Arc<str> = Arc::from("user_data");
        let users = users()?;
        let full = users.iter().zip(0..).map(|((user, event), offset)| {
            let record = produce::record_of(user.get(), event, &topic).map_err(|fault| fault.message)?;
            Ok::<_, Box<dyn Error>>(consumed(record, offset))
        });
        let flat: Vec<Value> = serde_json::from_str(FLAT)?;
        let flat_record = |document: &Value, offset| {
            let key = document.get("id").and_then(Value::as_str).map(|id| id.as_bytes().to_vec());
            let record = NewRecord {
                topic: Arc::clone(&topic),
                partition: None,
                timestamp_ms: None,
                key,
                value: Some(document.to_string().into_bytes()),
                headers: Headers::new(),
            };
            consumed(record, offset)
        };
        let spoiled = flat.iter().cloned().map(|mut document| {
            if let Some(fields) = document.as_object_mut() {
                fields.insert("email".to_owned(), Value::from("nobody"));
                fields.insert("username".to_owned(), Value::from("x"));
            }
            document
        });
        Ok(Self {
            now: DateTime::from_timestamp_millis(WRITTEN_MS + 3_600_000).ok_or("no such instant")?,
            dead_letters: Arc::from("user_data_dlq"),
            page: PAGE.as_bytes(),
            full: full.collect::<Result<_, _>>()?,
            flat: flat.iter().zip(0..).map(|(document, offset)| flat_record(document, offset)).collect(),
            bad: spoiled.zip(0..).map(|(document, offset)| flat_record(&document, offset)).collect(),
            users,
            topic,
        })
    }
}

fn users() -> Result<Vec<Recorded>, Box<dyn Error>> {
    let page = api::parse_page(PAGE.as_bytes())?;
    let seed: Arc<str> = Arc::from(page.info.seed);
    let version = VersionMicros::from_millis(WRITTEN_MS).ok_or("no such version")?;
    let event = |index| Event { run_id: Uuid::nil(), seed: Arc::clone(&seed), page: 1, index, version };
    Ok(page.users.into_iter().zip(0..).map(|(user, index)| (user, event(index))).collect())
}

fn consumed(record: NewRecord, offset: i64) -> Record {
    let NewRecord { topic, key, value, headers, .. } = record;
    Record { topic, partition: 3, offset, timestamp_ms: Some(WRITTEN_MS), key, value, headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_records_as_a_round_is_said_to_have() {
        let material = Material::read().unwrap();
        let lengths = [material.users.len(), material.flat.len(), material.full.len(), material.bad.len()];
        assert_eq!(lengths, [RECORDS; 4]);
    }
}
