//! Kafka dies and comes back, at every step of the way: the services wait and go on by themselves.

use std::collections::BTreeSet;

use end_to_end::{Load, Process, World, ids, simulator, user_record, wait_for};
use local_stack::Node;
use schema::record::Headers;
use uuid::Uuid;

use crate::slowly;

async fn finish(world: &World, load: &Load, processor: Process) {
    world.wait_until_consumed().await;
    processor.wait_until_ready().await;
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn kafka_restarted_during_produce_costs_no_user_and_doubles_none() {
    const SIZE: u32 = 50;
    let (world, servers) = World::alone("during_produce").await;
    let api = simulator().await;
    let world = world.with("API_BASE_URL", api.url("/api/")).with("API_SEED", "restarta");
    let world = world.with("API_BATCH_SIZE", SIZE.to_string()).with("PRODUCER_INTERVAL_SECONDS", "0.1");
    let producer = world.process("producer");
    let wait_for_pages = async |pages: usize| {
        wait_for(&format!("{pages} pages"), async || {
            let records = world.user_data().await.len();
            if records >= pages * SIZE as usize { Ok(records / SIZE as usize) } else { Err(records) }
        })
        .await
    };
    let before = wait_for_pages(3).await;
    servers.kafka(Node::pause).await;
    // No page is acknowledged any more: it asks for none while one is under way.
    let (mut asked, mut same) = (String::new(), 0);
    wait_for("a page under way", async || {
        let answer = reqwest::get(api.url("/stats")).await.expect("an answer").text().await.expect("text");
        same = if answer == asked { same + 1 } else { 0 };
        asked = answer;
        if same > 20 { Ok(()) } else { Err(asked.clone()) }
    })
    .await;
    servers.kafka(Node::kill).await;
    servers.kafka(Node::start).await;
    wait_for_pages(before + 5).await;
    assert_eq!(producer.terminate().await.code(), Some(0));
    let processor = world.process("stream-processor");
    let records = world.wait_until_consumed().await;
    let pages = u32::try_from(records).expect("some pages").div_ceil(SIZE);
    let written: BTreeSet<String> = ids("restarta", 1..=pages, SIZE).into_iter().collect();
    assert_eq!(records, written.len(), "every user of every page once");
    world.census().await.assert_places(&written, &BTreeSet::new());
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn kafka_restarted_during_consume_is_named_and_taken_up_by_itself() {
    let (world, servers) = World::alone("during_consume").await;
    let world = slowly(&world).with("PIPELINE_BUDGET_RECORDS", "50");
    let load = Load::published(&world, 2_000).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(200).await;
    servers.kafka(Node::kill).await;
    processor.wait_until_not_ready("kafka", "broker").await;
    servers.kafka(Node::start).await;
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn kafka_restarted_during_a_commit_moves_no_offset_ahead() {
    let (world, servers) = World::alone("during_commit").await;
    let world = slowly(&world);
    let load = Load::published(&world, 2_000).await;
    let processor = world.process("stream-processor");
    world.wait_for_at_least(200).await;
    servers.kafka(Node::pause).await;
    // What is written from here on is due for a commit that nobody answers.
    let rows = world.rows().await.len();
    world.wait_for_at_least(rows + 20).await;
    servers.kafka(Node::kill).await;
    servers.kafka(Node::start).await;
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn kafka_restarted_during_a_send_to_the_dlq_loses_no_dead_letter() {
    let (world, servers) = World::alone("during_dlq").await;
    let mut load = Load::published(&world, 100).await;
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    // Rows and poison are taken, the rows wait for Cassandra and the poison behind them.
    servers.cassandra(Node::pause).await;
    let mut records = Vec::new();
    for number in 0..200 {
        let (poison, id) = (format!("behind-{number}"), Uuid::new_v4());
        records.push(user_record(&world, id, 1_790_000_000_000_000, |_, _| {}));
        records.push(world.record(Some(&poison), Some(b"{"), Headers::new()));
        load.written.insert(id.to_string());
        load.dead.insert(poison);
    }
    world.publish(records).await;
    processor.wait_for_in_flight().await;
    servers.kafka(Node::pause).await;
    servers.cassandra(Node::resume).await;
    // Rows that arrive now have poison behind them, whose dead letters nobody acknowledges.
    world.wait_for_at_least(load.written.len() - 200 + 1).await;
    servers.kafka(Node::kill).await;
    servers.kafka(Node::start).await;
    finish(&world, &load, processor).await;
}
