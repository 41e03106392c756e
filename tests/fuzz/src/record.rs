//! A record of `user_data`, both dialects: a row, or a dead letter that brings the record home untouched.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dlq_replayer::letter::Letter;
use dlq_replayer::redrive::{Redrive, Refusal};
use dlq_replayer::routes::Routes;
use schema::dead_letter::{App, DeadLetter, from_record};
use schema::fault::Fault;
use schema::headers::{self, is_dead_letter_header};
use schema::reason::PAIRS;
use schema::record::{NewRecord, Record};
use schema::row::{SCHEMA_FLAT, row_of};
use schema::version::VersionMicros;

use crate::SECRET;
use crate::envelope::Envelope;

const APP: App = App { name: "stream-processor", version: "0.1.0" };
const GROUP: &str = "stream-processor";
const DLQ: &str = "user_data_dlq";

/// What our own headers take of a dead letter, at most.
const LARGEST_HEADERS: usize = 8 << 10;

pub(crate) fn decode(input: &[u8]) {
    let envelope = Envelope::open(input);
    let record = envelope.record("user_data");
    let now: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().expect("a date");
    match row_of(&record, now) {
        Ok(row) => {
            assert!(row.version.instant() <= now + TimeDelta::minutes(5), "a version from the future freezes its row");
            let id = row.id.to_string();
            assert!(row.schema_id == SCHEMA_FLAT || record.key.as_deref() == Some(id.as_bytes()), "the key is the id");
            let later = now + TimeDelta::days(400);
            assert_eq!(row_of(&record, later).as_ref(), Ok(&row), "a row does not depend on when it is written");
        }
        Err(fault) => {
            assert!(PAIRS.contains(&(fault.reason, fault.stage)));
            let letter = from_record(record.clone(), &fault, &Arc::from(DLQ), 12, GROUP, &APP, now);
            assert_eq!((&letter.key, &letter.value), (&record.key, &record.value), "its bytes stay untouched");
            let told = DeadLetter::of_record(&record, &fault, GROUP, &APP, now);
            assert_eq!(DeadLetter::parse(&letter.headers).as_ref(), Ok(&told), "what it says is read back");
            discreet(&envelope, &letter);
            comes_home(&record, letter, &fault, now);
        }
    }
}

/// Our own headers are bounded and say nothing of the value.
fn discreet(envelope: &Envelope<'_>, letter: &NewRecord) {
    let foreign_secret = envelope.lines.iter().any(|(_, value)| value.is_some_and(|value| holds(value, SECRET)));
    let mut size = 0;
    for header in letter.headers.iter().filter(|header| is_dead_letter_header(&header.name)) {
        let value = header.value.as_deref().unwrap_or_default();
        size += header.name.len() + value.len();
        assert!(foreign_secret || !holds(value, SECRET), "{} holds a value of the record", header.name);
    }
    assert!(size <= LARGEST_HEADERS, "our own headers take {size} bytes");
}

/// A replay is the record as it was, it is counted, and what failed fails alike, unless it lacked the version that a replay
/// brings along.
fn comes_home(record: &Record, letter: NewRecord, fault: &Fault, now: DateTime<Utc>) {
    let letter = Letter::of(placed(letter));
    let count = letter.replays().saturating_add(1);
    let redrive = Redrive {
        replay_id: "r1".to_owned(),
        routes: Routes::new("user_data", &[]),
        by: "me".to_owned(),
        why: "mended".to_owned(),
        mend: None,
        oldest: None,
    };
    let replayed = match redrive.record_of(&letter, count, now) {
        Ok(replayed) => placed(replayed),
        Err(refusal) => {
            assert_eq!(
                refusal,
                Refusal::NoVersion,
                "every dead letter of ours can be replayed but one without a version"
            );
            return;
        }
    };
    assert_eq!((&replayed.key, &replayed.value), (&record.key, &record.value), "a replay is the record as it was");
    let counted = replayed.headers.iter().filter(|header| header.name == headers::REPLAY_COUNT).count();
    assert_eq!((counted, replayed.headers.text(headers::REPLAY_COUNT)), (1, Some(&*count.to_string())));
    let lacked_version = fault.error_type == "version_missing";
    let again = match row_of(&replayed, now) {
        Ok(row) => {
            assert!(lacked_version, "a poison record does not heal by itself");
            assert_eq!(record.timestamp_ms.and_then(VersionMicros::from_millis), Some(row.version), "I3");
            return;
        }
        Err(again) => again,
    };
    assert!(lacked_version || again.fingerprint() == fault.fingerprint(), "what failed fails alike");
    assert_eq!(DeadLetter::of_record(&replayed, &again, GROUP, &APP, now).attempts, count.saturating_add(1), "I7");
}

pub(crate) fn placed(record: NewRecord) -> Record {
    Record {
        topic: record.topic,
        partition: record.partition.unwrap_or(3),
        offset: 17,
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
        headers: record.headers,
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
