//! Sends records when they are due, on a thread of its own, and waits for no acknowledgement.
//!
//! Those of one millisecond go together and to one partition, as a producer of many records sends them. A request for each
//! would cost the broker more than all the rest of a record's way.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use kafka::{KafkaSettings, Producer};
use schema::record::NewRecord;

use crate::failure::BenchError;
use crate::ground::CLIENT;
use crate::latency::schedule::Schedule;
use crate::latency::summary::{Summary, Times};
use crate::plan::PARTITIONS;
use crate::records::Recipe;

/// The header that says when a record was due, microseconds since 1970.
const DUE: &str = "bench.due_us";

/// What is due within it is sent at once.
const TOGETHER: Duration = Duration::from_millis(1);

/// The beginning of a schedule by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    pub(crate) instant: Instant,
    pub(crate) since_1970: Duration,
}

impl Beginning {
    pub(crate) fn after(delay: Duration) -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + delay;
        Self { instant: Instant::now() + delay, since_1970 }
    }
}

/// What became of the sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) records: u64,
    /// How much later than due records were handed to the client; the latencies contain it.
    pub(crate) late: Option<Summary>,
}

/// Sends all records of the schedule to `topic`, or until `stop` is dropped. Blocks.
pub(crate) fn send(
    schedule: &Schedule,
    recipe: &Recipe,
    topic: &Arc<str>,
    kafka: &KafkaSettings,
    beginning: Beginning,
    stop: &Receiver<()>,
) -> Result<Sent, BenchError> {
    let producer = Producer::new(kafka, CLIENT)?;
    let mut unanswered = FuturesUnordered::new();
    let mut late = Times::new();
    let mut next = 0;
    loop {
        let woken = Instant::now();
        while next < schedule.records() && beginning.instant + schedule.due(next) <= Instant::now() {
            let due = schedule.due(next);
            let record = record(recipe, next, topic, beginning.since_1970 + due);
            unanswered.push(producer.send(NewRecord { partition: Some(partition(due)), ..record }));
            late.record((beginning.instant + due).elapsed());
            next += 1;
        }
        while let Some(Some(outcome)) = unanswered.next().now_or_never() {
            outcome?;
        }
        let pause = match next < schedule.records() {
            true => {
                let due = beginning.instant + schedule.due(next);
                due.max(woken + TOGETHER).saturating_duration_since(Instant::now())
            }
            false if unanswered.is_empty() => return Ok(Sent { records: next, late: late.summary() }),
            false => Duration::from_millis(1),
        };
        if stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return Ok(Sent { records: next, late: late.summary() });
        }
    }
}

/// The partitions take turns, a millisecond each.
fn partition(due: Duration) -> i32 {
    let turn = due.as_nanos() / TOGETHER.as_nanos() % u128::from(PARTITIONS.unsigned_abs());
    i32::try_from(turn).unwrap_or_default()
}

fn record(recipe: &Recipe, index: u64, topic: &Arc<str>, due: Duration) -> NewRecord {
    let mut record = recipe.record(index, topic);
    record.timestamp_ms = i64::try_from(due.as_millis()).ok();
    record.headers.push(DUE, due.as_micros().to_string());
    record
}
