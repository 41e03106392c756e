//! The disk of Kafka is full: with the first append that fails its only log directory counts as failed, and the broker ends.
//! It takes up its log when it is started with room again.

use end_to_end::{Load, World, wait_for};
use service::Exit;

#[tokio::test]
async fn a_kafka_whose_disk_is_full_takes_no_record_and_loses_none() {
    let (world, servers) = World::alone("disk").await;
    let processor = world.processor();
    let mut load = Load::published(&world, 500).await;
    world.wait_until_consumed().await;
    servers.kafka(|kafka| kafka.fill_disk(true)).await;
    let publishing = tokio::spawn({
        let world = world.clone();
        async move {
            load.publish(&world, 500).await;
            load
        }
    });
    wait_for("kafka gives up", async || {
        let pid = end_to_end::stack().kafka().pid();
        if pid.is_none() { Ok(()) } else { Err(pid) }
    })
    .await;
    servers.kafka(local_stack::Node::start).await;
    let load = publishing.await.expect("published");
    assert_eq!(world.wait_until_consumed().await, load.records());
    world.census().await.assert_places(&load.written, &load.dead);
    assert_eq!(processor.stop().await, Exit::Done);
}
