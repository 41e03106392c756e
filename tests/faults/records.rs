//! Records that are hard to take: each ends in its place and the ones behind it go on.

use std::collections::BTreeSet;

use end_to_end::{World, user_record};
use kafka::TransactionalProducer;
use schema::record::{Headers, NewRecord};
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

fn healthy(world: &World) -> (String, NewRecord) {
    let id = Uuid::new_v4();
    (id.to_string(), user_record(world, id, VERSION, |_, _| {}))
}

fn on_partition(record: NewRecord, partition: i32) -> NewRecord {
    NewRecord { partition: Some(partition), ..record }
}

#[tokio::test]
async fn poison_as_the_very_first_record_of_every_partition_does_not_stop_it() {
    let world = World::new("first").await;
    let (mut written, mut dead, mut records) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for partition in 0..3 {
        let poison = format!("poison-{partition}");
        records.push(on_partition(world.record(Some(&poison), Some(b"{"), Headers::new()), partition));
        dead.insert(poison);
        let (id, record) = healthy(&world);
        records.push(on_partition(record, partition));
        written.insert(id);
    }
    world.publish(records).await;
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 6);
    world.census().await.assert_places(&written, &dead);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_record_larger_than_the_whole_budget_passes_and_so_do_the_ones_behind_it() {
    let world = World::new("large").await.with("PIPELINE_BUDGET_BYTES", "1000").with("PIPELINE_BUDGET_RECORDS", "2");
    let (mut written, mut dead, mut records) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for number in 0..10 {
        let large = format!("large-{number}");
        records.push(on_partition(world.record(Some(&large), Some(&vec![b'x'; 900 << 10]), Headers::new()), 0));
        dead.insert(large);
        let (id, record) = healthy(&world);
        records.push(on_partition(record, 0));
        written.insert(id);
    }
    world.publish(records).await;
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 20);
    world.census().await.assert_places(&written, &dead);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_version_in_the_future_is_dead_lettered_and_does_not_freeze_its_row() {
    let world = World::new("future").await;
    let id = Uuid::new_v4();
    let ahead = chrono::Utc::now().timestamp_micros() + 3_600_000_000;
    let version = |micros: i64, city: &str| {
        let city = city.to_owned();
        user_record(&world, id, micros, move |value, _| value["city"] = city.into())
    };
    let records = [version(VERSION, "old"), version(ahead, "future"), version(VERSION + 1, "new")];
    world.publish(records.map(|record| on_partition(record, 0)).into()).await;
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 3);
    assert_eq!(world.rows().await[&id.to_string()]["city"].as_deref(), Some("new"));
    let census = world.census().await;
    assert_eq!(census.dead[&id.to_string()], ["timestamp_in_future"]);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn offsets_of_aborted_transactions_hold_nothing_back_and_their_records_do_not_arrive() {
    // Not compressed, so that the topic refuses what it is to refuse.
    let world = World::new("aborted").await.with("KAFKA_COMPRESSION", "none");
    let producer = TransactionalProducer::new(&world.kafka(), "test", "aborted").await.expect("a producer");
    let mut written = BTreeSet::new();
    for _ in 0..5 {
        // The first is stored, the second refused, and both are aborted.
        let (_, unseen) = healthy(&world);
        let refused = on_partition(world.record(Some("refused"), Some(&vec![b'x'; 1_080_000]), Headers::new()), 1);
        producer.publish(&[on_partition(unseen, 0), refused]).await.expect_err("the second is too large for the topic");
        let (id, record) = healthy(&world);
        producer.publish(&[on_partition(record, 0)]).await.expect("stored");
        written.insert(id);
    }
    let offsets: Vec<i64> = world.user_data().await.iter().map(|record| record.offset).collect();
    assert!(offsets.windows(2).any(|pair| pair[1] - pair[0] > 2), "more between them than a marker: {offsets:?}");
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 5);
    world.census().await.assert_places(&written, &BTreeSet::new());
    assert_eq!(processor.stop().await, Exit::Done);
}
