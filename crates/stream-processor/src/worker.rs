//! A worker: takes what has queued up while its previous request was in flight, decodes, writes, settles.
//!
//! No timers: under light load a batch is one record, under heavy load it is full.

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::Utc;
use kafka::{Outcome, Receipt, Work};
use schema::fault::Fault;
use schema::record::Record;
use schema::row::{UserRow, row_of};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::dead_letters::DeadLetters;
use crate::metrics::Metrics;
use crate::writer::Writer;

/// Records taken at once; they make up several batches when rows are large.
const TAKE: usize = 64;

/// What the workers of one shard share.
pub(crate) struct Line {
    pub(crate) intake: Mutex<UnboundedReceiver<Work>>,
    pub(crate) writer: Writer,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) metrics: Metrics,
    /// Rows per batch at most, hence how much one worker takes.
    pub(crate) batch_rows: usize,
}

/// Works until the intake is closed and empty.
pub(crate) async fn work(line: Rc<Line>) {
    let take = line.batch_rows.min(TAKE);
    let mut taken = Vec::with_capacity(take);
    loop {
        // One worker waits at the intake, the others behind it; whoever holds it takes a whole batch.
        if line.intake.lock().await.recv_many(&mut taken, take).await == 0 {
            return;
        }
        // What does not start belongs to a partition that is being given back: another member reads it again.
        let (records, receipts): (Vec<Record>, Vec<Receipt>) = taken.drain(..).filter_map(Work::start).unzip();
        let faults = line.write(&records).await;
        for ((record, receipt), fault) in records.into_iter().zip(receipts).zip(faults) {
            match fault {
                None => receipt.settle(Outcome::Written),
                Some(fault) => {
                    line.dead_letters.send(record, &fault).await;
                    receipt.settle(Outcome::DeadLettered);
                }
            }
        }
    }
}

impl Line {
    /// Writes what can be written; for each record, in order, none if its row was acknowledged, else why it never can be.
    async fn write(&self, records: &[Record]) -> Vec<Option<Fault>> {
        let now = Utc::now();
        let mut faults = Vec::with_capacity(records.len());
        let mut groups: BTreeMap<_, Vec<(usize, UserRow<'_>)>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            match row_of(record, now) {
                Ok(row) => {
                    groups.entry(self.writer.table.replica_of(row.id)).or_default().push((index, row));
                    faults.push(None);
                }
                Err(fault) => faults.push(Some(*fault)),
            }
        }
        for rows in groups.into_values() {
            let (indexes, rows): (Vec<usize>, Vec<UserRow<'_>>) = rows.into_iter().unzip();
            let (mut indexes, mut rows) = (&*indexes, &*rows);
            while !rows.is_empty() {
                let count = self.writer.table.batch_of(rows).min(rows.len());
                let ((of_batch, other_indexes), (batch, other_rows)) = (indexes.split_at(count), rows.split_at(count));
                for ((index, row), outcome) in of_batch.iter().zip(batch).zip(self.writer.write(batch).await) {
                    if outcome.is_none() {
                        self.metrics.observe_latency(Utc::now(), row.version);
                    }
                    if let Some(fault) = faults.get_mut(*index) {
                        *fault = outcome;
                    }
                }
                (indexes, rows) = (other_indexes, other_rows);
            }
        }
        faults
    }
}
