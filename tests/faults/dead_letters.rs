//! The DLQ is missing, or does not take a dead letter: the line waits, says why and loses nothing (I2).

use std::collections::BTreeSet;

use end_to_end::{Load, World};
use schema::record::Headers;
use schema::topics::{self, TopicSpec};
use uuid::Uuid;

#[tokio::test]
async fn a_dlq_that_is_missing_is_named_and_used_once_it_is_there() {
    let world = World::new("dlq_missing").await;
    let late = format!("{}_late", world.kafka().topics.dlq);
    let world = world.with("KAFKA_TOPIC_DLQ", &late);
    let load = Load::published(&world, 300).await;
    let processor = world.process("stream-processor");
    processor.wait_until_not_ready(&late, "--create --topic").await;
    assert_eq!(world.committed_records().await, 0, "nothing is passed over");
    world.create_topics().await;
    world.wait_until_consumed().await;
    processor.wait_until_ready().await;
    world.census().await.assert_places(&load.written, &load.dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}

/// A DLQ with a limit below that of the records, made beside the right one.
async fn small_dlq(world: &World) -> String {
    let small = format!("{}_small", world.kafka().topics.dlq);
    let spec = TopicSpec { config: &[("max.message.bytes", "5000")], partitions: 3, ..topics::USER_DATA_DLQ };
    world.admin().create_topics(&[(&small, spec)], 1).await.expect("a topic with a limit below the records'");
    small
}

/// No JSON, and above that limit when it is compressed, too.
fn noise() -> String {
    (0..1_000).map(|_| Uuid::new_v4().to_string()).collect()
}

#[tokio::test]
async fn a_dead_letter_too_large_for_its_topic_waits_until_the_topic_takes_it() {
    let world = World::new("dlq_small").await;
    let small = small_dlq(&world).await;
    let mut load = Load::published(&world, 100).await;
    let noise = noise();
    world.publish(vec![world.record(Some("large"), Some(noise.as_bytes()), Headers::new())]).await;
    load.dead.insert("large".to_owned());
    let processor = world.with("KAFKA_TOPIC_DLQ", &small).process("stream-processor");
    processor.wait_until_not_ready("larger than the topic takes", "max.message.bytes").await;
    world.wait_for_rows(load.written.len()).await;
    let committed = world.committed_records().await;
    assert!(committed < load.records(), "the record whose dead letter waits is not passed over");
    processor.kill().await;
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    let letters = world.dead_letters().await;
    let large = letters.iter().find(|letter| letter.key.as_deref() == Some(b"large")).expect("its dead letter");
    assert_eq!(large.value.as_deref(), Some(noise.as_bytes()), "the exact bytes");
    assert_eq!(world.rows().await.len(), load.written.len());
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn dead_letters_that_wait_do_not_hold_back_the_rows_behind_them() {
    let world = World::new("dlq_waits").await;
    let small = small_dlq(&world).await;
    // Ahead of everything else, for the only worker.
    let large: BTreeSet<String> = (0..30).map(|number| format!("large-{number}")).collect();
    let noise = noise();
    world
        .publish(large.iter().map(|key| world.record(Some(key), Some(noise.as_bytes()), Headers::new())).collect())
        .await;
    let load = Load::published(&world, 300).await;
    let alone = world.with("KAFKA_TOPIC_DLQ", &small).with("CASSANDRA_MAX_IN_FLIGHT", "1");
    let processor = alone.process("stream-processor");
    world.wait_for_rows(load.written.len()).await;
    assert_eq!(world.committed_records().await, 0, "every partition begins with records whose dead letters wait");
    processor.wait_until_not_ready("larger than the topic takes", "max.message.bytes").await;
    assert_eq!(processor.terminate().await.code(), Some(0), "what waits is let go of");
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    let dead = load.dead.union(&large).cloned().collect();
    world.census().await.assert_places(&load.written, &dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_record_that_fits_its_topic_only_when_compressed_has_a_dead_letter_that_does_too() {
    let world = World::new("compressed").await;
    let value = vec![b'x'; 3 << 20];
    world.publish(vec![world.record(Some("compressed"), Some(&value), Headers::new())]).await;
    let processor = world.process("stream-processor");
    assert_eq!(world.wait_until_consumed().await, 1);
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].value.as_deref() == Some(&value), "the exact bytes");
    assert_eq!(processor.terminate().await.code(), Some(0));
}
