use proptest::prelude::*;
use schema::reason::{Reason, Stage};
use schema::record::Header;
use schema::row;

use super::*;
use crate::fixture::{self, Placed as _};
use crate::mend::Patch;

fn redrive() -> Redrive {
    Redrive {
        replay_id: "job".to_owned(),
        routes: Routes::new("user_data", &["orders".to_owned()]),
        by: "anna@desk".to_owned(),
        why: "rule was wrong".to_owned(),
        mend: None,
        oldest: None,
    }
}

fn patching(operations: &str) -> Redrive {
    let patch = Patch::parse(operations.as_bytes()).expect("a patch");
    Redrive { mend: Some(Mend::Patch(patch)), ..redrive() }
}

const MEND_EMAIL: &str = r#"[{"op":"replace","path":"/email","value":"ada.l@example.com"}]"#;

fn later() -> DateTime<Utc> {
    "2026-03-02T01:02:03.456789Z".parse().expect("a date")
}

fn replayed(letter: &Letter) -> NewRecord {
    redrive().record_of(letter, letter.replays() + 1, later()).expect("a record")
}

/// The letter of a record that has this header too.
fn with_header(name: &'static str, value: &[u8]) -> Letter {
    let mut record = fixture::record(3, 1042);
    record.headers.push(name, value);
    Letter::of(fixture::letter_of(record).at(3, 17))
}

fn all_of(headers: &Headers, name: &str) -> Vec<Vec<u8>> {
    headers.iter().filter(|header| header.name == name).filter_map(|header| header.value.clone()).collect()
}

#[test]
fn key_value_and_headers_are_those_of_the_original_in_order() {
    let original = fixture::record(3, 1042);
    let record = replayed(&fixture::read_letter(3, 1042, 17));
    assert_eq!((&*record.topic, record.partition), ("user_data", None));
    assert_eq!((record.key, record.value), (original.key, original.value));
    let kept: Vec<&Header> = record.headers.iter().take(original.headers.len()).collect();
    assert_eq!(kept, original.headers.iter().collect::<Vec<_>>());
}

#[test]
fn null_key_null_value_null_headers_and_duplicates_stay_as_they_were() {
    let mut original = fixture::record(3, 1042);
    (original.key, original.value) = (None, None);
    original.headers.push("twice", "1");
    original.headers.push_foreign("null", None);
    original.headers.push("twice", "2");
    let record = replayed(&Letter::of(fixture::letter_of(original.clone()).at(3, 17)));
    assert_eq!((record.key, record.value), (None, None));
    assert!(original.headers.iter().all(|header| record.headers.iter().any(|kept| kept == header)));
    assert_eq!(all_of(&record.headers, "twice"), [b"1".to_vec(), b"2".to_vec()]);
}

#[test]
fn the_record_timestamp_is_the_time_of_the_replay() {
    assert_eq!(replayed(&fixture::read_letter(0, 1, 1)).timestamp_ms, Some(later().timestamp_millis()));
}

#[test]
fn event_version_us_is_the_originals() {
    let record = replayed(&fixture::read_letter(0, 1, 1));
    let version = fixture::VERSION_US.to_string().into_bytes();
    assert_eq!(all_of(&record.headers, "event.version_us"), [version]);
}

#[test]
fn event_version_us_is_the_source_timestamp_where_the_original_had_none() {
    let record = replayed(&Letter::of(fixture::letter_of(fixture::flat(3, 1042)).at(3, 17)));
    let version = (fixture::SOURCE_MS * 1000).to_string().into_bytes();
    assert_eq!(all_of(&record.headers, "event.version_us"), [version]);
}

#[test]
fn a_letter_with_neither_version_nor_timestamp_is_refused_for_it_could_beat_newer_data() {
    let flat = schema::record::Record { timestamp_ms: None, ..fixture::flat(3, 1042) };
    let letter = Letter::of(fixture::letter_of(flat).at(3, 17));
    assert_eq!(redrive().record_of(&letter, 1, later()), Err(Refusal::NoVersion));
}

