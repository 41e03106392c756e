//! SIGKILL of the processor: what was settled and not committed is read again, and nothing else.

use end_to_end::{Load, Process, World};
use local_stack::Node;

use crate::{slowly, with_short_session};

/// What a crash cost: records that were at their destination and not committed.
struct Cost {
    committed: usize,
    redelivered: usize,
}

/// Kills the processor and counts from outside, after its end.
async fn kill(world: &World, processor: Process) -> Cost {
    processor.kill().await;
    let census = world.census().await;
    let committed = world.committed_records().await;
    Cost { committed, redelivered: census.table.len() + census.dead.len() - committed }
}

/// A processor after the last crash settles what was not committed, each record once.
async fn finish(world: &World, load: &Load, committed: usize) {
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    assert_eq!(processor.settled().await, load.records() - committed, "what was committed does not come again");
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_processor_killed_mid_batch_loses_nothing() {
    let (world, servers) = World::alone("mid_batch").await;
    let world = slowly(&world);
    let load = Load::published(&world, 2_000).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(200).await;
    servers.cassandra(Node::pause).await;
    processor.wait_for_in_flight().await;
    processor.kill().await;
    servers.cassandra(Node::resume).await;
    let committed = world.committed_records().await;
    assert!(committed < load.records(), "it was killed in the middle");
    finish(&world, &load, committed).await;
}

#[tokio::test]
async fn a_processor_killed_between_write_and_commit_writes_the_same_rows_again() {
    let world = with_short_session(&World::new("uncommitted").await);
    let load = Load::published(&world, 500).await;
    let processor = world.with("COMMIT_INTERVAL_MS", "600000").process("stream-processor");
    let rows = world.wait_for_rows(load.written.len()).await;
    let cost = kill(&world, processor).await;
    assert_eq!(cost.committed, 0, "all is written and nothing is committed");
    finish(&world, &load, 0).await;
    assert_eq!(world.rows().await, rows, "the same rows");
}

#[tokio::test]
async fn sigkill_at_any_point_redelivers_what_was_not_committed_and_that_is_little() {
    const BUDGET: usize = 100;
    let world = slowly(&World::new("bound").await).with("PIPELINE_BUDGET_RECORDS", BUDGET.to_string());
    let load = Load::published(&world, 2_500).await;
    let mut committed = 0;
    for least in [300, 900, 1_600] {
        let processor = world.process("stream-processor");
        world.wait_for_at_least(least).await;
        let cost = kill(&world, processor).await;
        // A commit is due at half a budget and another whole one is open; what settles while the commit is under way depends
        // on how busy the machine is.
        assert!(cost.redelivered <= 5 * BUDGET, "{} are redelivered", cost.redelivered);
        println!("killed after {least} rows: {} records are redelivered", cost.redelivered);
        committed = cost.committed;
    }
    finish(&world, &load, committed).await;
}

#[tokio::test]
async fn sigterm_under_load_redelivers_nothing() {
    let world = slowly(&World::new("drained").await);
    let load = Load::published(&world, 1_500).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(300).await;
    assert_eq!(processor.terminate().await.code(), Some(0));
    let census = world.census().await;
    let committed = world.committed_records().await;
    assert!(committed < load.records(), "it was ended in the middle");
    assert_eq!(committed, census.table.len() + census.dead.len(), "all that is settled is committed");
    finish(&world, &load, committed).await;
    world.census().await.assert_places(&load.written, &load.dead);
}
