//! A dead-letter topic that every dialect is written to: nothing is passed over, and what is understood goes home.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use end_to_end::{World, flat_record, user_record};
use schema::headers;
use schema::record::{Headers, NewRecord, Record};
use serde_json::{Value, json};
use service::Exit;
use uuid::Uuid;

use crate::replay::replayer;

const VERSION: i64 = 1_790_000_000_000_000;

/// A dead letter with these headers behind those of its record.
fn letter(world: &World, record: NewRecord, added: &[(&str, &[u8])]) -> NewRecord {
    let mut headers = record.headers;
    for (name, value) in added {
        headers.push((*name).to_owned(), *value);
    }
    NewRecord { topic: world.kafka().topics.dlq.as_str().into(), headers, ..record }
}

fn healthy(world: &World, id: Uuid) -> NewRecord {
    user_record(world, id, VERSION, |_, _| {})
}

fn connect(world: &World, id: Uuid) -> NewRecord {
    let topic = world.kafka().topics.user_data;
    letter(
        world,
        healthy(world, id),
        &[
            ("__connect.errors.topic", topic.as_bytes()),
            ("__connect.errors.partition", b"2"),
            ("__connect.errors.offset", b"1042"),
            ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
            ("__connect.errors.exception.message", b"no such column"),
        ],
    )
}

fn envelope(world: &World, id: Uuid) -> NewRecord {
    let original = json!({
        "id": id, "first_name": "Ada", "last_name": "Lovelace", "email": "ada.lovelace@example.com",
        "username": "ada1815", "dob": "1915-12-10T00:00:00.000Z", "registered_date": "2018-10-18T04:05:51.990Z",
    });
    let value = json!({
        "original_message": original.to_string(), "error_type": "ValueError", "error_message": "bad value 17",
        "timestamp": "2026-03-01T12:00:00.000001", "retry_count": 3, "source_topic": world.kafka().topics.user_data,
    });
    letter(world, flat_record(world, None, &value), &[])
}

/// A letter without key and value that points to a place of `user_data`.
fn pointer(world: &World, partition: i32, offset: i64) -> NewRecord {
    letter(
        world,
        world.record(None, None, Headers::new()),
        &[
            ("__dlq.errors.topic", world.kafka().topics.user_data.as_bytes()),
            ("__dlq.errors.partition", partition.to_string().as_bytes()),
            ("__dlq.errors.offset", offset.to_string().as_bytes()),
            ("__dlq.errors.group", b"share"),
            ("__dlq.errors.delivery.count", b"5"),
        ],
    )
}

/// A letter of each dialect whose record was on a topic that does not exist any more, and two that nobody understands.
fn others(world: &World) -> Vec<NewRecord> {
    let (gone, three, seven): (&[u8], &[u8], &[u8]) = (b"gone", &3_i32.to_be_bytes(), &7_i64.to_be_bytes());
    let of = |headers: &[(&str, &[u8])]| letter(world, world.record(Some("k"), Some(b"{}"), Headers::new()), headers);
    vec![
        of(&[
            ("__streams.errors.topic", gone),
            ("__streams.errors.partition", b"3"),
            ("__streams.errors.offset", b"7"),
        ]),
        of(&[
            ("kafka_dlt-original-topic", gone),
            ("kafka_dlt-original-partition", three),
            ("kafka_dlt-original-offset", seven),
            ("kafka_dlt-original-timestamp", seven),
        ]),
        of(&[("x-original-topic", gone), ("x-original-partition", three), ("x-original-offset", seven)]),
        of(&[("dead-letter-topic", gone), ("dead-letter-partition", b"3"), ("dead-letter-offset", b"7")]),
        of(&[]),
        letter(world, world.record(None, Some(&[0xff, 0x00]), Headers::new()), &[("h", &[0xfe])]),
    ]
}

