//! A replay that is killed, or whose broker is: each dead letter is on `user_data` exactly once in the end.

use std::time::Duration;

use end_to_end::{World, wait_for};
use service::Exit;

use crate::replay::{replayer, states};
use crate::replay_jobs::{act, healthy, replayed, sorted};

const SLOWLY: [&str; 8] = ["replay", "--why", "a test", "--yes", "--output", "json", "--rate", "20"];

/// Runs the same replay again and again, each killed after a second and a little more each time, because a busy machine takes
/// that long to start one; until one has nothing left to do. How many were killed.
pub(crate) async fn killed_every_second(world: &World, replay: &[&str]) -> u32 {
    let mut killed = 0;
    loop {
        assert!(killed < 60, "a replay that is killed gets on");
        let life = Duration::from_secs(1) + killed * Duration::from_millis(50);
        let job = world.process_with("dlq-replayer", replay);
        let ended = tokio::time::timeout(life, async {
            while !job.is_finished() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if ended.await.is_ok() {
            let log = job.log();
            assert_eq!(job.end().await.code(), Some(0), "{log}");
            return killed;
        }
        job.kill().await;
        killed += 1;
    }
}

#[tokio::test]
async fn a_replay_that_is_killed_every_second_brings_each_letter_home_once() {
    let world = World::new("killed").await;
    let processor = world.processor();
    let ids = healthy(&world, 0..150).await;
    let killed = killed_every_second(&world, &SLOWLY).await;
    assert!(killed > 1, "it was killed at work");
    assert_eq!(replayed(&world).await, sorted(ids), "each once");
    world.wait_for_rows(150).await;
    let now = states(&world).await;
    assert_eq!(now["unresolved"], 0, "{now}");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_replay_that_is_told_to_end_says_what_is_left_and_the_next_one_goes_on() {
    let world = World::new("told_to_end").await;
    let processor = world.processor();
    let ids = healthy(&world, 0..100).await;
    let job = world.process_with("dlq-replayer", &SLOWLY);
    wait_for("the job at work", async || {
        let sent = replayed(&world).await.len();
        if sent > 0 { Ok(()) } else { Err(job.log()) }
    })
    .await;
    job.ask_to_end();
    job.wait_for_log("\"left\":").await;
    let log = job.log();
    assert_eq!(job.end().await.code(), Some(2), "{log}");
    let told = log.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["left"].as_u64());
    let sent = replayed(&world).await.len() as u64;
    assert_eq!(told, Some(100 - sent), "{log}");
    let (code, report) = act(&world, &["replay"]).await;
    assert_eq!((code, &report["selected"]), (Some(0), &(100 - sent).into()), "{report}");
    assert_eq!(replayed(&world).await, sorted(ids), "each once");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_broker_that_dies_in_the_middle_of_a_replay_loses_and_repeats_nothing() {
    let (world, servers) = World::alone("broker_dies").await;
    let processor = world.processor();
    let ids = healthy(&world, 0..100).await;
    let job = world.process_with("dlq-replayer", &SLOWLY);
    wait_for("the job at work", async || {
        let sent = replayed(&world).await.len();
        if sent > 0 { Ok(()) } else { Err(job.log()) }
    })
    .await;
    servers.kafka(local_stack::Node::kill).await;
    servers.kafka(local_stack::Node::start).await;
    let log = wait_for("its end", async || if job.is_finished() { Ok(job.log()) } else { Err(job.log()) }).await;
    let code = job.end().await.code();
    assert!(matches!(code, Some(0..=2)), "{log}");
    let (again, report) = act(&world, &["replay"]).await;
    assert_eq!(again, Some(0), "{report}; the first: {log}");
    assert_eq!(replayed(&world).await, sorted(ids), "each once; the first: {log}");
    world.wait_for_rows(100).await;
    let (_, unresolved, _) = replayer(&world, &["ls", "--output", "json"]).await;
    assert!(unresolved.is_empty());
    assert_eq!(processor.stop().await, Exit::Done);
}
