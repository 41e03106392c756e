//! What a replay would come to is told beforehand, and comes to it: by the rules, by the stored rows, after a patch.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use end_to_end::{Process, World, flat_record, user_record, wait_for};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, NewRecord, Record};
use serde_json::{Value, json};
use service::Exit;
use uuid::Uuid;

use crate::replay::replayer;

const VERSION: i64 = 1_790_000_000_000_000;

/// The dead letter of a record, as an older version with stricter rules left it behind.
fn dead_letter_at(world: &World, record: NewRecord, offset: i64, failed_at: DateTime<Utc>) -> NewRecord {
    let kafka = world.kafka();
    let consumed = Record {
        topic: record.topic,
        partition: 0,
        offset,
        timestamp_ms: Some(VERSION / 1_000),
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    let fault = Fault::new(Reason::QualityRule, Stage::Quality, "test", "a rule was too strict");
    let app = App { name: "stream-processor", version: "0.0.9" };
    let dlq = kafka.topics.dlq.as_str().into();
    dead_letter::from_record(consumed, &fault, &dlq, 3, &kafka.group_id, &app, failed_at)
}

async fn bury(world: &World, records: Vec<NewRecord>) {
    let letters = records.into_iter().zip(1_000..);
    let letters = letters.map(|(record, offset)| dead_letter_at(world, record, offset, Utc::now())).collect();
    world.publish(letters).await;
}

fn broken(world: &World, spoil: impl FnOnce(&mut Value)) -> NewRecord {
    user_record(world, Uuid::new_v4(), VERSION, |user, _| spoil(user))
}

async fn preflight(world: &World, arguments: &[&str]) -> Value {
    let arguments = [&["preflight", "--output", "json"], arguments].concat();
    let (code, lines, stderr) = replayer(world, &arguments).await;
    assert_eq!((code, lines.len()), (Some(0), 1), "{stderr}");
    lines.into_iter().next().expect("a prediction")
}

async fn replay(world: &World, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["replay", "--why", "a test", "--yes", "--output", "json"], arguments].concat();
    let (code, lines, stderr) = replayer(world, &arguments).await;
    (code, lines.into_iter().next().unwrap_or_else(|| panic!("no report: {stderr}")))
}

