//! What a job does and does not do: parking and discarding, a rehearsal, a canary, another topic, a job that does not wait,
//! two jobs at once.

use chrono::Utc;
use end_to_end::{OpenTransaction, World, user_record, wait_for};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{NewRecord, Record};
use schema::topics::TopicSpec;
use serde_json::{Value, json};
use service::Exit;
use uuid::Uuid;

use crate::replay::{replayer, states};

const VERSION: i64 = 1_790_000_000_000_000;

/// Where the made-up records of dead letters begin: beyond what any test publishes, so that a record that is replayed does not land
/// where another one was.
const BEYOND: i64 = 1_000_000;

/// The dead letter of a record that was so far beyond [`BEYOND`] of `topic`.
pub(crate) fn dead_letter_of(world: &World, record: NewRecord, topic: &str, offset: i64, reason: Reason) -> NewRecord {
    let kafka = world.kafka();
    let consumed = Record {
        topic: topic.into(),
        partition: i32::try_from(offset % 3).expect("small"),
        offset: BEYOND + offset,
        timestamp_ms: Some(VERSION / 1_000),
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    let fault = Fault::new(reason, Stage::Write, "test", "as an older version left it behind");
    let app = App { name: "stream-processor", version: "0.0.9" };
    let dlq = kafka.topics.dlq.as_str().into();
    dead_letter::from_record(consumed, &fault, &dlq, 3, &kafka.group_id, &app, Utc::now())
}

/// Dead letters of healthy records, as a stricter rule left them behind; their ids.
pub(crate) async fn healthy(world: &World, offsets: std::ops::Range<i64>) -> Vec<String> {
    let topic = world.kafka().topics.user_data;
    let letter = |offset| {
        let record = user_record(world, Uuid::new_v4(), VERSION + offset, |_, _| {});
        dead_letter_of(world, record, &topic, offset, Reason::QualityRule)
    };
    world.publish(offsets.clone().map(letter).collect()).await;
    offsets.map(|offset| format!("{topic}/{}/{}", offset % 3, BEYOND + offset)).collect()
}

/// Dead letters of records that fail again.
pub(crate) async fn broken(world: &World, offsets: std::ops::Range<i64>) {
    let topic = world.kafka().topics.user_data;
    let letter = |offset| {
        let record = user_record(world, Uuid::new_v4(), VERSION + offset, |user, _| user["email"] = json!("nobody"));
        dead_letter_of(world, record, &topic, offset, Reason::QualityRule)
    };
    world.publish(offsets.map(letter).collect()).await;
}

/// The dead letters that were replayed, each as often as its record is on `user_data`, in order.
pub(crate) async fn replayed(world: &World) -> Vec<String> {
    let records = world.user_data().await;
    let of = |record: &Record| record.headers.text(headers::REPLAY_DLQ_ID).map(str::to_owned);
    let mut replayed: Vec<String> = records.iter().filter_map(of).collect();
    replayed.sort();
    replayed
}

pub(crate) fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Runs a command with `--why`, `--yes` and JSON; its status and its report.
pub(crate) async fn act(world: &World, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [arguments, &["--why", "a test", "--yes", "--output", "json"]].concat();
    let (code, lines, stderr) = replayer(world, &arguments).await;
    (code, lines.into_iter().next().unwrap_or_else(|| panic!("no report of {arguments:?}: {stderr}")))
}

#[tokio::test]
async fn parked_and_discarded_letters_are_kept_with_a_reason_and_parked_ones_are_taken_back() {
    let world = World::new("disposed").await.with("REPLAY_MAX_ATTEMPTS", "1");
    let ids = healthy(&world, 0..4).await;
    let kafka = world.kafka();

    let (code, lines, stderr) = replayer(&world, &["park", "--dry-run", "--output", "json"]).await;
    assert_eq!((code, &lines[0]["would_park"]), (Some(0), &json!(4)), "{stderr}");
    assert!(world.records(&kafka.topics.ledger).await.is_empty(), "a dry run changes nothing");

    let (code, report) = act(&world, &["park", "--id", &format!("{},{}", ids[0], ids[1])]).await;
    assert_eq!((code, &report["parked"]), (Some(0), &json!(2)), "{report}");
    let (code, report) = act(&world, &["discard", "--id", &ids[2]]).await;
    assert_eq!((code, &report["discarded"]), (Some(0), &json!(1)), "{report}");
    let (code, report) = act(&world, &["park", "--state", "parked"]).await;
    assert_eq!((code, &report["selected"]), (Some(0), &json!(0)), "what is parked is not parked again: {report}");

    let parked = world.records(&kafka.topics.parked).await;
    assert_eq!(parked.len(), 2);
    for copy in &parked {
        let letters = world.dead_letters().await;
        let id = copy.headers.text(headers::DLQ_ID);
        let letter = letters.iter().find(|letter| letter.headers.text(headers::DLQ_ID) == id).expect("its letter");
        assert_eq!((&copy.key, &copy.value, &copy.headers), (&letter.key, &letter.value, &letter.headers), "whole");
    }
    let now = states(&world).await;
    assert_eq!((&now["parked"], &now["discarded"], &now["unresolved"]), (&2.into(), &1.into(), &1.into()), "{now}");
    let ledger = world.records(&kafka.topics.ledger).await;
    let told: Value = serde_json::from_slice(ledger[0].value.as_deref().expect("an entry")).expect("JSON");
    assert_eq!(told["why"], "a test");
    assert!(told["by"].as_str().is_some_and(|by| by.contains('@')), "{told}");
    assert!(world.user_data().await.is_empty());

    let processor = world.processor();
    let (code, report) = act(&world, &["replay", "--state", "parked"]).await;
    assert_eq!((code, &report["confirmed"]), (Some(0), &json!(2)), "{report}");
    let now = states(&world).await;
    assert_eq!((&now["parked"], &now["confirmed"], &now["discarded"]), (&0.into(), &2.into(), &1.into()), "{now}");
    assert_eq!(replayed(&world).await, sorted(ids[..2].to_vec()));
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_canary_that_comes_back_keeps_the_others_where_they_are() {
    let world = World::new("canary").await;
    let processor = world.processor();
    broken(&world, 0..10).await;
    let (code, lines, _) = replayer(&world, &["replay", "--dry-run", "--output", "json"]).await;
    assert_eq!((code, &lines[0]["would_replay"]), (Some(0), &json!(10)));
    assert_eq!(lines[0]["first"].as_array().map(Vec::len), Some(5));

    let canary = ["replay", "--canary", "2", "--abort-if-boomerang", "50"];
    let (code, report) = act(&world, &canary).await;
    assert_eq!(code, Some(2), "{report}");
    assert_eq!((&report["replayed"], &report["boomeranged"], &report["left"]), (&2.into(), &2.into(), &8.into()));
    assert_eq!(report["aborted_by_canary"], true, "{report}");
    assert_eq!(report["boomeranged_by_reason"], json!({"quality_rule": 2}));
    assert_eq!(world.user_data().await.len(), 2);

    // What came back is unresolved too, and fails again.
    act(&world, &["discard"]).await;
    healthy(&world, 20..27).await;
    let (code, report) = act(&world, &canary).await;
    assert_eq!(
        (code, &report["confirmed"], &report["aborted_by_canary"]),
        (Some(0), &7.into(), &false.into()),
        "{report}"
    );
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn records_go_to_another_topic_only_where_that_is_allowed() {
    let world = World::new("routes").await;
    let orders = format!("{}_orders", world.kafka().topics.user_data);
    let admin = world.admin();
    admin
        .create_topics(&[(&orders, TopicSpec { partitions: 1, ..schema::topics::USER_DATA })], 1)
        .await
        .expect("a topic");
    wait_for("the topic", async || admin.require(&orders).await.map_err(|error| error.to_string())).await;
    let gone = format!("{orders}_gone");
    let allowing = world.with("REPLAY_ALLOWED_TOPICS", format!("{orders},{gone}"));
    let order = world.record(Some("k"), Some(b"\x00no user"), schema::record::Headers::new());
    world.publish(vec![dead_letter_of(&world, order, &orders, 7, Reason::Deserialization)]).await;

    let (code, report) = act(&world, &["replay"]).await;
    assert_eq!((code, &report["refused_by_cause"]), (Some(2), &json!({"other_topic": 1})), "{report}");
    let (code, _, stderr) = replayer(&world, &["replay", "--why", "x", "--yes", "--to", &orders]).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("REPLAY_ALLOWED_TOPICS"), "{stderr}");

    let lost = world.record(Some("k"), Some(b"x"), schema::record::Headers::new());
    world.publish(vec![dead_letter_of(&world, lost, &gone, 8, Reason::Deserialization)]).await;
    let (code, report) = act(&allowing, &["replay"]).await;
    assert_eq!((code, &report["replayed"], &report["not_followed"]), (Some(2), &1.into(), &1.into()), "{report}");
    assert_eq!(report["refused_by_cause"], json!({"missing_topic": 1}), "it does not stop the others");
    let sent = world.records(&orders).await;
    assert_eq!((sent.len(), sent[0].value.as_deref()), (1, Some(&b"\x00no user"[..])));
    assert_eq!(sent[0].headers.text(headers::REPLAY_COUNT), Some("1"));
    assert!(world.user_data().await.is_empty());
    let (code, _, stderr) =
        replayer(&allowing, &["replay", "--why", "x", "--yes", "--to", &orders, "--canary", "1"]).await;
    assert_eq!(code, Some(64), "{stderr}");
}

#[tokio::test]
async fn of_two_jobs_at_once_the_first_ends_and_says_who_has_taken_over() {
    let world = World::new("two_jobs").await;
    let processor = world.processor();
    let ids = healthy(&world, 0..40).await;
    let first =
        world.process_with("dlq-replayer", &["replay", "--why", "slowly", "--yes", "--rate", "4", "--output", "json"]);
    wait_for("the first job's records", async || {
        let records = replayed(&world).await.len();
        if records > 0 { Ok(()) } else { Err(first.log()) }
    })
    .await;
    let (code, report) = act(&world, &["replay"]).await;
    assert_eq!(code, Some(0), "{report}");
    let log_of_first = {
        first.wait_for_log("another job has taken over after").await;
        first.log()
    };
    assert_eq!(first.end().await.code(), Some(1), "{log_of_first}");
    assert_eq!(replayed(&world).await, sorted(ids), "each once");
    assert!(report["selected"].as_u64().is_some_and(|selected| selected < 40), "the first had begun: {report}");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_replay_that_cannot_be_read_stops_its_job_and_is_taken_back_by_the_next_one() {
    let world = World::new("taken_back").await;
    let ids = healthy(&world, 0..6).await;
    let anyone = |partition| {
        let record = user_record(&world, Uuid::new_v4(), VERSION, |_, _| {});
        NewRecord { partition: Some(partition), ..record }
    };
    // One letter a transaction, one a second. A transaction lasts 30 s at most, so it begins when the job has begun.
    let command = ["replay", "--rate", "1", "--no-wait", "--why", "a test", "--yes", "--output", "json"];
    let hide = async {
        wait_for("a replay", async || if replayed(&world).await.is_empty() { Err("none") } else { Ok(()) }).await;
        OpenTransaction::begin(&world, (0..3).map(anyone).collect()).await
    };
    let ((code, _, stderr), transaction) = tokio::join!(replayer(&world, &command), hide);
    assert_eq!(code, Some(1), "{stderr}");
    let readable = replayed(&world).await.len();
    let stopped = format!("stopped after {} dead letters", readable + 1);
    assert!(stderr.contains(&stopped) && stderr.contains("cannot be read"), "{stopped}: {stderr}");

    let (code, report) = act(&world, &["replay", "--no-wait"]).await;
    assert_eq!((code, &report["replayed"]), (Some(0), &json!(ids.len() - readable)), "{report}");
    transaction.abort().await;
    let landed = replayed(&world).await;
    assert_eq!(landed.len(), ids.len() + 1, "the hidden one twice: {landed:?}");
    let mut once = landed.clone();
    once.dedup();
    assert_eq!(once, sorted(ids), "{landed:?}");
    let of_count = |record: &Record| record.headers.text(headers::REPLAY_COUNT).map(str::to_owned);
    let counts: Vec<_> = world.user_data().await.iter().filter_map(of_count).collect();
    assert_eq!(counts, vec!["1"; 7], "what is taken back does not count as a replay");
    let now = states(&world).await;
    assert_eq!((&now["replayed"], &now["unresolved"]), (&6.into(), &0.into()), "{now}");
}