#[test]
fn each_replay_header_is_set_once_whatever_the_letter_brought() {
    let dlq_id = "user_data/3/2002";
    let mut dead = fixture::boomerang("user_data/3/1042", "earlier", 2).at(3, 18);
    for name in OF_ONE_PASSAGE {
        dead.headers.push(name, "old");
    }
    dead.headers.replace(headers::REPLAY_COUNT, "2");
    let letter = Letter::of(dead);
    let record = replayed(&letter);
    for (name, value) in [
        ("replay.id", "job"),
        ("replay.dlq.id", dlq_id),
        ("replay.count", "3"),
        ("replay.first.failed.at", "2026-03-01T12:00:00.000000Z"),
        ("replay.at", "2026-03-02T01:02:03.456789Z"),
        ("replay.by", "anna@desk"),
        ("replay.reason", "rule was wrong"),
    ] {
        assert_eq!(all_of(&record.headers, name), [value.as_bytes()], "{name}");
    }
    assert!(!record.headers.contains("replay.patch.sha256"), "this replay applies no patch");
}

#[test]
fn the_first_failure_is_remembered_from_replay_to_replay() {
    let mut dead = fixture::processor_letter(3, 1042).at(3, 17);
    dead.headers.replace(headers::DLQ_FIRST_FAILED_AT, "2025-01-01T00:00:00.000001Z");
    let record = replayed(&Letter::of(dead));
    assert_eq!(record.headers.text("replay.first.failed.at"), Some("2025-01-01T00:00:00.000001Z"));
}

/// Every header that a writer of dead letters is known to add, one that it may add some day, and the old trace.
const TAKEN_OFF: [&str; 55] = [
    "dlq.anything",
    "__connect.errors.topic",
    "__connect.errors.partition",
    "__connect.errors.offset",
    "__connect.errors.connector.name",
    "__connect.errors.task.id",
    "__connect.errors.stage",
    "__connect.errors.class.name",
    "__connect.errors.exception.class.name",
    "__connect.errors.exception.message",
    "__connect.errors.exception.stacktrace",
    "__connect.errors.anything",
    "__streams.errors.exception",
    "__streams.errors.stacktrace",
    "__streams.errors.message",
    "__streams.errors.topic",
    "__streams.errors.partition",
    "__streams.errors.offset",
    "__streams.errors.anything",
    "__dlq.errors.topic",
    "__dlq.errors.partition",
    "__dlq.errors.offset",
    "__dlq.errors.group",
    "__dlq.errors.delivery.count",
    "__dlq.errors.message",
    "__dlq.errors.anything",
    "kafka_dlt-original-topic",
    "kafka_dlt-original-partition",
    "kafka_dlt-original-offset",
    "kafka_dlt-original-timestamp",
    "kafka_dlt-original-timestamp-type",
    "kafka_dlt-original-consumer-group",
    "kafka_dlt-exception-fqcn",
    "kafka_dlt-exception-cause-fqcn",
    "kafka_dlt-exception-message",
    "kafka_dlt-exception-stacktrace",
    "kafka_dlt-key-exception-fqcn",
    "kafka_dlt-anything",
    "x-original-topic",
    "x-original-partition",
    "x-original-offset",
    "x-original-timestamp",
    "x-original-timestamp-type",
    "x-exception-fqcn",
    "x-exception-message",
    "x-exception-stacktrace",
    "x-original-anything",
    "dead-letter-exception-class-name",
    "dead-letter-reason",
    "dead-letter-cause-class-name",
    "dead-letter-cause",
    "dead-letter-topic",
    "dead-letter-partition",
    "dead-letter-offset",
    "traceparent",
];

#[test]
fn each_header_of_a_dead_letter_is_taken_off_and_so_is_the_old_traceparent() {
    for name in TAKEN_OFF {
        let letter = with_header(name, b"\xff\x00");
        assert!(letter.headers.contains(name), "the letter has {name}");
        assert_eq!(letter.dialect, Dialect::Sluice, "what the record brought with it is older: {name}");
        assert!(!replayed(&letter).headers.contains(name), "{name}");
    }
}

#[test]
fn every_header_that_a_service_of_ours_writes_on_a_dead_letter_is_taken_off() {
    let letter = fixture::read_letter(3, 1042, 17);
    let ours: Vec<_> = letter.headers.iter().filter(|header| headers::is_dead_letter_header(&header.name)).collect();
    assert!(ours.len() > 30, "{}", ours.len());
    let record = replayed(&letter);
    for header in ours {
        assert!(!record.headers.contains(&header.name), "{}", header.name);
    }
}

#[test]
fn headers_that_only_look_like_a_dead_letters_stay() {
    for name in
        ["dlq", "x-originals", "deadletter-reason", "kafka_dlt", "connect.errors.topic", "tracestate", "replay.x"]
    {
        assert!(replayed(&with_header(name, b"v")).headers.contains(name), "{name}");
    }
}

