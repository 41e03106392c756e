//! What end-to-end tests stand on: one real Kafka and one real Cassandra for all tests of a process, a [`World`] of its own
//! topics and keyspace for each test, services as functions or as processes, [`Servers`] for a test that disturbs them, and a
//! [`Census`] of where every key ended.
//!
//! Nothing here sleeps for a fixed time: [`wait_for`] asks until it is so, and says what it saw when it never was.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails a test by panicking, with what it saw"
)]

mod api;
mod browser;
mod census;
mod evidence;
mod load;
mod network;
mod process;
mod running;
mod servers;
mod stack;
mod transaction;
mod wait;
mod world;

pub use api::{FixedApi, ids, recorded_flat, recorded_page, simulator};
pub use browser::{Browser, Width};
pub use census::Census;
pub use load::Load;
pub use network::Network;
pub use process::Process;
pub use running::Running;
pub use servers::Servers;
pub use stack::{artifacts, data_folder, program, stack};
pub use transaction::OpenTransaction;
pub use wait::wait_for;
pub use world::{Row, World, flat_record, user_record};
