//! Dead letters: the original untouched, our headers set once, bounded, and read back field by field.

use chrono::TimeDelta;
use schema::dead_letter::{self, App, DeadLetter, ParseError, from_record, from_user};
use schema::fault::{Fault, Violation};
use schema::headers;
use schema::reason::{PAIRS, Reason, Stage};
use schema::record::{Headers, NewRecord, Record};
use schema::row::row_of;
use schema::rules;
use serde_json::json;

use crate::given::{APP, api_user, consumed, dlq_topic, event, flat_bytes, instant, now, produce, smallest, whole};

fn fault() -> Fault {
    let mut value = smallest();
    value["email"] = json!(" ");
    value["phone"] = json!("0".repeat(51));
    value["cell"] = json!("0".repeat(51));
    *row_of(&whole(&value), now()).unwrap_err()
}

fn letter_of(record: Record) -> NewRecord {
    from_record(record, &fault(), &dlq_topic(), 12, "stream-processor", &APP, now())
}

/// Our own headers' bytes, names and values together.
fn own_bytes(headers: &Headers) -> usize {
    headers
        .iter()
        .filter(|header| headers::is_dead_letter_header(&header.name))
        .map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len))
        .sum()
}

#[test]
fn key_value_and_headers_of_the_original_stay_byte_for_byte() {
    let mut record = flat_bytes([0, 0xff, b'{']);
    record.key = Some(vec![0xfe, 0]);
    record.headers.push("b", [0xff, 0, 1]);
    record.headers.push("a", "first");
    record.headers.push_foreign("null", None);
    record.headers.push("a", "second");
    record.headers.push("dlq.foreign", "kept");
    let original = record.clone();
    let letter = letter_of(record);
    assert_eq!((letter.key, letter.value), (original.key, original.value));
    let kept: Vec<_> = letter.headers.iter().take(original.headers.len()).cloned().collect();
    assert_eq!(kept, original.headers.iter().cloned().collect::<Vec<_>>());

    let mut tombstone = whole(&smallest());
    tombstone.value = None;
    tombstone.key = None;
    let letter = letter_of(tombstone);
    assert_eq!((letter.key, letter.value), (None, None));
}

#[test]
fn our_headers_are_set_by_replacement_round_after_round() {
    let first = letter_of(whole(&smallest()));
    let second = letter_of(consumed(first.clone()));
    for name in headers::ALL {
        let count = |headers: &Headers| headers.iter().filter(|header| header.name == *name).count();
        assert!(count(&second.headers) <= 1, "{name}");
        assert_eq!(count(&first.headers), count(&second.headers), "{name}");
    }
    assert_eq!(first.headers.len(), second.headers.len());
}

#[test]
fn a_stale_header_of_ours_does_not_survive_a_dead_letter_that_lacks_it() {
    let mut record = whole(&smallest());
    record.timestamp_ms = None;
    record.headers.push(headers::DLQ_SOURCE_TIMESTAMP, "1");
    let letter = letter_of(record);
    assert!(!letter.headers.contains(headers::DLQ_SOURCE_TIMESTAMP));
}

#[test]
fn attempts_count_the_replays_and_the_first_failure_is_remembered() {
    let letter = DeadLetter::parse(&letter_of(whole(&smallest())).headers).unwrap();
    assert_eq!((letter.attempts, letter.first_failed_at, letter.failed_at), (1, now(), now()));

    let mut replayed = whole(&smallest());
    replayed.headers.push(headers::REPLAY_COUNT, "2");
    replayed.headers.push(headers::REPLAY_FIRST_FAILED_AT, "2024-01-01T00:00:00.000001Z");
    let letter = DeadLetter::parse(&letter_of(replayed.clone()).headers).unwrap();
    assert_eq!((letter.attempts, letter.first_failed_at), (3, instant("2024-01-01T00:00:00.000001Z")));

    replayed.headers.replace(headers::REPLAY_COUNT, "4294967295");
    replayed.headers.replace(headers::REPLAY_FIRST_FAILED_AT, "once upon a time");
    let letter = DeadLetter::parse(&letter_of(replayed).headers).unwrap();
    assert_eq!((letter.attempts, letter.first_failed_at), (u32::MAX, now()));
}

#[test]
fn the_partition_is_the_sources_modulo_the_topics() {
    for (source, partitions, expected) in [(3, 12, Some(3)), (13, 12, Some(1)), (12, 12, Some(0)), (3, 0, None)] {
        let mut record = whole(&smallest());
        record.partition = source;
        let letter = from_record(record, &fault(), &dlq_topic(), partitions, "g", &APP, now());
        assert_eq!(letter.partition, expected);
    }
}

