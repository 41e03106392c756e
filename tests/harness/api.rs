//! The recorded users, an API that always gives the same answer, and the simulator.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use axum::Router;
use randomuser_sim::{Catalogue, Running as Simulator, Settings};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/schema/tests/fixtures/randomuser");
    std::fs::read_to_string(folder.join(name)).expect("a fixture of the schema crate")
}

/// Ten users as the public API gave them: seed `abc`, page 1.
pub fn recorded_page() -> String {
    fixture("seed_abc_results10_page1.json")
}

/// What an existing pipeline derives from them.
pub fn recorded_flat() -> Vec<Value> {
    serde_json::from_str(&fixture("seed_abc_results10_page1.flat.json")).expect("JSON")
}

/// An API that answers every request with the same body. Ends when dropped.
pub struct FixedApi {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl FixedApi {
    /// Serves `body` as JSON on a free port.
    pub async fn start(body: String) -> Self {
        let router = Router::new().fallback(move || async move { ([("content-type", "application/json")], body) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("the API serves") });
        Self { address, serving }
    }

    /// For `API_BASE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}/api/", self.address)
    }
}

impl Drop for FixedApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A simulator of the API without a rate limit.
pub async fn simulator() -> Simulator {
    Simulator::start(Settings::for_test()).await.expect("a simulator")
}

/// The ids of the users that the simulator gives for pages of a seed, in order.
pub fn ids(seed: &str, pages: RangeInclusive<u32>, size: u32) -> Vec<String> {
    let catalogue = Catalogue::new();
    let id = |page, index| catalogue.user(seed, page, index)["login"]["uuid"].as_str().expect("an id").to_owned();
    pages.flat_map(|page| (0..size).map(move |index| (page, index))).map(|(page, index)| id(page, index)).collect()
}
