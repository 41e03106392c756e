//! Dead letters as the services write them, for the tests.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use schema::dead_letter::{self, App};
use schema::event::Event;
use schema::fault::{Fault, Violation};
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, NewRecord, Record};
use schema::version::VersionMicros;
use uuid::{Uuid, uuid};

use crate::letter::Letter;

/// The run of the producer.
pub(crate) const RUN_ID: Uuid = uuid!("018f0000-0000-7000-8000-000000000001");
/// The timestamp of a record that failed, milliseconds.
pub(crate) const SOURCE_MS: i64 = 1_700_000_000_123;
/// When the broker took a dead letter, milliseconds.
pub(crate) const APPENDED_MS: i64 = 1_772_366_400_500;
/// The version of an event of the producer.
pub(crate) const VERSION_US: i64 = 1_700_000_000_456_789;

const PROCESSOR: App = App { name: "stream-processor", version: "0.1.0" };
const PRODUCER: App = App { name: "producer", version: "0.1.0" };

/// When everything fails.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().expect("a date")
}

/// A record on its way, to be placed on a topic.
pub(crate) trait Placed {
    /// As it is read from the dead-letter topic.
    fn at(self, partition: i32, offset: i64) -> Record;
}

impl Placed for NewRecord {
    fn at(self, partition: i32, offset: i64) -> Record {
        Record {
            topic: self.topic,
            partition,
            offset,
            timestamp_ms: Some(APPENDED_MS),
            key: self.key,
            value: self.value,
            headers: self.headers,
        }
    }
}

/// What a record of `user_data` fails with.
pub(crate) fn fault() -> Fault {
    let mut fault = Fault::new(Reason::QualityRule, Stage::Quality, "rules", "1 rule is broken");
    fault.violations = vec![Violation { pointer: "/email".to_owned(), rule: "email.format" }];
    fault
}

/// A record of `user_data` with its headers and one of the user's own, which is binary.
pub(crate) fn record(partition: i32, offset: i64) -> Record {
    let event = Event { version: VersionMicros::new(VERSION_US).expect("positive"), ..event(1, 7) };
    let mut headers = event.headers();
    headers.push("mine", [0xff, 0x00]);
    Record {
        topic: "user_data".into(),
        partition,
        offset,
        timestamp_ms: Some(SOURCE_MS),
        key: Some(b"key".to_vec()),
        value: Some(b"{\"email\":\"no\"}".to_vec()),
        headers,
    }
}

/// A record as an older pipeline writes it: no headers at all.
pub(crate) fn flat(partition: i32, offset: i64) -> Record {
    Record { headers: Headers::new(), ..record(partition, offset) }
}

/// The dead letter of a record.
pub(crate) fn letter_of(record: Record) -> NewRecord {
    dead_letter::from_record(record, &fault(), &"user_data_dlq".into(), 12, "stream-processor", &PROCESSOR, now())
}

/// The dead letter of the record at `user_data/<partition>/<offset>`.
pub(crate) fn processor_letter(partition: i32, offset: i64) -> NewRecord {
    letter_of(record(partition, offset))
}

/// The dead letter of a record that was the `count`th replay of the dead letter `of`.
pub(crate) fn boomerang(of: &str, replay_id: &str, count: u32) -> NewRecord {
    let mut record = record(3, 2000 + i64::from(count));
    record.headers.push(headers::REPLAY_ID, replay_id);
    record.headers.push(headers::REPLAY_DLQ_ID, of);
    record.headers.push(headers::REPLAY_COUNT, count.to_string());
    letter_of(record)
}

/// One user of one page.
pub(crate) fn event(page: u32, index: u32) -> Event {
    let version = VersionMicros::new(VERSION_US).expect("positive");
    Event { run_id: RUN_ID, seed: Arc::from("seedseedseedsee/"), page, index, version }
}

/// A whole user as the API gives it, less what never leaves the producer.
pub(crate) const USER: &str = r#"{"gender":"female","name":{"title":"Ms","first":"Ada","last":"L"},
    "location":{"street":{"number":1,"name":"Road"},"city":"Town","state":"S","country":"C","postcode":"0015",
    "coordinates":{"latitude":"1.5","longitude":"2.5"},"timezone":{"offset":"+9:30","description":"d"}},
    "email":"ada.l@example.com","login":{"uuid":"3f1b8d5e-7a53-4d7e-9a11-0b1f2c3d4e5f","username":"adal123"},
    "dob":{"date":"1990-01-02T03:04:05.678Z","age":36},"registered":{"date":"2010-01-02T03:04:05.678Z","age":16},
    "phone":"1","cell":"2","id":{"name":"X"},"picture":{"medium":"https://example.com/1.jpg"},"nat":"AU"}"#;

/// A user as an older pipeline publishes it.
pub(crate) const FLAT: &str = r#"{"first_name":" Ada","last_name":"L","gender":"FEMALE","address":"1 Road, Town","post_code":15,
    "email":"Ada.L@example.com","username":"adal123","dob":{"date":"1990-01-02T03:04:05.678Z"},
    "registered_date":"2010-01-02T03:04:05.678Z","phone":"1","picture":"https://example.com/1.jpg"}"#;

/// The dead letter of a user that the producer could not publish.
pub(crate) fn producer_letter(page: u32, index: u32) -> NewRecord {
    let event = event(page, index);
    let topic = Arc::from("user_data_dlq");
    dead_letter::from_user(USER, &event, &fault(), "user_data", &topic, &PRODUCER, now())
}

/// A record that someone else put on the dead-letter topic.
pub(crate) fn foreign_letter(value: &[u8]) -> NewRecord {
    NewRecord {
        topic: "user_data_dlq".into(),
        partition: None,
        timestamp_ms: None,
        key: None,
        value: Some(value.to_vec()),
        headers: Headers::new(),
    }
}

/// The dead letter of the record at `user_data/<partition>/<offset>`, read from `dlq/0/<at>`.
pub(crate) fn read_letter(partition: i32, offset: i64, at: i64) -> Letter {
    Letter::of(processor_letter(partition, offset).at(0, at))
}
