//! The main job on a real Kafka and a real Cassandra, one test a sentence.
#![cfg(test)]

mod accounts;
mod api_faults;
mod benchmark;
mod containers;
mod cursor;
mod dependencies;
mod flood;
mod happy_path;
mod hostile_users;
mod isolation;
mod membership;
mod pauses;
mod poison;
mod processes;
mod replay;
mod replay_dialects;
mod replay_jobs;
mod replay_killed;
mod replay_preflight;
mod replay_serve;
mod replay_understanding;
mod restart;
mod story;
mod versions;
mod web;

use end_to_end::{ids, simulator};
use randomuser_sim::Running as Simulator;

/// Sets faults over HTTP, as a user of the simulator does.
async fn set_faults(simulator: &Simulator, faults: &serde_json::Value) {
    let request = reqwest::Client::new().put(simulator.url("/faults")).body(faults.to_string());
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "faults are taken: {}", answer.text().await.expect("text"));
}
