//! What can never be a row becomes a dead letter with its exact bytes; the partition goes on.

use end_to_end::{World, flat_record, recorded_flat, user_record};
use schema::headers;
use schema::record::{Headers, NewRecord};
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

/// Every poison of the contract, with the reason it gets.
fn poison(world: &World) -> Vec<(&'static str, NewRecord)> {
    let raw = |value: &[u8]| world.record(Some("k"), Some(value), Headers::new());
    let mut keyless = user_record(world, Uuid::new_v4(), VERSION, |_, _| {});
    keyless.key = None;
    let unknown = user_record(world, Uuid::new_v4(), VERSION, |_, headers| headers.replace("schema.id", "user/9"));
    let foreign_key =
        user_record(world, Uuid::new_v4(), VERSION, |value, _| value["id"] = Uuid::new_v4().to_string().into());
    let no_version =
        user_record(world, Uuid::new_v4(), VERSION, |_, headers| headers.replace("event.version_us", "soon"));
    let ahead = chrono::Utc::now().timestamp_micros() + 3_600_000_000;
    let in_future = user_record(world, Uuid::new_v4(), ahead, |_, _| {});
    vec![
        ("deserialization", raw(b"no json")),
        ("schema_violation", raw(b"[1, 2]")),
        ("deserialization", raw(b"")),
        ("schema_violation", world.record(Some("k"), None, Headers::new())),
        ("deserialization", raw("x".repeat(900 << 10).as_bytes())),
        ("deserialization", raw(b"\0")),
        ("deserialization", raw("[".repeat(100_000).as_bytes())),
        ("deserialization", raw(b"{\"id\": \"\xff\xfe\"}")),
        ("missing_key", keyless),
        ("unsupported_schema", unknown),
        ("schema_violation", foreign_key),
        ("schema_violation", no_version),
        ("timestamp_in_future", in_future),
        ("quality_rule", raw(b"{}")),
    ]
}

#[tokio::test]
async fn every_poison_is_dead_lettered_with_its_exact_bytes_and_the_partition_goes_on() {
    let world = World::new("poison").await;
    let poison = poison(&world);
    let mut records = Vec::new();
    for (index, (_, record)) in poison.iter().enumerate() {
        let mut record = record.clone();
        record.partition = Some(0);
        // Binary, repeated and null-valued headers travel as they are.
        record.headers.push("trace", vec![0, 159, 146, 150]);
        record.headers.push("trace", index.to_string());
        records.push(record);
        let mut healthy = user_record(&world, Uuid::new_v4(), VERSION, |_, _| {});
        healthy.partition = Some(0);
        records.push(healthy);
    }
    let placed = world.publish(records.clone()).await;
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, records.len());
    assert_eq!(world.rows().await.len(), poison.len(), "every healthy neighbour arrived");
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), poison.len(), "one dead letter for each poison");
    let kafka = world.kafka();
    for (index, (reason, record)) in poison.iter().enumerate() {
        let place = placed[2 * index];
        let id = format!("{}/{}/{}", kafka.topics.user_data, place.partition, place.offset);
        let letter =
            letters.iter().find(|letter| letter.headers.text(headers::DLQ_ID) == Some(&id)).expect("its letter");
        assert_eq!(letter.headers.text(headers::DLQ_REASON), Some(*reason), "poison {index}");
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value), "the exact bytes of poison {index}");
        assert_eq!(letter.headers.text(headers::DLQ_SOURCE_OFFSET), Some(&*place.offset.to_string()));
        let original: Vec<_> = records[2 * index].headers.iter().collect();
        let kept: Vec<_> = letter.headers.iter().take(original.len()).collect();
        assert_eq!(kept, original, "the original headers first, in order");
    }
    assert_eq!(processor.metric("sluice_processor_records_total{outcome=\"dead_lettered\"}"), poison.len() as f64);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_flat_record_of_an_older_pipeline_arrives_with_and_without_a_key() {
    let world = World::new("flat").await;
    let flats = recorded_flat();
    let records = flats.iter().enumerate().map(|(index, flat)| {
        let key = if index % 2 == 0 { None } else { flat["id"].as_str() };
        flat_record(&world, key, flat)
    });
    let placed = world.publish(records.collect()).await;
    let processor = world.processor();
    let rows = world.wait_for_rows(flats.len()).await;
    for (flat, place) in flats.iter().zip(placed) {
        let row = &rows[flat["id"].as_str().expect("an id")];
        for (field, value) in flat.as_object().expect("an object") {
            assert_eq!(row[field].as_deref(), value.as_str(), "{field}");
        }
        assert_eq!(row["schema_id"].as_deref(), Some("flat"));
        assert_eq!(row["run_id"], None);
        let source = format!("{}/{}/{}", world.kafka().topics.user_data, place.partition, place.offset);
        assert_eq!(row["source"].as_deref(), Some(&*source));
    }
    assert!(world.dead_letters().await.is_empty());
    assert_eq!(processor.stop().await, Exit::Done);
}
