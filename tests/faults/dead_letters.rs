//! The DLQ is missing, or does not take a dead letter: the line waits, says why and loses nothing (I2).

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

#[tokio::test]
async fn a_dead_letter_too_large_for_its_topic_waits_until_the_topic_takes_it() {
    let world = World::new("dlq_small").await;
    let dlq = world.kafka().topics.dlq;
    let small = format!("{dlq}_small");
    let spec = TopicSpec { config: &[("max.message.bytes", "5000")], partitions: 3, ..topics::USER_DATA_DLQ };
    world.admin().create_topics(&[(&small, spec)], 1).await.expect("a topic with a limit below the records'");
    let mut load = Load::published(&world, 100).await;
    let noise: String = (0..1_000).map(|_| Uuid::new_v4().to_string()).collect();
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
