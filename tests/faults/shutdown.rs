//! An end that is asked for while a dependency does not answer.

use end_to_end::{Load, World};
use local_stack::Node;

use crate::slowly;

#[tokio::test]
async fn a_second_sigterm_during_the_drain_ends_with_75_and_loses_nothing() {
    let (world, servers) = World::alone("cut").await;
    let world = slowly(&world);
    let load = Load::published(&world, 1_000).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(100).await;
    servers.cassandra(Node::pause).await;
    processor.wait_for_in_flight().await;
    processor.ask_to_end();
    processor.wait_for_log("draining").await;
    assert!(!processor.is_finished(), "it drains");
    processor.ask_to_end();
    assert_eq!(processor.end().await.code(), Some(75));
    servers.cassandra(Node::resume).await;
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_drain_beyond_its_deadline_ends_with_75_and_loses_nothing() {
    let (world, servers) = World::alone("deadline").await;
    let world = slowly(&world);
    let load = Load::published(&world, 1_000).await;
    let processor = world.with("SHUTDOWN_TIMEOUT_SECONDS", "1").process("stream-processor");
    world.wait_for_at_least(100).await;
    servers.cassandra(Node::pause).await;
    processor.wait_for_in_flight().await;
    assert_eq!(processor.terminate().await.code(), Some(75));
    servers.cassandra(Node::resume).await;
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}
