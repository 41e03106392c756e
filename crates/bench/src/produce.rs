//! What publishing costs: our client's path against the client library's own tool, and the producer as a user runs it.
//!
//! - [`pair`]: both send the same value with the same headers under the same properties, in turn. The tool can send one value
//!   only, so all records are copies of it, and without a key, because it has one key at most and with it one partition.
//! - [`whole`]: the real producer, fed by the simulator of the API, page by page.

mod pair;
mod whole;

use serde::{Deserialize, Serialize};

use crate::ground::KAFKA;
pub use crate::produce::pair::{Pair, pair};
pub use crate::produce::whole::{Api, Programs, Whole, api, whole};
use crate::sampler::Span;

/// One run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Publishing {
    /// Records acknowledged.
    pub records: u64,
    /// How long it took.
    pub seconds: f64,
    /// Records over seconds.
    pub records_per_second: f64,
    /// Of the client, for a record.
    pub client_cpu_us: f64,
    /// Of Kafka, for a record.
    pub kafka_cpu_us: f64,
    /// Time that the host took from this machine, percent.
    pub steal_percent: f64,
    /// Time that nobody used, percent.
    pub idle_percent: f64,
}

impl Publishing {
    fn of(records: u64, seconds: f64, client_cpu_seconds: f64, span: &Span) -> Self {
        let per_record = |seconds: f64| seconds * 1e6 / records.max(1) as f64;
        Self {
            records,
            seconds,
            records_per_second: records as f64 / seconds.max(f64::EPSILON),
            client_cpu_us: per_record(client_cpu_seconds),
            kafka_cpu_us: per_record(span.cpu_seconds(KAFKA)),
            steal_percent: span.steal_percent,
            idle_percent: span.idle_percent,
        }
    }
}
