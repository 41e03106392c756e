//! Torture: the services under load, while everything that can fail does, and at the end the proof that nothing was lost and
//! nothing is there twice.
//!
//! - What is done: [`schedule`] decides from a seed, [`trial`] does it, [`fault`] is the vocabulary.
//! - To whom: [`crew`] of services ([`member`] is one of them) on the [`ground`] of a real Kafka and a real Cassandra, over a [`network`] of proxies.
//! - Under which load: [`recipe`] makes records, [`load`] sends them and keeps the [`model`]; [`api`] gives users.
//! - What is seen meanwhile: [`watch`] asks, [`sight`] remembers, [`diary`] tells.
//! - What is left at the end: [`rest`] waits, [`gather`] reads the [`findings`], [`census`], [`replays`] and [`bounds`] judge them, [`report`]
//!   says so.
//!
//! One rule: the judging parts are pure. They get what was found and what was promised, so that a test can show each of them
//! to fail.

mod api;
mod bounds;
mod census;
mod crew;
mod diary;
mod dice;
mod failure;
mod fault;
mod findings;
mod gather;
mod ground;
mod load;
mod member;
mod model;
mod network;
mod recipe;
mod replays;
mod report;
mod rest;
mod run;
mod schedule;
mod sight;
mod trial;
mod watch;

pub use census::Check;
pub use crew::Programs;
pub use diary::{Done, Voice};
pub use failure::TortureError;
pub use report::{Records, Report, Times};
pub use run::{Options, run};
