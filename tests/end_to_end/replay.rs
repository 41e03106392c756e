//! Dead letters go back, come home or come back, and are parked in the end (I7).

use std::sync::Arc;

use chrono::Utc;
use end_to_end::{Process, World, user_record, wait_for};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, Record};
use serde_json::Value;
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

/// Runs the replayer with JSON output; its status, and one value for each line.
pub(crate) async fn replayer(world: &World, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let settings = world.settings();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Process::run("dlq-replayer", &arguments, &settings)
    };
    let ended = tokio::task::spawn_blocking(run).await.expect("its end");
    let json = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}; {}", ended.stderr));
    (ended.code, ended.stdout.lines().map(json).collect(), ended.stderr.clone())
}

pub(crate) async fn states(world: &World) -> Value {
    let (code, lines, stderr) = replayer(world, &["stats", "--output", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    lines[0]["by_state"].clone()
}

/// A dead letter of a record that is healthy: as an older version with a stricter rule left it behind.
async fn dead_letter_of_a_healthy_record(world: &World) -> Uuid {
    let id = Uuid::new_v4();
    let record = user_record(world, id, VERSION, |_, _| {});
    let kafka = world.kafka();
    let consumed = Record {
        topic: Arc::clone(&record.topic),
        partition: 2,
        offset: 1_042,
        timestamp_ms: Some(VERSION / 1_000),
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    let fault = Fault::new(Reason::QualityRule, Stage::Quality, "rules", "a rule was too strict");
    let app = App { name: "stream-processor", version: "0.0.9" };
    let topic = kafka.topics.dlq.as_str().into();
    world.publish(vec![dead_letter::from_record(consumed, &fault, &topic, 3, &kafka.group_id, &app, Utc::now())]).await;
    id
}

#[tokio::test]
async fn a_replayed_record_that_passes_now_is_confirmed_and_counted() {
    let world = World::new("replay").await;
    let processor = world.processor();
    let id = dead_letter_of_a_healthy_record(&world).await;
    let dlq_id = format!("{}/2/1042", world.kafka().topics.user_data);
    let (code, listed, _) = replayer(&world, &["ls", "--output", "json"]).await;
    assert_eq!((code, listed.len()), (Some(0), 1));
    assert_eq!(
        (&listed[0]["id"], &listed[0]["state"], &listed[0]["attempts"]),
        (&dlq_id.as_str().into(), &"unresolved".into(), &1.into())
    );
    let (code, shown, _) = replayer(&world, &["show", &dlq_id, "--output", "json"]).await;
    assert_eq!(code, Some(0));
    assert!(shown[0]["value"].as_str().expect("the value").contains("ada.lovelace@example.com"));

    let (code, _, stderr) =
        replayer(&world, &["replay", "--why", "the rule is gone", "--yes", "--output", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(world.rows().await.contains_key(&id.to_string()));
    assert_eq!(states(&world).await["confirmed"], 1);
    let replayed = world.user_data().await;
    assert_eq!(replayed.len(), 1);
    let headers = &replayed[0].headers;
    assert_eq!(headers.text(headers::REPLAY_COUNT), Some("1"));
    assert_eq!(headers.text(headers::REPLAY_DLQ_ID), Some(&*dlq_id));
    assert_eq!(headers.text(headers::EVENT_VERSION_US), Some(&*VERSION.to_string()), "a replay never beats newer data");
    assert!(headers.iter().all(|header| !header.name.starts_with("dlq.") && !header.name.starts_with("__connect.")));

    let (code, listed, _) = replayer(&world, &["ls", "--output", "json"]).await;
    assert_eq!((code, listed.len()), (Some(0), 0), "nothing is unresolved");
    replayer(&world, &["replay", "--why", "again", "--yes", "--output", "json"]).await;
    assert_eq!(world.user_data().await.len(), 1, "what is home is not sent again");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn poison_comes_back_with_one_attempt_more_until_it_is_parked() {
    let world = World::new("boomerang").await.with("REPLAY_MAX_ATTEMPTS", "2");
    let processor = world.processor();
    world.publish(vec![world.record(Some("k"), Some(b"no json"), Headers::new())]).await;
    wait_for("its dead letter", async || {
        let letters = world.dead_letters().await.len();
        if letters == 1 { Ok(()) } else { Err(letters) }
    })
    .await;
    for attempts in ["2", "3"] {
        let (code, _, stderr) = replayer(&world, &["replay", "--why", "try", "--yes", "--output", "json"]).await;
        assert_eq!(code, Some(2), "it did not come home: {stderr}");
        let letters = world.dead_letters().await;
        let newest = letters.iter().max_by_key(|letter| letter.headers.text(headers::DLQ_ATTEMPTS).map(str::to_owned));
        let newest = newest.expect("a dead letter");
        assert_eq!(newest.headers.text(headers::DLQ_ATTEMPTS), Some(attempts));
        assert_eq!(newest.value.as_deref(), Some(b"no json".as_slice()), "the same bytes");
    }
    let (code, _, stderr) = replayer(&world, &["replay", "--why", "try", "--yes", "--output", "json"]).await;
    assert_eq!(code, Some(2), "parked is not home: {stderr}");
    assert_eq!(world.user_data().await.len(), 3, "the record and two replays, not more");
    let parked = world.records(&world.kafka().topics.parked).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].value.as_deref(), Some(b"no json".as_slice()));
    let states = states(&world).await;
    assert_eq!((&states["boomeranged"], &states["parked"]), (&2.into(), &1.into()), "{states}");
    let (_, unresolved, _) = replayer(&world, &["ls", "--output", "json"]).await;
    assert!(unresolved.is_empty(), "{unresolved:?}");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn what_changes_something_wants_a_reason_and_a_yes_and_unknown_names_are_told() {
    let world = World::new("usage").await;
    dead_letter_of_a_healthy_record(&world).await;
    for (arguments, status, says) in [
        (&["replay", "--yes"][..], 64, "--why"),
        (&["replay", "--why", "x"], 64, "--yes"),
        (&["ls", "--reason", "bad_mood"], 64, "bad_mood"),
        (&["show", "user_data/9/9"], 1, "user_data/9/9"),
    ] {
        let (code, _, stderr) = replayer(&world, arguments).await;
        assert_eq!(code, Some(status), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    assert!(world.user_data().await.is_empty(), "nothing was replayed");
}
