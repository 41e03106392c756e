//! Sends records when they are due, on a thread of its own, and waits for no acknowledgement.
//!
//! Those that are due when it wakes up, once a millisecond at most, go together and to one partition, as a producer of many
//! records sends them; the partitions take turns. A request for each would cost the broker more than the rest of a record's way.

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

/// From one wake-up to the next at least.
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
    let mut partitions = (0..PARTITIONS).cycle();
    loop {
        let (woken, partition) = (Instant::now(), partitions.next());
        while next < schedule.records() && beginning.instant + schedule.due(next) <= Instant::now() {
            let due = schedule.due(next);
            unanswered.push(producer.send(record(recipe, next, topic, partition, beginning.since_1970 + due)));
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

fn record(recipe: &Recipe, index: u64, topic: &Arc<str>, partition: Option<i32>, due: Duration) -> NewRecord {
    let mut record = recipe.record(index, topic);
    record.partition = partition;
    record.timestamp_ms = i64::try_from(due.as_millis()).ok();
    record.headers.push(DUE, due.as_micros().to_string());
    record
}
