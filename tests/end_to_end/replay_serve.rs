//! What `serve` does beside watching: it ends the replays of jobs that do not wait, and replays by itself what may succeed
//! unchanged.

use chrono::{TimeDelta, Utc};
use end_to_end::{World, user_record, wait_for};
use schema::headers;
use schema::reason::Reason;
use schema::record::{NewRecord, Record};
use schema::topics::{TopicSpec, USER_DATA_DLQ};
use serde_json::{Value, json};
use service::Exit;
use uuid::Uuid;

use crate::replay::{replayer, states};
use crate::replay_jobs::{act, broken, dead_letter_of, healthy, replayed};

async fn wait_for_states(world: &World, wanted: &[(&str, u64)]) {
    wait_for(&format!("{wanted:?}"), async || {
        let now = states(world).await;
        if wanted.iter().all(|(state, count)| now[state] == *count) { Ok(()) } else { Err(now) }
    })
    .await;
}

#[tokio::test]
async fn a_job_that_does_not_wait_is_ended_by_serve() {
    let world = World::new("no_wait").await;
    let processor = world.processor();
    let serve = world.process_with("dlq-replayer", &["serve"]);
    healthy(&world, 0..5).await;
    broken(&world, 10..13).await;
    let (code, report) = act(&world, &["replay", "--no-wait"]).await;
    assert_eq!((code, &report["replayed"], &report["not_followed"]), (Some(0), &8.into(), &8.into()), "{report}");
    // What came back is a dead letter of its own, and unresolved.
    let ended = [("confirmed", 5), ("boomeranged", 3), ("replayed", 0), ("unresolved", 3)];
    wait_for_states(&world, &ended).await;
    let is_ending = |record: &Record| {
        let entry: Value = serde_json::from_slice(record.value.as_deref().expect("an entry")).expect("JSON");
        let job = entry["replay_id"] == report["replay_id"];
        (job && entry["state"] != "replayed").then(|| entry["boomerang"].is_string())
    };
    wait_for("an ending of each in the ledger", async || {
        let ledger = world.records(&world.kafka().topics.ledger).await;
        let endings: Vec<bool> = ledger.iter().filter_map(is_ending).collect();
        let boomerangs = endings.iter().filter(|boomerang| **boomerang).count();
        if (endings.len(), boomerangs) == (8, 3) { Ok(()) } else { Err(endings) }
    })
    .await;
    wait_for("its metrics", async || {
        let confirmed = serve.metric("sluice_replayer_replayed_total{outcome=\"confirmed\"}").await;
        if confirmed == 5.0 { Ok(()) } else { Err(confirmed) }
    })
    .await;
    assert!(serve.terminate().await.success());
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn serve_tells_when_the_topics_own_retention_deletes_dead_letters() {
    let world = World::without_topics_and_table("kept").await;
    let kept = TopicSpec { config: &[("retention.ms", "7200000")], ..USER_DATA_DLQ };
    world.admin().create_topics(&[(&world.kafka().topics.dlq, kept)], 1).await.expect("a topic");
    world.create_topics().await;
    healthy(&world, 0..1).await;
    let serve = world.process_with("dlq-replayer", &["serve"]);
    wait_for("two hours, less what has passed", async || {
        let seconds = serve.metric("sluice_replayer_oldest_unresolved_expires_in_seconds").await;
        if (6_000.0..7_200.0).contains(&seconds) { Ok(()) } else { Err(seconds) }
    })
    .await;
    assert!(serve.terminate().await.success());
}

/// A dead letter whose write kept failing an hour ago.
fn exhausted(world: &World, record: NewRecord, offset: i64) -> NewRecord {
    let topic = world.kafka().topics.user_data;
    let mut letter = dead_letter_of(world, record, &topic, offset, Reason::WriteExhausted);
    let then = schema::date::micros(Utc::now() - TimeDelta::hours(1));
    letter.headers.replace(headers::DLQ_FAILED_AT, then.as_str());
    letter.headers.replace(headers::DLQ_FIRST_FAILED_AT, then.as_str());
    letter
}

const VERSION: i64 = 1_790_000_000_000_000;

#[tokio::test]
async fn what_failed_for_a_while_is_replayed_by_itself_up_to_the_cap_and_nothing_else_is() {
    let world = World::new("auto").await.with("REPLAY_AUTO", "transient");
    let processor = world.processor();
    let user = |offset| user_record(&world, Uuid::new_v4(), VERSION + offset, |_, _| {});
    let mut letters: Vec<NewRecord> = (0..6).map(|offset| exhausted(&world, user(offset), offset)).collect();
    let mut tired = user(7);
    tired.headers.push(headers::REPLAY_COUNT, "3");
    letters.push(exhausted(&world, tired, 7));
    world.publish(letters).await;
    let others = healthy(&world, 10..12).await;

    let serve = world.process_with("dlq-replayer", &["serve"]);
    wait_for_states(&world, &[("confirmed", 6), ("parked", 1), ("unresolved", 2)]).await;
    let (_, unresolved, _) = replayer(&world, &["ls", "--output", "json"]).await;
    assert!(unresolved.iter().all(|letter| others.contains(&letter["id"].as_str().expect("an id").to_owned())));
    assert_eq!(replayed(&world).await.len(), 6, "each once");
    let (_, parked, _) = replayer(&world, &["ls", "--state", "parked", "--output", "json"]).await;
    assert_eq!(parked[0]["attempts"], json!(4));
    let jobs = world
        .user_data()
        .await
        .iter()
        .filter_map(|record| record.headers.text(headers::REPLAY_BY).map(str::to_owned))
        .collect::<Vec<_>>();
    assert!(jobs.iter().all(|by| by.starts_with("REPLAY_AUTO ")), "{jobs:?}");
    assert!(serve.terminate().await.success());
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_canary_of_its_own_that_comes_back_keeps_serve_from_replaying_the_others() {
    let world = World::new("auto_canary").await.with("REPLAY_AUTO", "transient");
    let processor = world.processor();
    let user = |offset| {
        let record = user_record(&world, Uuid::new_v4(), VERSION + offset, |user, _| user["email"] = json!("nobody"));
        exhausted(&world, record, offset)
    };
    world.publish((0..4).map(user).collect()).await;
    let serve = world.process_with("dlq-replayer", &["serve"]);
    serve.wait_for_log("replayed by itself").await;
    let now = states(&world).await;
    assert_eq!(
        (&now["boomeranged"], &now["unresolved"]),
        (&1.into(), &4.into()),
        "three others and what came back: {now}"
    );
    assert_eq!(replayed(&world).await.len(), 1);
    assert!(serve.terminate().await.success());
    assert_eq!(processor.stop().await, Exit::Done);
}
