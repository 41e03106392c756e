//! A worker: takes what has queued up while its previous request was in flight, decodes, writes, settles.
//!
//! No timers: under light load a batch is one record, under heavy load it is full.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use cassandra::UserTable;
use chrono::Utc;
use kafka::{Outcome, Receipt, Work};
use schema::fault::Fault;
use schema::headers::REPLAY_ID;
use schema::record::Record;
use schema::row::{UserRow, row_of};

use crate::dead_letters::{DeadLetters, UnderWay, Unsent};
use crate::floodgate::Floodgate;
use crate::hand::Hand;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::writer::Writer;

/// Records taken at once; they make up several batches when rows are large.
const TAKE: usize = 64;

/// What the workers of one shard share.
pub(crate) struct Line {
    pub(crate) intake: Intake<Work>,
    pub(crate) writer: Writer<UserTable>,
    pub(crate) dead_letters: Rc<DeadLetters>,
    pub(crate) floodgate: Arc<Floodgate>,
    pub(crate) metrics: Metrics,
}

/// Rows that share their first replica, with their records' places in what was taken.
#[derive(Default)]
struct Group<'a> {
    places: Vec<usize>,
    rows: Vec<UserRow<'a>>,
}

/// Works until the intake is closed and empty.
pub(crate) async fn work(line: Rc<Line>) -> Result<(), Unsent> {
    // As much as makes a batch.
    let take = line.writer.table().limits().rows.min(TAKE);
    let mut taken = Vec::with_capacity(take);
    let mut letters = UnderWay::new(&line.dead_letters);
    loop {
        tokio::select! {
            biased;
            // First, so that what has ended goes away under load as well.
            ended = letters.ended() => {
                ended?;
                continue;
            }
            more = line.intake.take(take, &mut taken) => if !more { break },
        }
        // What does not start belongs to a partition that is being given back: another member reads it again.
        let (records, receipts): (Vec<Record>, Vec<Receipt>) = taken.drain(..).filter_map(Work::start).unzip();
        let hand = Hand::new(receipts);
        tokio::select! {
            biased;
            served = line.serve(records, &hand, &mut letters) => served?,
            () = hand.let_go(|| line.is_troubled()) => {}
        }
    }
    letters.all_ended().await
}

impl Line {
    /// True while something on the line merely waits.
    fn is_troubled(&self) -> bool {
        self.writer.is_troubled() || self.floodgate.is_shut() || self.dead_letters.trouble.reason().is_some()
    }

    /// Writes and settles what can be written; what cannot goes on its way as dead letters.
    async fn serve(&self, records: Vec<Record>, hand: &Hand, letters: &mut UnderWay) -> Result<(), Unsent> {
        self.floodgate.open().await;
        let faults = self.write(&records, hand).await;
        for (place, (record, fault)) in records.into_iter().zip(faults).enumerate() {
            match fault {
                None => self.floodgate.healthy(),
                Some(fault) => self.bury(record, fault, place, hand, letters).await?,
            }
        }
        Ok(())
    }

    /// Writes what can be written and settles it; for each record, in order, none if its row was acknowledged, else why it
    /// never can be.
    async fn write(&self, records: &[Record], hand: &Hand) -> Vec<Option<Fault>> {
        let now = Utc::now();
        let table = self.writer.table();
        let mut faults = Vec::with_capacity(records.len());
        let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
        for (place, record) in records.iter().enumerate() {
            match row_of(record, now) {
                Ok(row) => {
                    let group = groups.entry(table.replica_of(row.id)).or_default();
                    group.places.push(place);
                    group.rows.push(row);
                    faults.push(None);
                }
                Err(fault) => faults.push(Some(*fault)),
            }
        }
        for Group { places, rows } in groups.into_values() {
            let (mut places, mut rows) = (&*places, &*rows);
            while !rows.is_empty() {
                let count = table.batch_of(rows).min(rows.len());
                let ((of_batch, other_places), (batch, other_rows)) = (places.split_at(count), rows.split_at(count));
                let outcomes = self.writer.write(batch).await;
                let written = Utc::now();
                for ((place, row), outcome) in of_batch.iter().zip(batch).zip(outcomes) {
                    if outcome.is_none() {
                        self.metrics.observe_latency(written, row.version);
                        hand.settle(*place, Outcome::Written);
                    }
                    if let Some(fault) = faults.get_mut(*place) {
                        *fault = outcome;
                    }
                }
                (places, rows) = (other_places, other_rows);
            }
        }
        faults
    }

    /// Sends a record on its way as a dead letter, unless a poison flood stops the line: then it waits, undecided.
    async fn bury(
        &self,
        record: Record,
        fault: Fault,
        place: usize,
        hand: &Hand,
        letters: &mut UnderWay,
    ) -> Result<(), Unsent> {
        letters.room().await?;
        // What an operator has put back on purpose says nothing about the deploy.
        let replayed = record.headers.contains(REPLAY_ID);
        // Its next owner finds it poison, too, where it was let go.
        while hand.holds(place) && if replayed { self.floodgate.is_shut() } else { !self.floodgate.poison() } {
            self.floodgate.open().await;
        }
        if let Some(hand) = hand.part_with(place) {
            letters.send(record, fault, hand);
        }
        Ok(())
    }
}
