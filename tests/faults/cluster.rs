//! Three brokers, every partition on all of them: the one that leads is killed under load, again and again.

use std::sync::Arc;

use end_to_end::{World, artifacts, data_folder, simulator, wait_for};
use local_stack::{Cluster, ClusterOptions, PartitionState};
use schema::topics::TopicSpec;
use service::Exit;

use crate::users::{of_pages, on_topic};
use crate::with_short_session;

const SIZE: u32 = 20;

/// Does what blocks.
async fn on<T: Send + 'static>(cluster: &Arc<Cluster>, act: impl FnOnce(&Cluster) -> T + Send + 'static) -> T {
    let cluster = Arc::clone(cluster);
    tokio::task::spawn_blocking(move || act(&cluster)).await.expect("the act")
}

/// The partitions of a topic once every replica has all of each.
async fn in_sync(cluster: &Arc<Cluster>, topic: &str) -> Vec<PartitionState> {
    wait_for("every replica in sync", async || {
        let topic = topic.to_owned();
        let partitions =
            on(cluster, move |cluster| cluster.partitions(&topic)).await.map_err(|error| error.to_string())?;
        let whole = partitions.iter().all(|partition| partition.leader.is_some() && partition.in_sync == 3);
        if whole && !partitions.is_empty() { Ok(partitions) } else { Err(format!("{partitions:?}")) }
    })
    .await
}

#[tokio::test]
async fn leaders_killed_under_load_again_and_again_cost_neither_producer_nor_processor_a_record() {
    let world = World::without_topics_and_table("cluster").await;
    world.create_table().await;
    let start = || {
        let mut options = ClusterOptions::new(data_folder("cluster"));
        options.properties.push(("group.min.session.timeout.ms".to_owned(), "1000".to_owned()));
        Cluster::start(&options, artifacts()).expect("three brokers")
    };
    let cluster = Arc::new(tokio::task::spawn_blocking(start).await.expect("the start"));
    let world = with_short_session(&world.with("KAFKA_BOOTSTRAP_SERVERS", cluster.bootstrap_servers()));
    let topics = world.kafka().topics;
    let specs = topics.specs().map(|(name, spec)| (name, TopicSpec { partitions: 3, ..spec }));
    world.admin().create_topics(&specs, 3).await.expect("topics");
    let api = simulator().await;
    let processor = world.processor();
    let producer = world
        .with("PRODUCER_INTERVAL_SECONDS", "0.2")
        .with("API_SEED", "clustera")
        .with("API_BATCH_SIZE", SIZE.to_string())
        .producer(&api.url("/api/"));
    for round in 0..4 {
        let partitions = in_sync(&cluster, &topics.user_data).await;
        let leader = partitions[round % partitions.len()].leader.expect("a leader");
        let rows = world.rows().await.len();
        on(&cluster, move |cluster| cluster.brokers()[leader].kill()).await.expect("killed");
        world.wait_for_at_least(rows + 5 * SIZE as usize).await;
        on(&cluster, move |cluster| cluster.brokers()[leader].start()).await.expect("started again");
    }
    assert_eq!(producer.stop().await, Exit::Done);
    world.wait_until_consumed().await;
    let users = on_topic(&world).await;
    assert_eq!(users, of_pages("clustera", users.len(), SIZE), "every user of every page once");
    world.census().await.assert_places(&users.into_iter().collect(), &[].into());
    assert_eq!(processor.stop().await, Exit::Done);
    on(&cluster, Cluster::stop).await.expect("an orderly end");
}
