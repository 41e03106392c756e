//! Partitions change hands in the worst moment: work of an older assignment neither settles nor commits (I5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use end_to_end::{Load, Process, World, wait_for};
use kafka::{GroupConsumer, Limits, Options, Work};
use local_stack::Node;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::with_short_session;

/// A member that takes partitions and settles nothing.
fn idle_member(world: &World) -> (GroupConsumer, UnboundedReceiver<Vec<Work>>) {
    let kafka = world.kafka();
    let options = Options {
        client_id: "idle-member".to_owned(),
        sibling: None,
        topics: vec![kafka.topics.user_data.clone()],
        limits: Limits { records: 1_000, bytes: 1 << 20 },
        commit_interval: Duration::from_secs(1),
        drain: Duration::from_secs(1),
    };
    let (queue, taken) = unbounded_channel();
    (GroupConsumer::spawn(&kafka, options, queue).expect("a member"), taken)
}

#[tokio::test]
async fn a_revoke_mid_batch_loses_nothing_although_the_batch_is_late() {
    let (world, servers) = World::alone("revoke").await;
    let world = with_short_session(&world);
    let mut load = Load::published(&world, 100).await;
    // A drain of less than two seconds, and requests for everything that is published.
    let processor = world.with("SHUTDOWN_TIMEOUT_SECONDS", "2").with("CASSANDRA_MAX_IN_FLIGHT", "128");
    let processor = processor.process("stream-processor");
    world.wait_until_consumed().await;
    servers.cassandra(Node::pause).await;
    load.publish(&world, 1_000).await;
    processor.wait_for_in_flight().await;
    let (member, mut taken) = idle_member(&world);
    processor.wait_for_log("partitions given back").await;
    assert!(processor.log().contains("\"drained\":false"), "the batch did not come to rest in time");
    taken.recv().await.expect("a record of the partition that was given back");
    // The batch is acknowledged now, for an assignment that is over.
    servers.cassandra(Node::resume).await;
    wait_for("a late report", async || {
        let late = processor.metric("sluice_processor_late_settlements_total").await;
        if late > 0.0 { Ok(()) } else { Err(late) }
    })
    .await;
    let committed = world.committed_records().await;
    assert!(committed < load.records(), "what the idle member holds is not committed");
    member.stop();
    drop(taken);
    tokio::task::spawn_blocking(|| member.join()).await.expect("the wait").expect("an orderly end");
    world.wait_until_consumed().await;
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}

/// Waits until the processor holds partitions and everybody together has written more.
async fn wait_for_its_share(world: &World, processor: &Process) {
    wait_for("partitions of its own", async || {
        let assigned = processor.metric("sluice_processor_rebalances_total{kind=\"assigned\"}").await;
        if assigned > 0.0 { Ok(()) } else { Err(processor.log()) }
    })
    .await;
    wait_for_progress(world).await;
}

async fn wait_for_progress(world: &World) {
    let rows = world.rows().await.len();
    world.wait_for_at_least(rows + 100).await;
}

#[tokio::test]
async fn three_processors_that_join_and_leave_under_load_lose_nothing() {
    let world = with_short_session(&World::new("three").await);
    let under_load = Arc::new(AtomicBool::new(true));
    let publishing = tokio::spawn({
        let (world, under_load) = (world.clone(), Arc::clone(&under_load));
        async move {
            let mut load = Load::default();
            while under_load.load(Ordering::Relaxed) {
                load.publish(&world, 50).await;
            }
            load
        }
    });
    let first = world.process("stream-processor");
    wait_for_its_share(&world, &first).await;
    let second = world.process("stream-processor");
    wait_for_its_share(&world, &second).await;
    let third = world.process("stream-processor");
    wait_for_its_share(&world, &third).await;
    assert_eq!(first.terminate().await.code(), Some(0));
    wait_for_progress(&world).await;
    second.kill().await;
    wait_for_progress(&world).await;
    let fourth = world.process("stream-processor");
    wait_for_its_share(&world, &fourth).await;
    third.kill().await;
    let fifth = world.process("stream-processor");
    assert_eq!(fourth.terminate().await.code(), Some(0));
    wait_for_its_share(&world, &fifth).await;
    under_load.store(false, Ordering::Relaxed);
    let load = publishing.await.expect("the load");
    assert_eq!(world.wait_until_consumed().await, load.records());
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(fifth.terminate().await.code(), Some(0));
}