/// How many dead letters came back from replays, by rule, or by reason where no rule says why.
async fn came_back(world: &World) -> Value {
    let mut counts = BTreeMap::<String, usize>::new();
    for letter in world.dead_letters().await {
        if !letter.headers.contains(headers::REPLAY_ID) {
            continue;
        }
        let text = |name| letter.headers.text(name).unwrap_or_default();
        let rules = Some(text(headers::DLQ_RULE_IDS)).filter(|rules| !rules.is_empty());
        for name in rules.unwrap_or(text(headers::DLQ_REASON)).split(',') {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    json!(counts)
}

#[tokio::test]
async fn a_prediction_is_what_a_replay_comes_to() {
    let world = World::new("predicted").await.with("REPLAY_MAX_ATTEMPTS", "3");
    let processor = world.processor();
    let stored: Vec<Uuid> = (0..4).map(|_| Uuid::new_v4()).collect();
    // One of them is stored as old as its dead letter, the others newer.
    let rows = stored.iter().zip([0, 1, 1, 1_000_000]);
    world.publish(rows.map(|(id, newer)| user_record(&world, *id, VERSION + newer, |_, _| {})).collect()).await;
    world.wait_for_rows(4).await;

    let twice = Uuid::new_v4();
    let mut records: Vec<_> = (0..5).map(|_| broken(&world, |_| {})).collect();
    records.extend(stored.iter().map(|id| user_record(&world, *id, VERSION, |_, _| {})));
    records.extend([2, 0, 1].map(|later| user_record(&world, twice, VERSION + later, |_, _| {})));
    records.extend((0..3).map(|_| broken(&world, |user| user["email"] = json!("nobody"))));
    records.push(broken(&world, |user| {
        user["email"] = json!("nobody");
        user["dob"] = json!("1715-12-10T00:00:00.000Z");
    }));
    records.push(broken(&world, |user| user["phone"] = json!(5)));
    records.push(world.record(Some("k"), Some(b"no JSON"), Headers::new()));
    records.push(user_record(&world, Uuid::new_v4(), VERSION, |_, headers| {
        headers.push(headers::REPLAY_COUNT, "3");
    }));
    bury(&world, records).await;
    let month_ago = Utc::now() - TimeDelta::days(30);
    let dlq = world.kafka().topics.dlq;
    let foreign = NewRecord { topic: dlq.as_str().into(), ..world.record(None, Some(b"{}"), Headers::new()) };
    world.publish(vec![foreign, dead_letter_at(&world, broken(&world, |_| {}), 5_000, month_ago)]).await;
    let before = world.user_data().await.len();

    let predicted = preflight(&world, &[]).await;
    assert_eq!(
        predicted,
        json!({
            "selected": 21, "would_pass": 7, "would_fail": 6, "stale": 5, "not_followed": 0, "would_park": 1,
            "still_fail": {"email.format": 4, "dob.range": 1, "schema.type": 1, "deserialization": 1},
            "refused": 2, "refused_by_cause": {"unknown_dialect": 1, "too_old": 1},
        })
    );
    let forced = preflight(&world, &["--force"]).await;
    assert_eq!((&forced["would_pass"], &forced["refused"]), (&json!(8), &json!(1)));
    assert_eq!(world.user_data().await.len(), before, "nothing was replayed");

    let (code, report) = replay(&world, &[]).await;
    assert_eq!(code, Some(2), "{report}");
    for (told, became) in [
        ("selected", "selected"),
        ("would_pass", "confirmed"),
        ("would_fail", "boomeranged"),
        ("stale", "stale"),
        ("would_park", "parked"),
        ("refused", "refused"),
        ("refused_by_cause", "refused_by_cause"),
    ] {
        assert_eq!(predicted[told], report[became], "{told}, {became}: {predicted}, {report}");
    }
    assert_eq!(came_back(&world).await, predicted["still_fail"]);
    assert_eq!(world.rows().await.len(), 4 + 5 + 1, "the stored ones, those that pass, and the one of two versions");

    let (code, report) =
        replay(&world, &["--force", "--reason", "quality_rule", "--since", "40d", "--until", "20d"]).await;
    assert_eq!((code, &report["confirmed"]), (Some(0), &json!(1)), "the old one, by force: {report}");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_patch_mends_what_it_applies_to_and_leaves_the_rest_alone() {
    let world = World::new("patched").await;
    let processor = world.processor();
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::new_v4()).collect();
    let mut records: Vec<_> = ids
        .iter()
        .map(|id| user_record(&world, *id, VERSION, |user, _| user["email"] = json!("ada.lovelace(at)example.com")))
        .collect();
    records.push(broken(&world, |user| user["email"] = json!("another")));
    records.push(world.record(Some("k"), Some(b"no JSON"), Headers::new()));
    bury(&world, records).await;
    let patch = tempfile::NamedTempFile::new().expect("a file");
    let operations = json!([
        {"op": "test", "path": "/email", "value": "ada.lovelace(at)example.com"},
        {"op": "replace", "path": "/email", "value": "ada.lovelace@example.com"},
    ]);
    std::fs::write(patch.path(), operations.to_string()).expect("the patch");
    let flags = ["--patch", patch.path().to_str().expect("text")];

    let unmended = preflight(&world, &[]).await;
    assert_eq!((&unmended["would_pass"], &unmended["would_fail"]), (&json!(0), &json!(5)));
    let predicted = preflight(&world, &flags).await;
    assert_eq!((&predicted["would_pass"], &predicted["would_fail"]), (&json!(3), &json!(0)));
    assert_eq!(predicted["refused_by_cause"], json!({"patch_does_not_apply": 1, "no_json": 1}));
    let previews = predicted["preview"].as_array().expect("previews");
    assert_eq!(previews.len(), 3);
    let change =
        json!({"pointer": "/email", "before": "ada.lovelace(at)example.com", "after": "ada.lovelace@example.com"});
    assert!(previews.iter().all(|preview| preview["changes"] == json!([change])), "{previews:?}");

    let (code, report) = replay(&world, &flags).await;
    assert_eq!((code, &report["confirmed"], &report["refused"]), (Some(2), &json!(3), &json!(2)), "{report}");
    assert_eq!(report["refused_by_cause"], predicted["refused_by_cause"]);
    let rows = world.rows().await;
    assert!(ids.iter().all(|id| rows[&id.to_string()]["email"].as_deref() == Some("ada.lovelace@example.com")));
    let replayed = world.user_data().await;
    let hashes: Vec<_> = replayed.iter().map(|record| record.headers.text(headers::REPLAY_PATCH_SHA256)).collect();
    assert!(hashes.len() == 3 && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    assert!(hashes[0].is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())));

    std::fs::write(patch.path(), "[{\"op\":\"fly\"}]").expect("the patch");
    let (code, lines, stderr) = replayer(&world, &["preflight", "--patch", flags[1]]).await;
    assert!((code, lines.len()) == (Some(64), 0) && stderr.contains("RFC 6902"), "{stderr}");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_flat_record_is_upcast_on_its_way_back() {
    let world = World::new("upcast").await;
    let processor = world.processor();
    let user = json!({"first_name": "Ada", "email": "Ada@example.com", "username": "ada1815", "post_code": 15,
        "registered_date": "2018-10-18T04:05:51.990Z"});
    bury(&world, vec![flat_record(&world, None, &user)]).await;
    assert_eq!(preflight(&world, &["--upcast"]).await["would_pass"], json!(1));
    let (code, report) = replay(&world, &["--upcast"]).await;
    assert_eq!(code, Some(0), "{report}");
    let rows = world.rows().await;
    let (id, row) = rows.first_key_value().expect("a row");
    let column = |name: &str| row[name].clone();
    assert_eq!((column("schema_id").as_deref(), column("post_code").as_deref()), (Some("user/1"), Some("15")));
    assert_eq!(column("source"), Some(format!("{}/0/1000", world.kafka().topics.user_data)), "where it failed");
    let replayed = world.user_data().await;
    assert_eq!(replayed[0].key.as_deref(), Some(id.as_bytes()));
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn without_cassandra_a_replay_says_what_it_cannot_check_and_wants_force() {
    let world = World::new("unanswered").await;
    bury(&world, vec![broken(&world, |_| {}), broken(&world, |user| user["email"] = json!("nobody"))]).await;
    let away = world.with("CASSANDRA_PORT", "1");
    for command in [&["preflight"][..], &["replay", "--why", "a test", "--yes"]] {
        let (code, lines, stderr) = replayer(&away, command).await;
        assert_eq!((code, lines.len()), (Some(1), 0), "{stderr}");
        assert!(stderr.contains("--force") && stderr.contains("CASSANDRA_HOSTS"), "{stderr}");
    }
    assert!(world.user_data().await.is_empty(), "nothing was replayed");
    for (world, code, says) in [(&world, 0, "ok cassandra table"), (&away, 1, "FAILED cassandra table")] {
        let settings = world.settings();
        let checked = tokio::task::spawn_blocking(move || Process::run("dlq-replayer", &["--check"], &settings));
        let checked = checked.await.expect("its end");
        assert!((checked.code, checked.stdout.contains(says)) == (Some(code), true), "{}", checked.stdout);
    }
    let (code, listed, stderr) = replayer(&away, &["ls", "--output", "json"]).await;
    assert_eq!((code, listed.len()), (Some(0), 2), "looking needs no Cassandra: {stderr}");

    let predicted = preflight(&away, &["--force"]).await;
    let counts = [&predicted["would_pass"], &predicted["would_fail"], &predicted["stale"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(null)]);
    let processor = world.processor();
    let (code, report) = replay(&away, &["--force"]).await;
    assert_eq!(code, Some(2), "{report}");
    assert_eq!([&report["confirmed"], &report["boomeranged"], &report["stale"]], [&json!(1), &json!(1), &json!(null)]);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn no_value_of_a_user_and_none_of_a_patch_is_in_a_log_line() {
    let world = World::new("quiet").await.with("LOG_LEVEL", "debug").with("REPLAY_MAX_ATTEMPTS", "1");
    let processor = world.processor();
    let told = |user: &mut Value| {
        user["first_name"] = json!("needle-name");
        user["phone"] = json!("needle-phone");
    };
    let mut records: Vec<_> = (0..3).map(|_| broken(&world, told)).collect();
    records.push(broken(&world, |user| user["email"] = json!("needle-email")));
    records.push(broken(&world, |user| user["phone"] = json!({"needle-member": "needle-nested"})));
    records.push(world.record(Some("needle-key"), Some(b"needle-bytes"), Headers::new()));
    bury(&world, records).await;
    wait_for("six dead letters", async || {
        let letters = world.dead_letters().await.len();
        if letters == 6 { Ok(()) } else { Err(letters) }
    })
    .await;
    let patch = tempfile::NamedTempFile::new().expect("a file");
    let operations = json!([{"op": "test", "path": "/phone", "value": "needle-other"}]);
    std::fs::write(patch.path(), operations.to_string()).expect("the patch");
    let patch = patch.path().to_str().expect("text").to_owned();
    let acting = ["replay", "--why", "a test", "--yes"];
    for arguments in [
        vec!["preflight"],
        vec!["preflight", "--patch", &patch],
        [&acting[..], &["--patch", &patch]].concat(),
        acting.to_vec(),
        acting.to_vec(),
    ] {
        let settings = world.settings();
        let owned: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let run =
            move || Process::run("dlq-replayer", &owned.iter().map(String::as_str).collect::<Vec<_>>(), &settings);
        let ended = tokio::task::spawn_blocking(run).await.expect("its end");
        assert!(ended.code.is_some_and(|code| code != 1), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("\"level\":\"DEBUG\""), "{arguments:?} logs much: {}", ended.stderr);
        assert!(!ended.stderr.contains("needle"), "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(processor.stop().await, Exit::Done);
}