/// A letter that holds a record of an older pipeline.
fn envelope(timestamp: &str) -> Letter {
    let value =
        format!(r#"{{"original_message":"{{}}","error_type":"E","timestamp":{timestamp},"source_topic":"user_data"}}"#);
    let mut dead = fixture::foreign_letter(value.as_bytes()).at(0, 4);
    dead.key = Some(b"key".to_vec());
    Letter::of(dead)
}

#[test]
fn an_envelope_is_replayed_with_what_is_inside_and_its_own_time_as_version() {
    let record = replayed(&envelope("\"2026-03-01T11:59:59.000001\""));
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"key"[..]), Some(&b"{}"[..])));
    assert_eq!(all_of(&record.headers, "event.version_us"), [b"1772366399000001".to_vec()]);
    assert_eq!(all_of(&record.headers, "replay.dlq.id"), [b"dlq/0/4".to_vec()]);
}

#[test]
fn an_envelope_without_a_time_has_the_time_of_its_own_record_as_version() {
    for timestamp in ["null", "\"today\"", "1772366399"] {
        let version = (fixture::APPENDED_MS * 1000).to_string().into_bytes();
        assert_eq!(all_of(&replayed(&envelope(timestamp)).headers, "event.version_us"), [version], "{timestamp}");
    }
}

#[test]
fn an_envelope_of_before_1970_has_no_version_and_is_refused() {
    let refused = redrive().record_of(&envelope("\"1969-12-31T23:59:59Z\""), 1, later());
    assert_eq!(refused, Err(Refusal::NoVersion));
}

/// A letter that only points to its record.
fn pointer(offset: &str) -> Letter {
    let mut dead = fixture::foreign_letter(b"").at(0, 4);
    dead.value = None;
    for (name, value) in [("topic", "user_data"), ("partition", "3"), ("offset", offset)] {
        dead.headers.push(format!("__dlq.errors.{name}"), value);
    }
    Letter::of(dead)
}

#[test]
fn a_pointer_is_replayed_with_the_record_that_was_fetched() {
    let mut letter = pointer("1042");
    assert_eq!(letter.wanted(), Some(("user_data", 3, 1042)));
    assert_eq!(redrive().record_of(&letter, 1, later()), Err(Refusal::NoOriginal(Absence::NotFetched)));
    let original = fixture::record(3, 1042);
    letter.fetched(Ok(original.clone()));
    let record = replayed(&letter);
    assert_eq!((record.key, record.value), (original.key, original.value));
    assert!(original.headers.iter().all(|header| record.headers.iter().any(|kept| kept == header)));
    assert!(record.headers.iter().all(|header| !header.name.starts_with("__dlq.")));

    let mut of_flat = pointer("1042");
    of_flat.fetched(Ok(fixture::flat(3, 1042)));
    let version = (fixture::SOURCE_MS * 1000).to_string().into_bytes();
    assert_eq!(all_of(&replayed(&of_flat).headers, "event.version_us"), [version]);
}

#[test]
fn a_pointer_whose_record_is_gone_is_refused_with_the_reason() {
    let mut letter = pointer("1042");
    let gone = kafka::Missing::NoTopic("user_data".to_owned());
    letter.fetched(Err(gone.clone()));
    let refused = redrive().record_of(&letter, 1, later()).expect_err("refused");
    assert_eq!(refused, Refusal::NoOriginal(Absence::Missing(gone)));
    assert!(refused.to_string().contains("topic user_data does not exist"), "{refused}");
    let nowhere = redrive().record_of(&pointer("somewhere"), 1, later());
    assert_eq!(nowhere, Err(Refusal::NoOriginal(Absence::NoPlace)));
}

#[test]
fn a_letter_that_does_not_say_its_topic_is_refused_for_any_could_be_the_wrong_one() {
    let mut dead = fixture::foreign_letter(b"{}").at(0, 4);
    dead.headers.push("dead-letter-reason", "x");
    dead.headers.push(headers::EVENT_VERSION_US, "5");
    assert_eq!(redrive().record_of(&Letter::of(dead), 1, later()), Err(Refusal::NoTopic));
}

