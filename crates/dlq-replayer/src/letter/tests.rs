use proptest::prelude::*;

use super::*;
use crate::fixture::{self, Placed as _};
use crate::redrive::Redrive;
use crate::routes::Routes;

#[test]
fn a_dead_letter_of_ours_is_read_with_everything_it_says() {
    let letter = Letter::of(fixture::processor_letter(3, 1042).at(3, 17));
    assert_eq!(letter.id, "user_data/3/1042");
    assert_eq!(letter.dlq, Coordinates { partition: 3, offset: 17 });
    assert_eq!(letter.dialect, Dialect::Sluice);
    assert_eq!((letter.reason, letter.stage), (Some(Reason::QualityRule), Some(Stage::Quality)));
    assert_eq!((letter.attempts, letter.retryable, letter.replays()), (Some(1), Some(false), 0));
    assert_eq!(letter.rule_ids, ["email.format"]);
    assert_eq!(letter.details, [Detail { pointer: "/email".to_owned(), rule: "email.format".to_owned() }]);
    assert!(letter.error_type.is_some() && letter.error_message.is_some());
    assert_eq!(letter.failed_at, fixture::now());
    assert_eq!(letter.source.topic.as_deref(), Some("user_data"));
    assert_eq!((letter.source.partition, letter.source.offset), (Some(3), Some(1042)));
    assert_eq!(letter.source.timestamp_ms, Some(fixture::SOURCE_MS));
    assert_eq!(letter.boomerang, None);
    assert!(!letter.is_from_producer());
}

#[test]
fn a_user_of_the_producer_has_only_the_topic_it_was_meant_for() {
    let letter = Letter::of(fixture::producer_letter(1, 7).at(0, 0));
    assert_eq!(letter.id, format!("producer/{}/1/7", fixture::RUN_ID));
    assert_eq!((letter.source.topic.as_deref(), letter.source.partition), (Some("user_data"), None));
    assert!(letter.is_from_producer());
}

#[test]
fn a_record_that_is_not_understood_is_a_dead_letter_all_the_same() {
    let letter = Letter::of(fixture::foreign_letter(b"\0").at(2, 9));
    assert_eq!((letter.id.as_str(), letter.dialect), ("dlq/2/9", Dialect::Unknown));
    assert_eq!((letter.reason, letter.attempts, letter.replays()), (None, None, 0));
    assert_eq!(letter.value.as_deref(), Some(&b"\0"[..]));
    assert_eq!(letter.failed_at.timestamp_millis(), fixture::APPENDED_MS);
}

#[test]
fn a_dead_letter_of_a_replayed_record_knows_its_replay() {
    let letter = Letter::of(fixture::boomerang("user_data/3/1042", "r1", 2).at(3, 18));
    assert_eq!(letter.boomerang, Some(Boomerang { of: "user_data/3/1042".to_owned(), replay_id: "r1".to_owned() }));
    assert_eq!((letter.attempts, letter.replays()), (Some(3), 2));
}

#[test]
fn of_two_headers_that_contradict_each_other_the_larger_count_is_believed() {
    let mut record = fixture::boomerang("user_data/3/1042", "r1", 5).at(0, 0);
    record.headers.replace(headers::DLQ_ATTEMPTS, "1");
    assert_eq!(Letter::of(record).replays(), 5);
}

/// Names of headers that dialects read, and some that they do not.
const NAMES: [&str; 16] = [
    "dlq.v",
    "__connect.errors.topic",
    "__connect.errors.partition",
    "__connect.errors.offset",
    "__streams.errors.topic",
    "__dlq.errors.topic",
    "__dlq.errors.delivery.count",
    "kafka_dlt-original-topic",
    "kafka_dlt-original-offset",
    "kafka_dlt-original-timestamp",
    "x-original-topic",
    "dead-letter-topic",
    "dead-letter-reason",
    "event.version_us",
    "replay.count",
    "mine",
];

fn header() -> impl Strategy<Value = (&'static str, Option<Vec<u8>>)> {
    let value = prop_oneof![
        Just(b"user_data".to_vec()),
        Just(b"other".to_vec()),
        Just(7_i64.to_be_bytes().to_vec()),
        "[0-9]{1,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    (prop::sample::select(&NAMES), prop::option::weighted(0.9, value))
}

proptest! {
    #[test]
    fn whatever_headers_say_a_letter_is_replayed_only_where_all_that_name_a_topic_name_this_one(
        headers in prop::collection::vec(header(), 0..8),
        value in prop_oneof![Just(None), Just(Some(b"{}".to_vec())), prop::collection::vec(any::<u8>(), 0..9).prop_map(Some)],
    ) {
        let mut dead = fixture::foreign_letter(b"").at(1, 2);
        dead.value = value;
        for (name, value) in &headers {
            dead.headers.push_foreign(name, value.clone());
        }
        let letter = Letter::of(dead.clone());
        prop_assert_eq!((&letter.key, &letter.value, &letter.headers), (&dead.key, &dead.value, &dead.headers));
        prop_assert_eq!(&letter.id, "dlq/1/2");
        let redrive = Redrive {
            replay_id: "job".to_owned(),
            routes: Routes::new("user_data", &[]),
            by: "me".to_owned(),
            why: "why".to_owned(),
            mend: None,
            oldest: None,
        };
        if let Ok(record) = redrive.record_of(&letter, 1, fixture::now()) {
            prop_assert!(record.headers.contains("event.version_us"));
            let named = |(name, value): &(&str, Option<Vec<u8>>)| name.ends_with("topic") && value.as_deref() == Some(b"user_data");
            prop_assert!(headers.iter().any(named));
        }
    }
}
