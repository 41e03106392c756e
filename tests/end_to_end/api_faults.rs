//! What the API does wrong is waited out: nothing is lost, nothing is dead-lettered, and it is not hammered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use end_to_end::World;
use serde_json::{Value, json};
use service::Exit;

use crate::{ids, set_faults, simulator};

/// One page of 20 users behind these faults, one an answer; the page arrives whole, after exactly one request more than
/// there were faults.
async fn page_arrives_behind(name: &str, faults: Value) -> Duration {
    let world = World::new(name).await.with("API_SEED", "faulta").with("API_BATCH_SIZE", "20");
    let world = world.with("API_TIMEOUT_SECONDS", "1");
    let api = simulator().await;
    let count = faults.as_array().expect("a list").len();
    set_faults(&api, &json!({"next": faults})).await;
    let begun = Instant::now();
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    let took = begun.elapsed();
    let processor = world.processor();
    assert_eq!(world.wait_until_consumed().await, 20, "the page once");
    let written: BTreeSet<String> = ids("faulta", 1..=1, 20).into_iter().collect();
    world.census().await.assert_places(&written, &BTreeSet::new());
    let stats: Value =
        serde_json::from_str(&reqwest::get(api.url("/stats")).await.expect("an answer").text().await.expect("text"))
            .expect("JSON");
    assert_eq!(stats["requests"], json!(count + 1), "{stats}");
    assert_eq!(processor.stop().await, Exit::Done);
    took
}

#[tokio::test]
async fn errors_of_the_server_with_html_are_retried() {
    page_arrives_behind("api_5xx", json!([{"status": 500}, {"status": 502}, {"status": 503}])).await;
}

#[tokio::test]
async fn more_failures_than_retries_do_not_end_the_run() {
    let faults: Vec<Value> = (0..9).map(|_| json!({"status": 504})).collect();
    page_arrives_behind("api_long", Value::from(faults)).await;
}

#[tokio::test]
async fn too_many_requests_is_waited_out_with_and_without_retry_after() {
    let took = page_arrives_behind("api_429", json!([{"status": 429}, {"status": 429, "retry_after": "2"}])).await;
    assert!(took >= Duration::from_secs(2), "the least wait is the API's: {took:?}");
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let until = chrono::Utc::now() + chrono::TimeDelta::seconds(3);
    let date = until.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    page_arrives_behind("api_date", json!([{"status": 429, "retry_after": date}])).await;
    assert!(chrono::Utc::now().timestamp() >= until.timestamp(), "not before that date");
}

#[tokio::test]
async fn a_time_out_is_retried() {
    page_arrives_behind("api_slow", json!([{"delay_ms": 3_000}])).await;
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_retried() {
    page_arrives_behind("api_garbage", json!([{"truncate": true}, {"html": true}, {"error": "Uh oh"}])).await;
}

#[tokio::test]
async fn an_answer_to_another_question_is_never_taken_as_success() {
    page_arrives_behind(
        "api_contract",
        json!([{"empty": true}, {"count": 3}, {"count": 21}, {"page": 9}, {"seed": "other"}]),
    )
    .await;
}

#[tokio::test]
async fn an_api_that_is_down_makes_the_producer_wait_without_a_hot_loop() {
    let world = World::new("api_down").await.with("API_SEED", "downa").with("API_BATCH_SIZE", "5");
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let producer = world.producer(&format!("http://127.0.0.1:{port}/api/"));
    let failures = || producer.metric("sluice_producer_api_requests_total{outcome=\"unreachable\"}");
    end_to_end::wait_for("several tries", async || if failures() >= 6.0 { Ok(()) } else { Err(failures()) }).await;
    let (seen, begun) = (failures(), Instant::now());
    end_to_end::wait_for("more tries", async || if failures() >= seen + 4.0 { Ok(()) } else { Err(failures()) }).await;
    assert!(begun.elapsed() >= Duration::from_millis(4 * 50), "four tries are at least four least delays apart");
    assert!(!producer.health().ready, "/readyz says so");
    assert!(world.dead_letters().await.is_empty() && world.user_data().await.is_empty());
    assert_eq!(producer.stop().await, Exit::Done);
}