#[test]
fn a_letter_that_is_not_understood_is_refused() {
    let letter = Letter::of(fixture::foreign_letter(b"x").at(0, 0));
    assert_eq!(redrive().record_of(&letter, 1, later()), Err(Refusal::UnknownDialect));
}

#[test]
fn a_letter_of_another_topic_is_refused() {
    let mut dead = fixture::processor_letter(3, 1042).at(3, 17);
    dead.headers.replace(headers::DLQ_SOURCE_TOPIC, "__consumer_offsets");
    let refused = Refusal::OtherTopic("__consumer_offsets".to_owned());
    assert_eq!(redrive().record_of(&Letter::of(dead), 1, later()), Err(refused));
}

#[test]
fn a_letter_of_an_allowed_topic_goes_back_there_as_it_was() {
    let mut dead = fixture::letter_of(fixture::flat(3, 1042)).at(3, 17);
    dead.headers.replace(headers::DLQ_SOURCE_TOPIC, "orders");
    let record = replayed(&Letter::of(dead));
    let original = fixture::flat(3, 1042);
    assert_eq!((&*record.topic, record.key, record.value), ("orders", original.key, original.value));
    assert!(!record.headers.contains(headers::EVENT_VERSION_US), "a version is our own processor's matter");
    assert_eq!(record.headers.text(headers::REPLAY_ID), Some("job"));
}

#[test]
fn a_user_of_the_producer_is_mapped_by_the_producers_own_code_with_its_event_headers() {
    let letter = Letter::of(fixture::producer_letter(1, 7).at(0, 0));
    let record = replayed(&letter);
    let event = fixture::event(1, 7);
    let published = produce::record_of(fixture::USER, &event, &"user_data".into()).expect("a good user");
    assert_eq!((&record.key, &record.value), (&published.key, &published.value));
    for header in &published.headers {
        assert_eq!(all_of(&record.headers, &header.name), [header.value.clone().expect("a value")], "{}", header.name);
    }
    assert_eq!(record.headers.text("replay.dlq.id"), Some(letter.id.as_str()));
    // The processor takes it, and it is the event it would have been.
    let record = record.at(0, 1);
    let row = row::row_of(&record, later()).expect("a row");
    assert_eq!(row.version, event.version);
    assert_eq!(row.source, event.source());
}

#[test]
fn a_user_of_the_producer_keeps_other_headers_but_not_those_of_its_dead_letter() {
    let mut dead = fixture::producer_letter(1, 7).at(0, 0);
    dead.headers.push("mine", "v");
    dead.headers.push("traceparent", "old");
    let record = replayed(&Letter::of(dead));
    assert!(record.headers.contains("mine"));
    assert!(record.headers.iter().all(|header| !header.name.starts_with("dlq.") && header.name != "traceparent"));
}

#[test]
fn a_user_of_the_producer_that_would_fail_again_is_refused_with_its_reason() {
    let mut dead = fixture::producer_letter(1, 7).at(0, 0);
    dead.value = Some(fixture::USER.replace("ada.l@example.com", "nobody").into_bytes());
    let Err(Refusal::StillFails(fault)) = redrive().record_of(&Letter::of(dead.clone()), 1, later()) else {
        panic!("a user without an e-mail passed");
    };
    assert_eq!(
        (fault.reason, fault.stage, fault.rule_ids()),
        (Reason::QualityRule, Stage::Validate, vec!["email.format"])
    );
    for value in [None, Some(vec![0xff])] {
        dead.value = value;
        let refusal = redrive().record_of(&Letter::of(dead.clone()), 1, later());
        assert!(matches!(refusal, Err(Refusal::StillFails(_))), "{refusal:?}");
    }
}

#[test]
fn a_user_of_the_producer_without_its_event_headers_is_refused() {
    for name in [headers::SOURCE, headers::RUN_ID, headers::EVENT_VERSION_US] {
        let mut dead = fixture::producer_letter(1, 7).at(0, 0);
        dead.headers.replace(name, "nonsense");
        assert_eq!(redrive().record_of(&Letter::of(dead), 1, later()), Err(Refusal::NoEvent), "{name}");
    }
}

