//! A row that Cassandra can never take costs nobody but itself; a Cassandra that takes none costs no row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cassandra::{CassandraSettings, Session};
use end_to_end::{World, artifacts, data_folder, user_record, wait_for};
use local_stack::{Profile, Stack, StackOptions};
use schema::headers;
use schema::record::NewRecord;
use service::Exit;
use service::settings::Reader;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

/// One Cassandra for these tests, with guardrails: it refuses a value beyond a kibibyte, and every write at `LOCAL_ONE`. Both
/// are answered `Invalid`. Guardrails bind ordinary users only, so it asks for a password. Its batches may be larger than a stock
/// server's. It ends with the process, however that ends.
fn guarded() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let mut options = StackOptions::new(data_folder("guarded"), Profile::Test);
        for (name, value) in [
            ("column_value_size_fail_threshold", "1KiB"),
            ("write_consistency_levels_disallowed", "[LOCAL_ONE]"),
            ("authenticator", "PasswordAuthenticator"),
            ("batch_size_warn_threshold", "64KiB"),
            ("unlogged_batch_across_partitions_warn_threshold", "40"),
        ] {
            options.cassandra_yaml.push((name.to_owned(), value.to_owned()));
        }
        Stack::start(&options, artifacts()).expect("a Cassandra with guardrails")
    })
}

async fn world(name: &str) -> World {
    let world = World::without_topics_and_table(name).await;
    world.create_topics().await;
    let address = tokio::task::spawn_blocking(|| guarded().cassandra().address()).await.expect("the start");
    let world =
        world.with("CASSANDRA_PORT", address.port().to_string()).with("CASSANDRA_HOSTS", address.ip().to_string());
    let as_user = |name: &str| world.with("CASSANDRA_USERNAME", name).with("CASSANDRA_PASSWORD", name);
    let mut reader = Reader::from_pairs(as_user("cassandra").settings());
    let built_in = CassandraSettings::read(&mut reader);
    reader.finish().expect("settings");
    let session = Session::connect(&built_in).await.expect("the built-in superuser");
    let role = "CREATE ROLE IF NOT EXISTS sluice WITH LOGIN = true AND PASSWORD = 'sluice'";
    session.query(role).await.expect("an ordinary user");
    let world = as_user("sluice");
    world.create_table().await;
    world
}

/// Records of one partition, those at `culprits` with a value that the guardrail refuses; their ids in order.
fn records(world: &World, count: usize, culprits: &[usize]) -> (Vec<NewRecord>, Vec<String>) {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    let record = |(index, id): (usize, &Uuid)| {
        let mut record = user_record(world, *id, VERSION, |_, headers| {
            if culprits.contains(&index) {
                headers.replace("source", "x".repeat(2 << 10));
            }
        });
        record.partition = Some(0);
        record
    };
    (ids.iter().enumerate().map(record).collect(), ids.iter().map(Uuid::to_string).collect())
}

#[tokio::test]
async fn rows_that_cassandra_refuses_are_dead_letters_alone_and_their_neighbours_are_written() {
    let world = world("isolation").await;
    let culprits = [0, 14, 25, 26, 59];
    let (records, ids) = records(&world, 60, &culprits);
    // All there before the processor starts, so that batches are full.
    world.publish(records).await;
    let processor = world.processor();
    world.wait_until_consumed().await;
    let dead: BTreeSet<String> = culprits.iter().map(|index| ids[*index].clone()).collect();
    let written: BTreeSet<String> = ids.iter().filter(|id| !dead.contains(*id)).cloned().collect();
    world.census().await.assert_places(&written, &dead);
    for letter in world.dead_letters().await {
        assert_eq!(letter.headers.text(headers::DLQ_REASON), Some("write_rejected"));
        assert_eq!(letter.headers.text(headers::DLQ_STAGE), Some("write"));
    }
    assert!(processor.health().ready, "a row that is refused is no trouble of Cassandra's");
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_cluster_that_refuses_every_row_stops_the_line_and_blames_none() {
    let world = world("refusing").await;
    let (records, ids) = records(&world, 30, &[]);
    world.publish(records).await;
    let refused = world.with("CASSANDRA_CONSISTENCY", "LOCAL_ONE").processor();
    wait_for("not ready, and why", async || {
        let health = refused.health();
        let named = health.reasons.iter().any(|reason| {
            reason.what == "cassandra" && reason.reason.contains("LOCAL_ONE") && reason.remedy.contains("guardrails")
        });
        if named { Ok(()) } else { Err(health) }
    })
    .await;
    assert_eq!(refused.stop().await, Exit::Done, "what waits is let go of");
    assert!(world.dead_letters().await.is_empty(), "no row is to blame");
    let processor = world.processor();
    world.wait_until_consumed().await;
    world.census().await.assert_places(&ids.into_iter().collect(), &BTreeSet::new());
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn the_trial_of_a_rows_place_changes_nothing_that_is_there() {
    let world = world("trial").await;
    let (good, ids) = records(&world, 1, &[]);
    world.publish(good).await;
    let processor = world.processor();
    world.wait_for_rows(1).await;
    let before = world.rows().await;
    // The same key again, newer and refused: its place is tried, the row stays.
    let id = ids[0].parse().expect("an id");
    let mut refused = user_record(&world, id, VERSION + 1, |_, headers| headers.replace("source", "x".repeat(2 << 10)));
    refused.partition = Some(0);
    world.publish(vec![refused]).await;
    world.wait_until_consumed().await;
    assert_eq!(world.dead_letters().await.len(), 1);
    assert_eq!(world.rows().await, before);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_server_that_takes_larger_batches_gets_them_and_warns_of_none() {
    let world = world("larger_batches").await;
    world.publish(records(&world, 1_000, &[]).0).await;
    let processor = world.processor();
    world.wait_until_consumed().await;
    let settings: BTreeMap<String, String> = world.settings().into_iter().collect();
    let table = format!("{}.created_users", settings["CASSANDRA_KEYSPACE"]);
    let series = format!("sluice_processor_write_duration_seconds_count{{table=\"{table}\"}}");
    let writes = processor.metric(&series);
    // Five whole users make a batch for a stock server.
    assert!((25.0..=150.0).contains(&writes), "{writes} writes for 1000 rows");
    let log = std::fs::read_to_string(guarded().cassandra().log()).expect("Cassandra's log");
    for warning in ["exceeding specified threshold", "Unlogged batch covering"] {
        assert!(!log.contains(warning), "{warning}");
    }
    assert_eq!(processor.stop().await, Exit::Done);
}
