//! A day with the replayer, as the README tells it: a thousand users, sixty of them broken in three ways.

use std::collections::BTreeSet;

use end_to_end::{Process, World, user_record};
use schema::headers;
use schema::record::{NewRecord, Record};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::replay::replayer;
use crate::replay_killed::killed_every_second;

const VERSION: i64 = 1_790_000_000_000_000;
/// Of each thousand users so many are broken in each of three ways.
const BROKEN: usize = 20;
const MENDED_BY_PATCH: &str = r#"[{"op": "remove", "path": "/latitude"}, {"op": "remove", "path": "/longitude"}]"#;

/// The keys of the users, by what is wrong with them.
#[derive(Default)]
struct Users {
    healthy: BTreeSet<String>,
    off_the_map: BTreeSet<String>,
    without_mailbox: BTreeSet<String>,
    too_old: BTreeSet<String>,
}

impl Users {
    /// Every sixteenth or so is broken, so that nothing looks like a flood of poison.
    fn thousand(world: &World) -> (Self, Vec<NewRecord>) {
        let mut users = Self::default();
        let mut records = Vec::with_capacity(1_000);
        for number in 0..1_000 {
            let id = Uuid::new_v4();
            let way = if number % 16 == 0 && number / 16 < 3 * BROKEN { number / 16 % 3 } else { 3 };
            let keys = match way {
                0 => &mut users.off_the_map,
                1 => &mut users.without_mailbox,
                2 => &mut users.too_old,
                _ => &mut users.healthy,
            };
            keys.insert(id.to_string());
            records.push(user_record(world, id, VERSION + number as i64, |user, _| match way {
                0 => (user["latitude"], user["longitude"]) = (json!(512.5), json!(13.4)),
                1 => user["email"] = json!(format!("user {number} has none")),
                2 => user["dob"] = json!("1815-12-10T00:00:00.000Z"),
                _ => {}
            }));
        }
        (users, records)
    }
}

/// One command with JSON output: its lines.
async fn asked(world: &World, arguments: &[&str]) -> Vec<Value> {
    let (code, lines, stderr) = replayer(world, &[arguments, &["--output", "json"]].concat()).await;
    assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
    lines
}

/// A world whose processor has met the thousand users, and its processor.
async fn met(name: &str) -> (World, Users, Process, NamedTempFile) {
    let world = World::new(name).await;
    let processor = world.process("stream-processor");
    let (users, records) = Users::thousand(&world);
    world.publish(records).await;
    world.wait_until_consumed().await;
    let patch = NamedTempFile::new().expect("a file");
    std::fs::write(patch.path(), MENDED_BY_PATCH).expect("written");
    (world, users, processor, patch)
}

/// What is broken in the one way that the patch mends goes back with it, a canary first.
fn mending(patch: &NamedTempFile) -> [&str; 4] {
    ["--rule", "latitude.range", "--patch", patch.path().to_str().expect("a name")]
}

/// Healthy and mended users have rows, the others are dead letters or parked; each mended one went back once.
async fn assert_home(world: &World, users: &Users) {
    let census = world.census().await;
    assert_eq!(census.table, users.healthy.union(&users.off_the_map).cloned().collect());
    assert_eq!(census.parked, users.too_old);
    let open = asked(world, &["ls"]).await;
    let open: BTreeSet<_> = open.iter().filter_map(|letter| letter["key"].as_str().map(str::to_owned)).collect();
    assert_eq!(open, users.without_mailbox);

    let mut records = world.user_data().await;
    records.retain(|record| record.headers.contains(headers::REPLAY_ID));
    let key = |record: &Record| String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
    assert_eq!(records.iter().map(key).collect::<BTreeSet<_>>(), users.off_the_map);
    assert_eq!(records.len(), BROKEN, "each exactly once");
    assert!(records.iter().all(|record| record.headers.contains(headers::REPLAY_PATCH_SHA256)));
}

#[tokio::test]
async fn sixty_of_a_thousand_users_are_understood_mended_and_brought_home() {
    let (world, users, processor, patch) = met("story").await;

    let groups = asked(&world, &["group"]).await;
    let told: BTreeSet<_> =
        groups.iter().map(|group| (group["rule_ids"].to_string(), group["count"].as_u64())).collect();
    let expected = [r#"["dob.range"]"#, r#"["email.format"]"#, r#"["latitude.range"]"#];
    assert_eq!(told, expected.map(|rules| (rules.to_owned(), Some(20))).into());

    let predicted = &asked(&world, &["preflight"]).await[0];
    assert_eq!((&predicted["selected"], &predicted["would_pass"]), (&json!(60), &json!(0)), "{predicted}");
    assert_eq!(predicted["still_fail"], json!({"dob.range": 20, "email.format": 20, "latitude.range": 20}));
    let predicted = &asked(&world, &[&["preflight"], &mending(&patch)[..]].concat()).await[0];
    assert_eq!((&predicted["selected"], &predicted["would_pass"]), (&json!(20), &json!(20)), "{predicted}");

    let replay = ["replay", "--canary", "5", "--why", "a broken sensor", "--yes"];
    let report = &asked(&world, &[&replay[..], &mending(&patch)].concat()).await[0];
    assert_eq!((&report["confirmed"], &report["boomeranged"]), (&json!(20), &json!(0)), "{report}");
    let kept = asked(&world, &["park", "--rule", "dob.range", "--why", "ask their owners", "--yes"]).await;
    assert_eq!(kept[0]["parked"], 20);
    assert_home(&world, &users).await;
    assert_eq!(processor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn the_same_with_a_replayer_that_is_killed_every_second() {
    let (world, users, processor, patch) = met("killed_story").await;
    let replay = ["replay", "--canary", "5", "--rate", "5", "--why", "a broken sensor", "--yes"];
    let killed = killed_every_second(&world, &[&replay[..], &mending(&patch)].concat()).await;
    assert!(killed > 1, "it was killed at work");
    killed_every_second(&world, &["park", "--rule", "dob.range", "--why", "ask their owners", "--yes"]).await;
    // Nobody has waited for what a killed job replayed.
    world.wait_until_consumed().await;
    assert_home(&world, &users).await;
    assert_eq!(processor.terminate().await.code(), Some(0));
}
