//! A deploy that finds everything poison stops the line instead of moving the topic into the DLQ.

use std::collections::BTreeSet;

use end_to_end::{Process, World, user_record, wait_for};
use schema::record::{Headers, NewRecord};
use serde_json::Value;
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;
const STOPPED: &str = "sluice_processor_flood_stopped";

fn poison(world: &World, count: usize) -> Vec<NewRecord> {
    (0..count)
        .map(|index| {
            let mut record = world.record(Some(&format!("poison {index}")), Some(b"no json"), Headers::new());
            record.partition = Some(0);
            record
        })
        .collect()
}

fn healthy(world: &World, count: usize) -> (Vec<NewRecord>, BTreeSet<String>) {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    let record = |id: &Uuid| {
        let mut record = user_record(world, *id, VERSION, |_, _| {});
        record.partition = Some(0);
        record
    };
    (ids.iter().map(record).collect(), ids.iter().map(Uuid::to_string).collect())
}

async fn paused(processor: &Process) -> Vec<String> {
    let (_, body) = processor.get("/v1/progress").await.expect("the progress");
    let progress: Value = serde_json::from_str(&body).expect("JSON");
    let partitions = progress["partitions"].as_array().expect("partitions");
    partitions.iter().filter_map(|partition| partition["paused"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_flood_of_poison_stops_the_line_with_its_cause_and_a_mended_deploy_goes_on() {
    let world = World::new("flood").await;
    let limited = world.with("PIPELINE_POISON_RUN", "20");
    let (good, written) = healthy(&world, 30);
    world.publish(poison(&world, 100)).await;
    world.publish(good).await;
    let processor = limited.process("stream-processor");
    processor.wait_until_not_ready("poison flood", "PIPELINE_POISON_RUN=0").await;
    wait_for("every partition says why it stands", async || {
        let causes = paused(&processor).await;
        let named = causes.iter().filter(|cause| cause.contains("20 records in a row were poison")).count();
        if named == 3 { Ok(()) } else { Err(causes) }
    })
    .await;
    assert_eq!(processor.metric(STOPPED).await, 1.0);
    assert_eq!(world.dead_letters().await.len(), 20, "exactly the bound, and nothing is decided any more");
    assert_eq!(processor.get("/livez").await.expect("an answer").0, 200, "it stands on purpose");
    assert_eq!(processor.terminate().await.code(), Some(0), "what waits is let go of");
    let mended = world.with("PIPELINE_POISON_RUN", "0").with("PIPELINE_POISON_RATIO", "1").processor();
    world.wait_until_consumed().await;
    let dead = (0..100).map(|index| format!("poison {index}")).collect();
    // What was dead-lettered ahead of a record that waited for its turn is read again, and has a second letter of its id.
    world.census().await.assert_places_after_redelivery(&written, &dead);
    assert_eq!(mended.metric(STOPPED), 0.0);
    assert_eq!(mended.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_line_that_stands_goes_on_when_it_is_asked_to() {
    let world = World::new("resume").await.with("PIPELINE_POISON_WINDOW", "30").with("PIPELINE_POISON_RATIO", "0.5");
    world.publish(poison(&world, 25)).await;
    let processor = world.process("stream-processor");
    processor.wait_until_not_ready("poison flood", "/v1/resume").await;
    assert_eq!(world.dead_letters().await.len(), 15, "half of the window");
    let resumed = processor.post("/v1/resume").await.expect("an answer");
    assert_eq!(resumed, (200, "{\"resumed\":true}".to_owned()));
    world.wait_until_consumed().await;
    processor.wait_until_ready().await;
    assert_eq!(world.dead_letters().await.len(), 25, "each once");
    assert_eq!(processor.post("/v1/resume").await.expect("an answer"), (200, "{\"resumed\":false}".to_owned()));
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn what_an_operator_replays_does_not_stop_the_line() {
    let world = World::new("replayed").await.with("PIPELINE_POISON_RUN", "3");
    let mut records = poison(&world, 50);
    for record in &mut records {
        record.headers.push("replay.id", "job");
        record.headers.push("replay.count", "1");
    }
    world.publish(records).await;
    let processor = world.processor();
    world.wait_until_consumed().await;
    assert_eq!(world.dead_letters().await.len(), 50);
    assert!(processor.health().ready);
    assert_eq!(processor.stop().await, Exit::Done);
}
