//! The main job on a real Kafka and a real Cassandra, one test a sentence.
#![cfg(test)]

mod api_faults;
mod containers;
mod dependencies;
mod happy_path;
mod hostile_users;
mod poison;
mod processes;
mod replay;
mod restart;
mod versions;

use randomuser_sim::{Running as Simulator, Settings};

/// A simulator of the API without a rate limit.
async fn simulator() -> Simulator {
    Simulator::start(Settings::for_test()).await.expect("a simulator")
}

/// Sets faults over HTTP, as a user of the simulator does.
async fn set_faults(simulator: &Simulator, faults: &serde_json::Value) {
    let request = reqwest::Client::new().put(simulator.url("/faults")).body(faults.to_string());
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "faults are taken: {}", answer.text().await.expect("text"));
}

/// The ids of the users that the simulator gives for pages of a seed, in order.
fn ids(seed: &str, pages: std::ops::RangeInclusive<u32>, size: u32) -> Vec<String> {
    let catalogue = randomuser_sim::Catalogue::new();
    let id = |page, index| catalogue.user(seed, page, index)["login"]["uuid"].as_str().expect("an id").to_owned();
    pages.flat_map(|page| (0..size).map(move |index| (page, index))).map(|(page, index)| id(page, index)).collect()
}
