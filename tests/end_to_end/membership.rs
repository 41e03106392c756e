//! Membership of the group: protocols, and what a rebalance or an outage may cost.

use std::collections::BTreeSet;

use end_to_end::{World, artifacts, user_record, wait_for};
use local_stack::{Node, Profile, Stack, StackOptions};
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

async fn publish(world: &World, count: usize) -> BTreeSet<String> {
    let ids: BTreeSet<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    world.publish(ids.iter().map(|id| user_record(world, *id, VERSION, |_, _| {})).collect()).await;
    ids.iter().map(Uuid::to_string).collect()
}

#[tokio::test]
async fn the_newer_group_protocol_carries_records_and_hands_partitions_over() {
    let world = World::new("newer").await.with("KAFKA_GROUP_PROTOCOL", "consumer");
    let first = world.processor();
    let mut ids = publish(&world, 200).await;
    world.wait_for_rows(ids.len()).await;
    let second = world.processor();
    wait_for("the second has partitions", async || {
        let count = second.metric("sluice_processor_rebalances_total{kind=\"assigned\"}");
        if count >= 1.0 { Ok(()) } else { Err(count) }
    })
    .await;
    ids.extend(publish(&world, 200).await);
    world.wait_until_consumed().await;
    assert_eq!(first.stop().await, Exit::Done);
    assert_eq!(second.stop().await, Exit::Done);
    world.census().await.assert_places(&ids, &BTreeSet::new());
}

/// Its own Kafka: one that was told not to speak the newer protocol.
#[tokio::test]
async fn a_broker_without_the_newer_protocol_is_spoken_to_in_the_older_one() {
    let world = World::new("older").await;
    let stack = tokio::task::spawn_blocking(|| {
        let mut options = StackOptions::new(end_to_end::data_folder("older"), Profile::Test);
        let classic = ("group.coordinator.rebalance.protocols".to_owned(), "classic".to_owned());
        options.kafka_properties.push(classic);
        Stack::start(&options, artifacts()).expect("a Kafka without the newer protocol")
    })
    .await
    .expect("the start");
    let world = world
        .with("KAFKA_BOOTSTRAP_SERVERS", stack.kafka().address().to_string())
        .with("KAFKA_GROUP_PROTOCOL", "consumer");
    world.create_topics().await;
    let processor = world.processor();
    let ids = publish(&world, 20).await;
    world.wait_for_rows(ids.len()).await;
    world.wait_until_consumed().await;
    assert_eq!(processor.stop().await, Exit::Done);
    tokio::task::spawn_blocking(move || stack.stop()).await.expect("the stop").expect("an orderly end");
}

#[tokio::test]
async fn static_members_of_one_process_do_not_fence_each_other() {
    let world = World::new("siblings").await.with("KAFKA_GROUP_INSTANCE_ID", "pod-7").with("PIPELINE_SHARDS", "2");
    let processor = world.processor();
    let ids = publish(&world, 100).await;
    world.wait_for_rows(ids.len()).await;
    world.wait_until_consumed().await;
    assert!(!processor.is_finished(), "a fenced member would have ended the process");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_stop_while_kafka_hangs_ends_in_time_and_loses_nothing() {
    let (world, servers) = World::alone("hanging").await;
    // The only commit is the one of the stop, which nobody answers; the group finds out soon that the member is gone.
    let world = world.with("COMMIT_INTERVAL_MS", "60000").with("KAFKA_SESSION_TIMEOUT_MS", "6000");
    let processor = world.process("stream-processor");
    let mut ids = publish(&world, 100).await;
    world.wait_for_rows(ids.len()).await;
    servers.kafka(Node::pause).await;
    // Not 75: that would be SHUTDOWN_TIMEOUT_SECONDS.
    assert_eq!(processor.terminate().await.code(), Some(0));
    servers.kafka(Node::resume).await;
    ids.extend(publish(&world, 20).await);
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    world.census().await.assert_places(&ids, &BTreeSet::new());
    assert_eq!(processor.terminate().await.code(), Some(0));
}