#[test]
fn a_patch_mends_the_value_and_its_hash_travels_along() {
    let redrive = patching(MEND_EMAIL);
    let record = redrive.record_of(&fixture::read_letter(3, 1042, 17), 1, later()).expect("a record");
    assert_eq!(record.value.as_deref(), Some(&br#"{"email":"ada.l@example.com"}"#[..]));
    assert_eq!(record.key, fixture::record(3, 1042).key, "the key stays");
    let Some(Mend::Patch(patch)) = &redrive.mend else { panic!("no patch") };
    assert_eq!(all_of(&record.headers, "replay.patch.sha256"), [patch.sha256().as_bytes()]);
}

#[test]
fn a_user_of_the_producer_is_patched_before_it_is_mapped() {
    let mut dead = fixture::producer_letter(1, 7).at(0, 0);
    dead.value = Some(fixture::USER.replace("ada.l@example.com", "nobody").into_bytes());
    let record = patching(MEND_EMAIL).record_of(&Letter::of(dead), 1, later()).expect("a record");
    assert!(row::row_of(&record.at(0, 1), later()).is_ok_and(|row| row.email == "ada.l@example.com"));
}

#[test]
fn a_patch_that_does_not_apply_leaves_the_letter_alone() {
    let letter = fixture::read_letter(3, 1042, 17);
    let redrive = patching(r#"[{"op":"remove","path":"/nothing"}]"#);
    let refused = redrive.record_of(&letter, 1, later());
    assert!(matches!(refused, Err(Refusal::PatchDoesNotApply(_))), "{refused:?}");
    assert_eq!(redrive.preview(&letter), None);
    let changes = patching(MEND_EMAIL).preview(&letter).expect("a preview").changes;
    assert_eq!(changes.iter().map(|change| change.pointer.as_str()).collect::<Vec<_>>(), ["/email"]);
}

#[test]
fn a_flat_record_is_upcast_to_the_same_row_as_a_record_of_user_1() {
    let redrive = Redrive { mend: Some(Mend::Upcast), ..redrive() };
    let flat = schema::record::Record { value: Some(fixture::FLAT.as_bytes().to_vec()), ..fixture::flat(3, 1042) };
    let letter = Letter::of(fixture::letter_of(flat).at(3, 17));
    let upcast = redrive.record_of(&letter, 1, later()).expect("a record").at(0, 1);
    let as_it_is = replayed(&letter).at(0, 1);
    let rows = [&upcast, &as_it_is].map(|record| row::row_of(record, later()).expect("a row"));
    let [one, other] = rows;
    assert_eq!((one.schema_id, other.schema_id), ("user/1", "flat"));
    assert_eq!(one.source, "user_data/3/1042", "where the record was first");
    assert_eq!(upcast.key.as_deref(), Some(one.id.to_string().as_bytes()));
    assert_eq!(row::UserRow { schema_id: "flat", source: other.source.clone(), ..one }, other);
    assert!(redrive.preview(&letter).is_some_and(|preview| !preview.changes.is_empty()));

    let known = fixture::read_letter(3, 1042, 17);
    assert_eq!(redrive.record_of(&known, 1, later()).map(|record| record.value), Ok(known.value), "names its schema");
}

#[test]
fn a_letter_that_failed_before_deletions_are_remembered_is_refused() {
    let letter = fixture::read_letter(3, 1042, 17);
    for (ahead, refused) in [(1, true), (0, false), (-1, false)] {
        let oldest = fixture::now() + chrono::TimeDelta::milliseconds(ahead);
        let made = Redrive { oldest: Some(oldest), ..redrive() }.record_of(&letter, 1, later());
        assert_eq!(matches!(made, Err(Refusal::TooOld(_))), refused, "{ahead}");
    }
}

proptest! {
    #[test]
    fn whatever_headers_the_original_had_all_but_the_named_families_come_back_in_order(
        names in prop::collection::vec("[a-z._-]{1,12}|dlq\\.[a-z]{1,4}|x-original-[a-z]{1,4}", 0..12),
    ) {
        let mut original = fixture::flat(3, 1042);
        original.headers.push(headers::EVENT_VERSION_US, "5");
        for name in &names {
            original.headers.push(name.clone(), name.clone());
        }
        let dead = fixture::letter_of(original.clone());
        let record = replayed(&Letter::of(dead.at(3, 17)));
        let expected: Vec<_> = original
            .headers
            .iter()
            .filter(|header| !header.name.starts_with("dlq.") && !header.name.starts_with("x-original-"))
            .collect();
        let came_back: Vec<_> = record.headers.iter().take(expected.len()).collect();
        prop_assert_eq!(came_back, expected);
        prop_assert_eq!(record.headers.iter().filter(|header| header.name.starts_with("replay.")).count(), 7);
    }
}
