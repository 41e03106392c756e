//! Users arrive, in every mode of the producer, exactly as expected.

use std::collections::BTreeSet;

use end_to_end::{FixedApi, World, recorded_flat, recorded_page};
use service::Exit;

use crate::{ids, simulator};

const NONE: BTreeSet<String> = BTreeSet::new();

#[tokio::test]
async fn once_brings_every_user_of_its_pages_into_the_table() {
    let world =
        World::new("once").await.with("API_SEED", "oncea").with("API_BATCH_SIZE", "40").with("PRODUCER_BATCHES", "3");
    let api = simulator().await;
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 120);
    let written = ids("oncea", 1..=3, 40).into_iter().collect();
    world.census().await.assert_places(&written, &NONE);
    assert!(processor.metric("sluice_processor_records_total{outcome=\"written\"}") >= 120.0);
    let log = std::fs::read_to_string(end_to_end::stack().cassandra().log()).expect("Cassandra's log");
    assert!(!log.contains("exceeding specified threshold"), "batches stay below what a stock server warns about");
    end_to_end::wait_for("only the loop that turns counts for /livez", async || {
        let far_future = std::time::Instant::now() + std::time::Duration::from_secs(3_600);
        let loops = processor.context.health.stuck(far_future);
        if loops == ["shard 0"] { Ok(()) } else { Err(loops) }
    })
    .await;
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn interval_goes_on_with_the_next_page_at_every_run() {
    let world = World::new("interval").await;
    let world =
        world.with("API_SEED", "intervala").with("API_BATCH_SIZE", "10").with("PRODUCER_INTERVAL_SECONDS", "0.3");
    let api = simulator().await;
    let (producer, processor) = (world.producer(&api.url("/api/")), world.processor());
    end_to_end::wait_for("three runs", async || {
        let rows = world.rows().await.len();
        if rows >= 30 { Ok(()) } else { Err(rows) }
    })
    .await;
    assert_eq!(producer.stop().await, Exit::Done);
    let pages = u32::try_from(world.wait_until_consumed().await / 10).expect("a few pages");
    let written = ids("intervala", 1..=pages, 10).into_iter().collect();
    world.census().await.assert_places(&written, &NONE);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn cron_runs_at_its_times() {
    let world = World::new("cron").await.with("PRODUCER_MODE", "cron").with("PRODUCER_CRON", "* * * * * *");
    let world = world.with("API_SEED", "crona").with("API_BATCH_SIZE", "5");
    let api = simulator().await;
    let (producer, processor) = (world.producer(&api.url("/api/")), world.processor());
    end_to_end::wait_for("two runs", async || {
        let rows = world.rows().await.len();
        if rows >= 10 { Ok(()) } else { Err(rows) }
    })
    .await;
    assert_eq!(producer.stop().await, Exit::Done);
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn the_ten_recorded_users_become_exactly_the_expected_rows() {
    let world = World::new("recorded").await.with("API_SEED", "abc").with("API_BATCH_SIZE", "10");
    let api = FixedApi::start(recorded_page()).await;
    let processor = world.processor();
    assert_eq!(world.produce_once(&api.url()).await, Exit::Done);
    let rows = world.wait_for_rows(10).await;
    let expected = recorded_flat();
    assert_eq!(expected.len(), 10);
    for flat in &expected {
        let username = flat["username"].as_str();
        let row = rows.values().find(|row| row["username"].as_deref() == username).expect("a row for every user");
        for (field, value) in flat.as_object().expect("an object") {
            if field != "id" {
                assert_eq!(row[field].as_deref(), value.as_str(), "{field} of {username:?}");
            }
        }
        assert_eq!(row["schema_id"].as_deref(), Some("user/1"));
        assert_eq!(row["email_domain"].as_deref(), Some("example.com"));
    }
    let laura = &rows["9f07341f-c7e6-45b7-bab0-af6de5a4582d"];
    for (column, value) in [
        ("title", "Miss"),
        ("city", "Blessington"),
        ("country", "Ireland"),
        ("nat", "IE"),
        ("post_code", "78276"),
        ("timezone", "+1:00"),
        ("cell", "081-807-8083"),
        ("age_band", "55-64"),
        ("source", "randomuser:abc/1/0"),
    ] {
        assert_eq!(laura[column].as_deref(), Some(value), "{column}");
    }
    assert_eq!(laura["latitude"].as_deref(), Some("2.0565"));
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn what_a_user_must_not_lose_to_the_world_never_leaves_the_producer() {
    let world = World::new("secrets").await.with("API_SEED", "abc").with("API_BATCH_SIZE", "10");
    let page = recorded_page();
    let api = FixedApi::start(page.clone()).await;
    assert_eq!(world.produce_once(&api.url()).await, Exit::Done);
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    let records = world.user_data().await;
    assert_eq!(records.len(), 10);
    for record in &records {
        let wire = String::from_utf8_lossy(record.value.as_deref().expect("a value")).into_owned();
        for user in page["results"].as_array().expect("users") {
            for secret in ["password", "salt", "md5", "sha1", "sha256"] {
                let secret = user["login"][secret].as_str().expect("text");
                assert!(!wire.contains(&format!("\"{secret}\"")), "a secret on the wire");
            }
        }
    }
}

#[tokio::test]
async fn several_shards_and_the_newer_group_protocol_carry_the_same_records() {
    let world = World::new("shards").await.with("API_SEED", "shardsa").with("API_BATCH_SIZE", "100");
    let world = world.with("PIPELINE_SHARDS", "2").with("KAFKA_GROUP_PROTOCOL", "consumer");
    let api = simulator().await;
    let processor = world.processor();
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    world.wait_until_consumed().await;
    let written = ids("shardsa", 1..=1, 100).into_iter().collect();
    world.census().await.assert_places(&written, &NONE);
    assert_eq!(processor.stop().await, Exit::Done);
}
