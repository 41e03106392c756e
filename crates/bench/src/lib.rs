//! The benchmarks: how fast, how lean and how prompt a way from Kafka into Cassandra is, ours and others', on one real stack.
//!
//! - What is read: [`records`] makes the records, [`load`] puts them on a topic of the [`ground`], a real Kafka and a real Cassandra.
//! - What is possible at all: [`ceiling`], with [`client_tool`] and [`native`] in the place of any pipeline.
//! - What is seen: [`sampler`] reads from `/proc` what processes and machine use.
//!
//! One rule: a figure is told with what may have bent it. A run that lost rows, or was disturbed, is shown and never left out.

mod ceiling;
mod client_tool;
mod failure;
mod ground;
mod load;
mod native;
mod proc;
mod records;
mod sampler;

pub use ceiling::{Both, CeilingOptions, Ceilings, Consumption, Push, PushPoint, ceilings};
pub use client_tool::ClientTool;
pub use failure::BenchError;
pub use ground::Ground;
pub use load::Loaded;
pub use native::NativeError;
pub use records::{Document, Recipe};
pub use sampler::{Sampler, Snapshot, Span, Usage};

/// Lines for whoever watches a run.
pub type Voice = tokio::sync::mpsc::UnboundedSender<String>;