/// The listed letters by dialect; the unknown ones in one list.
async fn listed(world: &World) -> BTreeMap<String, Vec<Value>> {
    let (code, lines, stderr) = replayer(world, &["ls", "--output", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let mut by_dialect: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines {
        by_dialect.entry(line["dialect"].as_str().expect("a dialect").to_owned()).or_default().push(line);
    }
    by_dialect
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().expect("an id")
}

async fn shown(world: &World, letter: &Value) -> Value {
    let (code, mut lines, stderr) = replayer(world, &["show", id(letter), "--output", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    lines.remove(0)
}

#[tokio::test]
async fn a_topic_that_every_dialect_is_written_to_is_listed_completely_and_what_is_understood_comes_home() {
    let world = World::new("dialects").await;
    let processor = world.processor();
    let [by_connect, by_envelope, by_pointer] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let place = world.publish(vec![healthy(&world, by_pointer)]).await[0];
    world.wait_until_consumed().await;
    let nowhere = place.offset + 1_000_000;
    let mut letters = others(&world);
    letters.extend([connect(&world, by_connect), envelope(&world, by_envelope)]);
    letters.extend([pointer(&world, place.partition, place.offset), pointer(&world, place.partition, nowhere)]);
    world.publish(letters.clone()).await;

    let listed = listed(&world).await;
    assert_eq!(listed.values().map(Vec::len).sum::<usize>(), letters.len(), "none is passed over");
    let dialects: BTreeSet<&str> = listed.keys().map(String::as_str).collect();
    assert_eq!(
        dialects,
        BTreeSet::from([
            "connect",
            "envelope",
            "share_group",
            "smallrye",
            "spring",
            "spring_cloud_stream",
            "streams",
            "unknown"
        ])
    );
    let spring = &listed["spring"][0]["source"];
    assert_eq!(spring, &json!({"topic": "gone", "partition": 3, "offset": 7}), "integers are big-endian");
    let binary = listed["unknown"].iter().find(|letter| letter["key"].is_null()).expect("the one without a key");
    let binary = shown(&world, binary).await;
    assert_eq!((&binary["value_base64"], &binary["headers"]), (&json!("/wA="), &json!([["h", {"base64": "/g=="}]])));
    let points_to = |offset: i64| {
        let found = listed["share_group"].iter().find(move |letter| letter["source"]["offset"] == offset);
        found.expect("a pointer")
    };
    let whole = shown(&world, points_to(place.offset)).await;
    assert_eq!(whole["original"]["key"], by_pointer.to_string(), "the record that it points to");
    let lost = shown(&world, points_to(nowhere)).await;
    assert!(lost["original"]["absent"].as_str().is_some_and(|why| why.contains("no record is at")), "{lost}");

    let (connect, envelope) = (&listed["connect"][0], &listed["envelope"][0]);
    let ids = [connect, envelope, points_to(place.offset)].map(id).join(",");
    // The envelope is older than deletions are remembered.
    let (code, report, stderr) =
        replayer(&world, &["replay", "--id", &ids, "--why", "mended", "--yes", "--force", "--output", "json"]).await;
    assert_eq!((code, &report[0]["confirmed"]), (Some(0), &json!(3)), "{report:?} {stderr}");
    let rows = world.rows().await;
    assert!([by_connect, by_envelope, by_pointer].iter().all(|id| rows.contains_key(&id.to_string())), "{rows:?}");
    let replayed = world.user_data().await;
    let replay_of = |letter: &Value| -> &Record {
        let is_its = |record: &&Record| record.headers.text(headers::REPLAY_DLQ_ID) == Some(id(letter));
        replayed.iter().find(is_its).expect("its replay")
    };
    for (letter, version) in [(connect, VERSION), (envelope, 1_772_366_400_000_001), (points_to(place.offset), VERSION)]
    {
        let version = version.to_string();
        assert_eq!(replay_of(letter).headers.text(headers::EVENT_VERSION_US), Some(&*version), "{letter}");
    }
    let inside = replay_of(envelope).value.as_deref().unwrap_or_default();
    let inside: Value = serde_json::from_slice(inside).expect("JSON");
    assert_eq!((&inside["id"], &inside["original_message"]), (&json!(by_envelope), &json!(null)), "what is inside");

    let (code, report, stderr) = replayer(&world, &["replay", "--why", "the rest", "--yes", "--output", "json"]).await;
    assert_eq!((code, &report[0]["replayed"]), (Some(2), &json!(0)), "{report:?} {stderr}");
    let refused = json!({"other_topic": 4, "unknown_dialect": 2, "no_original": 1});
    assert_eq!(report[0]["refused_by_cause"], refused, "each for its cause");
    assert_eq!(world.user_data().await.len(), replayed.len());
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_letter_of_kafka_connect_without_a_version_takes_that_of_its_record() {
    let world = World::new("foreign_version").await;
    let processor = world.processor();
    let topic = world.kafka().topics.user_data;
    let user = json!({
        "id": Uuid::new_v4(), "first_name": "Ada", "email": "ada.lovelace@example.com", "username": "ada1815",
        "dob": "1915-12-10T00:00:00.000Z", "registered_date": "2018-10-18T04:05:51.990Z",
    });
    // Not older than the topic's retention, or the broker may delete it at once.
    let written_ms = Utc::now().timestamp_millis() - 5_000;
    let written = NewRecord { timestamp_ms: Some(written_ms), ..flat_record(&world, Some("k"), &user) };
    let place = world.publish(vec![written.clone()]).await[0];
    let (partition, offset) = (place.partition.to_string(), place.offset.to_string());
    let added: [(&str, &[u8]); 3] = [
        ("__connect.errors.topic", topic.as_bytes()),
        ("__connect.errors.partition", partition.as_bytes()),
        ("__connect.errors.offset", offset.as_bytes()),
    ];
    let dead = NewRecord { timestamp_ms: None, ..letter(&world, written, &added) };
    let of_another = NewRecord { value: Some(b"{}".to_vec()), ..dead.clone() };
    world.publish(vec![dead, of_another]).await;
    let (code, report, stderr) = replayer(&world, &["replay", "--why", "mended", "--yes", "--output", "json"]).await;
    assert_eq!((code, &report[0]["replayed"]), (Some(2), &json!(1)), "the other is refused: {report:?} {stderr}");
    assert_eq!(report[0]["refused_by_cause"], json!({"no_version": 1}));
    let replayed = world.user_data().await;
    let replayed = replayed.iter().find(|record| record.headers.contains(headers::REPLAY_ID)).expect("the replay");
    assert_eq!(replayed.headers.text(headers::EVENT_VERSION_US), Some(&*(written_ms * 1_000).to_string()));
    assert_eq!(processor.stop().await, Exit::Done);
}
