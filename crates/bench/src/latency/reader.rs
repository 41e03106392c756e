//! Looks for keys in Cassandra until their rows are there: what anybody else sees of a pipeline, whatever it says of itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::latency::schedule::Schedule;
use crate::latency::sender::Beginning;
use crate::latency::summary::Times;
use crate::native::{Connection, NativeError, Values};
use crate::records::Recipe;

/// Between two looks, whichever key they are for: a thousand a second do not weigh on the server.
const PAUSE: Duration = Duration::from_millis(1);

/// Of the keys that are missing, the oldest so many are looked for in turn: behind a contender that does not keep up, each look
/// at a key is then at most a quarter of a second old.
const OLDEST: usize = 250;

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// From when a record was due to the answer that had its row.
    pub(crate) times: Times,
    /// Keys whose rows were not there when the patience ended.
    pub(crate) never: u64,
}

/// What is looked for, and where.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) address: SocketAddr,
    /// `keyspace.table`.
    pub(crate) table: String,
    pub(crate) recipe: Recipe,
    pub(crate) schedule: Schedule,
    pub(crate) beginning: Beginning,
    /// How long rows are waited for behind the last record's time.
    pub(crate) patience: Duration,
}

impl Search {
    /// Looks until all keys were seen or the patience has ended, or until `stop` is dropped. Blocks.
    pub(crate) fn run(&self, stop: &Receiver<()>) -> Result<Seen, NativeError> {
        let mut connection = Connection::open(self.address)?;
        let prepared = connection.prepare(&format!("SELECT id FROM {} WHERE id = ?", self.table))?;
        let mut coming = self.schedule.probes().peekable();
        let mut missing: VecDeque<(Duration, Uuid)> = VecDeque::new();
        let mut times = Times::new();
        let mut frame = Vec::new();
        let mut turn = 0_usize;
        let end = self.beginning.instant + self.schedule.warm_up + self.schedule.counted + self.patience;
        while Instant::now() < end {
            let now = self.beginning.instant.elapsed();
            while let Some(index) = coming.next_if(|index| self.schedule.due(*index) <= now) {
                missing.push_back((self.schedule.due(index), self.recipe.id(index)));
            }
            let at = turn % missing.len().clamp(1, OLDEST);
            let pause = match (missing.get(at), coming.peek()) {
                (Some((due, id)), _) => {
                    let mut key = Values::default();
                    key.push(id.as_bytes());
                    frame.clear();
                    prepared.execute(&mut frame, 0, &key);
                    if connection.ask(&frame)?.rows()? > 0 {
                        times.record((self.beginning.instant + *due).elapsed());
                        missing.remove(at);
                    } else {
                        turn = turn.wrapping_add(1);
                    }
                    PAUSE
                }
                (None, Some(next)) => {
                    (self.beginning.instant + self.schedule.due(*next)).saturating_duration_since(Instant::now())
                }
                (None, None) => break,
            };
            if stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        Ok(Seen { times, never: (missing.len() + coming.count()) as u64 })
    }
}

/// Waits until the row of `id` is there, at most `limit`; how long it took. Blocks.
pub(crate) fn wait_for_row(
    address: SocketAddr,
    table: &str,
    id: Uuid,
    limit: Duration,
    stop: &Receiver<()>,
) -> Result<Option<Duration>, NativeError> {
    let mut connection = Connection::open(address)?;
    let prepared = connection.prepare(&format!("SELECT id FROM {table} WHERE id = ?"))?;
    let mut key = Values::default();
    key.push(id.as_bytes());
    let mut frame = Vec::new();
    prepared.execute(&mut frame, 0, &key);
    let began = Instant::now();
    while began.elapsed() < limit {
        if connection.ask(&frame)?.rows()? > 0 {
            return Ok(Some(began.elapsed()));
        }
        if stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    Ok(None)
}
