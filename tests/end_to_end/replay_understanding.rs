//! What there is to know of dead letters before anything is done about them.

use std::sync::Arc;

use chrono::Utc;
use dlq_replayer::disposition::{Disposition, State};
use dlq_replayer::letter::{Coordinates, Letter};
use end_to_end::{Process, World, user_record};
use schema::reason::Reason;
use schema::record::{Headers, NewRecord, Record};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::replay::replayer;
use crate::replay_jobs::{dead_letter_of, healthy};

/// Dead letters of records at these offsets that failed for this reason.
async fn failed(world: &World, offsets: std::ops::Range<i64>, reason: Reason) {
    let topic = world.kafka().topics.user_data;
    let letter = |offset| {
        let record = user_record(world, Uuid::new_v4(), 1_790_000_000_000_000 + offset, |_, _| {});
        dead_letter_of(world, record, &topic, offset, reason)
    };
    world.publish(offsets.map(letter).collect()).await;
}

#[tokio::test]
async fn what_failed_alike_is_one_group_with_an_example() {
    let world = World::new("grouped").await;
    failed(&world, 0..7, Reason::QualityRule).await;
    failed(&world, 7..12, Reason::WriteRejected).await;
    failed(&world, 12..15, Reason::TooLate).await;
    let (code, groups, stderr) = replayer(&world, &["group", "--output", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let told: Vec<_> = groups.iter().map(|group| (group["reason"].clone(), group["count"].clone())).collect();
    assert_eq!(
        told,
        [(json!("quality_rule"), json!(7)), (json!("write_rejected"), json!(5)), (json!("too_late"), json!(3))]
    );
    for group in &groups {
        let fingerprint = group["fingerprint"].as_str().expect("a fingerprint");
        let (_, members, _) = replayer(&world, &["ls", "--fingerprint", fingerprint, "--output", "json"]).await;
        assert_eq!(Some(members.len() as u64), group["count"].as_u64());
        let last = members.last().expect("a member");
        assert_eq!((&last["id"], &last["failed_at"]), (&group["example"], &group["last_failed_at"]));
        assert_eq!(members[0]["failed_at"], group["first_failed_at"], "those that failed first come first");
    }
    let (_, selected, _) = replayer(&world, &["group", "--reason", "too_late", "--output", "json"]).await;
    assert_eq!(selected.len(), 1);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_the_list_quietly() {
    let world = World::new("head").await;
    failed(&world, 0..2000, Reason::QualityRule).await;
    for command in [&["ls", "--output", "json"][..], &["ls"], &["export"]] {
        let (arguments, settings) = (command.to_vec(), world.settings());
        let run = move || Process::run_until_a_line_is_read("dlq-replayer", &arguments, &settings);
        let ended = tokio::task::spawn_blocking(run).await.expect("its end");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{command:?}");
        assert!(!ended.stdout.is_empty(), "{command:?}");
    }
}

#[tokio::test]
async fn an_export_holds_every_byte_and_the_envelope_is_what_older_pipelines_write() {
    let world = World::new("exported").await;
    healthy(&world, 0..3).await;
    let dlq = world.kafka().topics.dlq.as_str().into();
    let unknown = world.record(None, Some(b"\xff\x00"), Headers::new());
    world.publish(vec![NewRecord { topic: dlq, ..unknown }]).await;
    let letters = world.dead_letters().await;
    let (code, lines, stderr) = replayer(&world, &["export"]).await;
    assert_eq!((code, lines.len()), (Some(0), 4), "{stderr}");
    for line in &lines {
        let is_its = |letter: &&Record| line["dlq"] == json!({"partition": letter.partition, "offset": letter.offset});
        let letter = letters.iter().find(is_its).expect("its record");
        let value = letter.value.as_deref().expect("a value");
        match line["value"].as_str() {
            Some(text) => assert_eq!(text.as_bytes(), value),
            None => assert_eq!((line["value_base64"].as_str(), value), (Some("/wA="), b"\xff\x00".as_slice())),
        }
        assert_eq!(line["headers"].as_array().map(Vec::len), Some(letter.headers.len()));
    }
    let (code, envelopes, stderr) =
        replayer(&world, &["export", "--format", "envelope", "--reason", "quality_rule"]).await;
    assert_eq!((code, envelopes.len()), (Some(0), 3), "{stderr}");
    for envelope in &envelopes {
        let message: Value = serde_json::from_str(envelope["original_message"].as_str().expect("text")).expect("JSON");
        assert_eq!(message["email"], "ada.lovelace@example.com");
        assert_eq!(envelope["source_topic"], world.kafka().topics.user_data);
        assert_eq!((&envelope["error_type"], &envelope["retry_count"]), (&json!("test"), &json!(0)));
    }
}

#[tokio::test]
async fn an_empty_selection_says_so_and_an_entry_of_an_unknown_letter_changes_nothing() {
    let world = World::new("empty").await;
    for (command, says) in [("ls", "no dead letters\n"), ("group", "no dead letters\n"), ("export", "")] {
        let settings = world.settings();
        let run = move || Process::run("dlq-replayer", &[command], &settings);
        let ended = tokio::task::spawn_blocking(run).await.expect("its end");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), says), "{command}: {}", ended.stderr);
        assert!(command != "export" || ended.stderr.contains("no dead letters are selected"), "{}", ended.stderr);
    }
    let ids = healthy(&world, 0..1).await;
    let letter = Letter::of(world.dead_letters().await.remove(0));
    let unknown = Letter { id: "user_data/9/9".to_owned(), dlq: Coordinates { partition: 2, offset: 99 }, ..letter };
    let entry = Disposition::new(&unknown, State::Confirmed, 1, "me", "a test", Utc::now());
    let ledger: Arc<str> = world.kafka().topics.ledger.as_str().into();
    world.publish(vec![entry.record(&ledger)]).await;
    let (code, listed, stderr) = replayer(&world, &["ls", "--state", "all", "--output", "json"]).await;
    assert_eq!((code, listed.len()), (Some(0), 1), "{stderr}");
    assert_eq!((listed[0]["id"].as_str(), &listed[0]["state"]), (Some(ids[0].as_str()), &json!("unresolved")));
}