#[test]
fn a_record_reads_back_field_by_field() {
    let record = whole(&smallest());
    let fault = fault();
    let later = now() + TimeDelta::nanoseconds(123);
    let typed = DeadLetter::of_record(&record, &fault, "stream-processor", &APP, later);
    let read =
        DeadLetter::parse(&from_record(record, &fault, &dlq_topic(), 12, "stream-processor", &APP, later).headers);
    let read = read.unwrap();
    assert_eq!(read, typed);

    assert_eq!(read.id, "user_data/3/1042");
    assert_eq!((read.reason, read.stage, read.retryable), (Reason::QualityRule, Stage::Quality, false));
    assert_eq!((read.error_type.as_str(), &read.error_message), ("rule_violated", &fault.message));
    let details: Vec<_> = read.details.iter().map(|detail| (detail.pointer.as_str(), detail.rule.as_str())).collect();
    assert_eq!(details, [("/email", "email.required"), ("/phone", "phone.length"), ("/cell", "phone.length")]);
    assert_eq!(read.rule_ids, ["email.required", "phone.length"]);
    assert_eq!(read.fingerprint, fault.fingerprint());
    assert_eq!((read.attempts, read.first_failed_at, read.failed_at), (1, now(), now()));
    assert_eq!(
        (read.source.topic.as_str(), read.source.partition, read.source.offset),
        ("user_data", Some(3), Some(1042))
    );
    assert_eq!(read.source.timestamp_ms, Some(now().timestamp_millis()));
    assert_eq!(read.source.group.as_deref(), Some("stream-processor"));
    assert_eq!((read.app.as_str(), read.app_version.as_str()), ("stream-processor", "0.1.0"));
    assert_eq!(read.run_id.as_deref(), Some("018df3f2-4c00-7000-8000-000000000001"));
}

#[test]
fn a_user_reads_back_field_by_field() {
    let raw = api_user().to_string();
    let fault = Fault::new(Reason::ProduceRejected, Stage::Produce, "POLICY_VIOLATION", "the broker refuses it");
    let typed = DeadLetter::of_user(&event(), "user_data", &fault, &APP, now());
    let letter = from_user(&raw, &event(), &fault, "user_data", &dlq_topic(), &APP, now());
    let read = DeadLetter::parse(&letter.headers).unwrap();
    assert_eq!(read, typed);
    assert_eq!(read.id, "producer/018df3f2-4c00-7000-8000-000000000001/1/0");
    assert_eq!((read.source.topic.as_str(), read.source.partition, read.source.group), ("user_data", None, None));
    assert_eq!((read.details.len(), read.rule_ids.len()), (0, 0));
    for name in ["event.id", "event.version_us", "run.id", "source"] {
        assert_eq!(letter.headers.get(name), Some(event().headers().get(name).unwrap()), "{name}");
    }
    assert!(!letter.headers.contains("schema.id"), "its value is the API's user, not user/1");
}

#[test]
fn every_pair_of_reason_and_stage_reads_back() {
    for (reason, stage) in PAIRS {
        let fault = Fault::new(*reason, *stage, "x", "y");
        let letter = DeadLetter::of_record(&whole(&smallest()), &fault, "g", &APP, now());
        assert_eq!(DeadLetter::parse(&letter.headers()), Ok(letter));
    }
}

#[test]
fn connects_ten_headers_are_there_for_existing_tools() {
    let letter = letter_of(whole(&smallest()));
    let text = |name: &str| letter.headers.text(name).unwrap_or_else(|| panic!("{name}")).to_owned();
    assert_eq!(text("__connect.errors.topic"), "user_data");
    assert_eq!(text("__connect.errors.partition"), "3");
    assert_eq!(text("__connect.errors.offset"), "1042");
    assert_eq!(text("__connect.errors.connector.name"), "stream-processor");
    assert_eq!(text("__connect.errors.task.id"), "0");
    assert_eq!(text("__connect.errors.stage"), "TRANSFORMATION");
    assert_eq!(text("__connect.errors.class.name"), "stream-processor.quality");
    assert_eq!(text("__connect.errors.exception.class.name"), "quality_rule.rule_violated");
    assert_eq!(text("__connect.errors.exception.message"), text("dlq.error.message"));
    assert!(text("__connect.errors.exception.stacktrace").ends_with("\n\tat /cell (phone.length)"));
    let connect = letter.headers.iter().filter(|header| header.name.starts_with("__connect.errors.")).count();
    assert_eq!(connect, 10);
}

