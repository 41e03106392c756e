//! Cassandra goes away and comes back: the line waits, keeps its membership and goes on by itself (I4).

use std::time::{Duration, Instant};

use end_to_end::{Load, Process, World};
use local_stack::Node;

use crate::{slowly, with_short_session};

/// How long a processor may not poll before it loses its partitions; five minutes outside of tests.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(6);

fn with_short_poll_interval(world: &World) -> World {
    let properties = format!("max.poll.interval.ms={}", MAX_POLL_INTERVAL.as_millis());
    with_short_session(world).with("KAFKA_CLIENT_PROPERTIES", properties)
}

/// Goes on publishing until the outage has lasted for `length`: the backlog grows far beyond the budget.
async fn publish_during(length: Duration, world: &World, load: &mut Load) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        load.publish(world, 20).await;
    }
}

/// Everything is settled once, in its place, by a processor that never left its group.
async fn finish(world: &World, load: &Load, processor: Process) {
    world.wait_until_consumed().await;
    processor.wait_until_ready().await;
    assert_eq!(processor.settled().await, load.records(), "each record was settled once");
    world.census().await.assert_places(&load.written, &load.dead);
    for (kind, partitions) in [("assigned", 3.0), ("revoked", 0.0), ("lost", 0.0)] {
        let series = format!("sluice_processor_rebalances_total{{kind=\"{kind}\"}}");
        assert_eq!(processor.metric(&series).await, partitions, "{kind}");
    }
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_cassandra_that_is_paused_beyond_the_session_time_out_costs_nothing() {
    let (world, servers) = World::alone("paused").await;
    let world = with_short_poll_interval(&world).with("PIPELINE_BUDGET_RECORDS", "100");
    let mut load = Load::published(&world, 300).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(50).await;
    servers.cassandra(Node::pause).await;
    publish_during(Duration::from_secs(5), &world, &mut load).await;
    servers.cassandra(Node::resume).await;
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn a_cassandra_that_is_paused_beyond_the_poll_interval_stops_the_line_and_keeps_its_membership() {
    let (world, servers) = World::alone("paused_long").await;
    let world = with_short_poll_interval(&world).with("PIPELINE_BUDGET_RECORDS", "100");
    let mut load = Load::published(&world, 300).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(50).await;
    servers.cassandra(Node::pause).await;
    publish_during(2 * MAX_POLL_INTERVAL, &world, &mut load).await;
    processor.wait_until_not_ready("cassandra", "bring Cassandra back").await;
    servers.cassandra(Node::resume).await;
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn a_cassandra_that_is_killed_and_started_again_under_load_is_taken_up_by_itself() {
    let (world, servers) = World::alone("cassandra_killed").await;
    let world = slowly(&world);
    let load = Load::published(&world, 2_000).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(200).await;
    servers.cassandra(Node::kill).await;
    processor.wait_until_not_ready("cassandra", "bring Cassandra back").await;
    servers.cassandra(Node::start).await;
    finish(&world, &load, processor).await;
}
