//! The benchmarks: how fast, how lean and how prompt a way from Kafka into Cassandra is, ours and others', on one real stack.
//!
//! - What is read: [`records`] makes the records, [`load`] puts them on a topic of the [`ground`], a real Kafka and a real
//!   Cassandra, and [`expected`] is what has to become of them.
//! - Who reads: a [`contender`], ours or that of a [`peer`].
//! - What is done: a [`drain`] is one run, a [`contest`] is [`rounds`] of several behind [`warming`], as a [`plan`] says; a [`replay`] is of
//!   dead letters.
//! - What is possible at all: [`ceiling`], with [`client_tool`] and [`native`] in the place of any pipeline.
//! - How prompt: [`latency`] sends by a schedule and looks for the rows. What publishing costs: [`produce`]. What doing nothing
//!   costs: [`idle`]. What a [`build`] costs and gives. Services that are no contenders are started as [`own`].
//! - What is seen: [`sampler`] reads from [`proc`] what processes and machine use, a [`curve`] is the way of a run, the [`census`]
//!   reads the whole table with a [`checksum`].
//! - What comes out: a [`run`], the [`comparison`] of many with [`statistics`], [`results`] of a [`machine`], and a [`table`].
//! - What is told of it: a [`report`] makes tables and plots of the files, and of nothing else.
//!
//! One rule: a figure is told with what may have bent it. A run that lost rows, or was disturbed, is shown and never left out.

mod build;
mod ceiling;
mod census;
mod checksum;
mod client_tool;
mod comparison;
mod contender;
mod contest;
mod curve;
mod drain;
mod expected;
mod failure;
mod ground;
mod idle;
mod latency;
mod load;
mod machine;
mod native;
mod own;
mod peer;
mod plan;
mod proc;
mod produce;
mod records;
mod replay;
mod report;
mod results;
mod rounds;
mod run;
mod sampler;
mod statistics;
pub mod table;
mod warming;

pub use build::{Built, Layer};
pub use ceiling::{Both, CeilingOptions, Ceilings, Consumption, Push, PushPoint, ceilings};
pub use census::Census;
pub use client_tool::ClientTool;
pub use comparison::{Compared, Line, compare};
pub use contender::{Contender, Offsets};
pub use contest::{Case, Found};
pub use curve::{Curve, Point};
pub use failure::BenchError;
pub use ground::Ground;
pub use idle::{Idle, Services, idle};
pub use latency::{Acknowledged, LatencyOptions, LatencyRun, Summary, latency};
pub use load::Loaded;
pub use machine::{Machine, Revision};
pub use native::NativeError;
pub use peer::{Installed, LeftOut, Peer};
pub use plan::{Growth, PARTITIONS, Plan, scale};
pub use produce::{Api, Pair, Programs, Publishing, Whole, api, pair, whole};
pub use records::{Document, Recipe};
pub use replay::{Replay, ReplayPrograms, Replays};
pub use report::Report;
pub use results::Results;
pub use run::{CpuPerRecord, End, Run};
pub use sampler::{Sampler, Snapshot, Span, Usage};
pub use statistics::Spread;
pub use warming::Warming;

/// Lines for whoever watches a run.
pub type Voice = tokio::sync::mpsc::UnboundedSender<String>;