#[test]
fn our_headers_stay_under_8_kib_whatever_happens() {
    let long: &'static str = Box::leak("ü".repeat(9_999).into_boxed_str());
    let mut fault = Fault::new(Reason::UnsupportedSchema, Stage::Validate, long, long);
    for rule in rules::ALL.iter().cycle().take(2_000) {
        fault.violations.push(Violation { pointer: "/registered_date".into(), rule });
    }
    let mut record = whole(&smallest());
    record.topic = "t".repeat(249).into();
    (record.partition, record.offset, record.timestamp_ms) = (i32::MAX, i64::MAX, Some(i64::MAX));
    record.headers.replace(headers::RUN_ID, long);
    record.headers.push(headers::REPLAY_COUNT, u32::MAX.to_string());
    let app = App { name: long, version: long };
    let letter = from_record(record.clone(), &fault, &dlq_topic(), 12, long, &app, now());
    let bytes = own_bytes(&letter.headers);
    assert!(bytes <= 8 * 1024, "{bytes}");
    assert_eq!(DeadLetter::parse(&letter.headers), Ok(DeadLetter::of_record(&record, &fault, long, &app, now())));

    let mut worst = Fault::new(Reason::QualityRule, Stage::Quality, "rule_violated", "");
    worst.violations = rules::ALL.iter().map(|rule| Violation { pointer: "/registered_date".into(), rule }).collect();
    let letter = DeadLetter::of_record(&whole(&smallest()), &worst, "g", &APP, now());
    assert_eq!(
        (letter.details.len(), letter.rule_ids.len()),
        (rules::ALL.len(), rules::ALL.len()),
        "nothing real is cut"
    );
}

#[test]
fn what_is_no_dead_letter_of_ours_is_said_with_its_header() {
    assert_eq!(DeadLetter::parse(&Headers::new()), Err(ParseError::Missing(headers::DLQ_V)));
    let whole = letter_of(whole(&smallest())).headers;
    for name in headers::ALL.iter().filter(|name| name.starts_with("dlq.")) {
        let mut lacking = whole.clone();
        lacking.retain(|header| header.name != *name);
        let optional = name.starts_with("dlq.source.") && *name != "dlq.source.topic"
            || ["dlq.run.id", "dlq.value.omitted.bytes"].contains(name);
        match DeadLetter::parse(&lacking) {
            Ok(_) => assert!(optional, "{name}"),
            Err(error) => assert_eq!((error, optional), (ParseError::Missing(name), false)),
        }
    }
    for name in ["dlq.v", "dlq.stage", "dlq.reason", "dlq.retryable", "dlq.error.details", "dlq.attempts"] {
        let mut spoiled = whole.clone();
        spoiled.replace(name, "perhaps");
        assert!(matches!(DeadLetter::parse(&spoiled), Err(ParseError::Malformed { header, .. }) if header == name));
    }
    for name in ["dlq.first.failed.at", "dlq.failed.at", "dlq.source.partition", "dlq.source.offset"] {
        let mut spoiled = whole.clone();
        spoiled.replace(name, "1e9");
        assert!(matches!(DeadLetter::parse(&spoiled), Err(ParseError::Malformed { header, .. }) if header == name));
    }
}

#[test]
fn the_fingerprint_is_of_the_kind_of_failure_and_not_of_the_values() {
    let one = produce(&crate::given::api_user_with("/email", "one".into())).unwrap_err();
    let two = produce(&crate::given::api_user_with("/email", "two@".into())).unwrap_err();
    let phone = produce(&crate::given::api_user_with("/phone", "0".repeat(51).into())).unwrap_err();
    assert_eq!(one.fingerprint(), two.fingerprint());
    assert_ne!(one.fingerprint(), phone.fingerprint());
    assert_eq!(one.fingerprint().len(), 16);
    assert!(one.fingerprint().bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));

    let base = fault();
    let mut shuffled = base.clone();
    shuffled.violations.reverse();
    shuffled.message = "other words".into();
    assert_eq!(base.fingerprint(), shuffled.fingerprint());
    let mut other = base.clone();
    other.error_type = "other";
    assert_ne!(base.fingerprint(), other.fingerprint());
    other = base.clone();
    other.reason = Reason::TimestampInFuture;
    assert_ne!(base.fingerprint(), other.fingerprint());
    other = base.clone();
    other.violations.pop();
    assert_ne!(base.fingerprint(), other.fingerprint());
}

#[test]
fn a_dead_letter_without_its_value_says_how_long_it_was_and_keeps_everything_else() {
    let letter = letter_of(whole(&smallest()));
    let small = dead_letter::without_value(letter.clone());
    assert_eq!((&small.value, &small.key), (&None, &letter.key));
    let bytes = letter.value.as_ref().map_or(0, Vec::len).to_string();
    assert_eq!(small.headers.text(headers::DLQ_VALUE_OMITTED_BYTES), Some(&*bytes));
    assert_eq!(DeadLetter::parse(&small.headers), DeadLetter::parse(&letter.headers));
}
