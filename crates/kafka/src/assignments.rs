//! The partitions held now, each with the ledger of its assignment.

use std::sync::Arc;

use schema::record::Record;

use crate::ledger::{Delivery, Ledger, Settlement};
use crate::rebalance::GroupContext;
use crate::receipt::{Assignment, Epoch, Inbox, Report};
use crate::status::PartitionStatus;

/// One partition held.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) topic: Arc<str>,
    partition: i32,
    assignment: Arc<Assignment>,
    ledger: Ledger,
    committed: Option<i64>,
}

impl Held {
    /// Opens a record; false when this assignment saw it before.
    pub(crate) fn deliver(&mut self, record: &Record, bytes: usize) -> bool {
        self.ledger.deliver(record.offset, bytes, record.timestamp_ms) == Delivery::Opened
    }

    /// For the record's receipt.
    pub(crate) fn handle(&self) -> Arc<Assignment> {
        Arc::clone(&self.assignment)
    }

    fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && &*self.topic == topic
    }

    fn status(&self, context: &GroupContext, paused: Option<&str>) -> PartitionStatus {
        let remote = context.remote(&self.topic, self.partition);
        let frontier = self.ledger.frontier();
        let committed = self.committed.or_else(|| remote.and_then(|remote| remote.committed));
        let lag = remote.and_then(|remote| {
            // Behind the last record there may be transaction markers: offsets that are never delivered.
            if self.ledger.unpassed() == 0 && remote.next_fetch >= remote.end {
                return Some(0);
            }
            frontier.or(committed).map(|at| (remote.end - at).max(0))
        });
        PartitionStatus {
            topic: self.topic.to_string(),
            partition: self.partition,
            frontier,
            committed,
            // The statistics are up to a second older than the ledger.
            end: remote.map(|remote| remote.end.max(frontier.unwrap_or(0))),
            lag,
            oldest_unpassed_ms: self.ledger.oldest_ms(),
            in_flight: self.ledger.unpassed(),
            settled: self.ledger.settled(),
            unaccounted: self.ledger.unaccounted(),
            paused: paused.map(str::to_owned),
        }
    }
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    held: Vec<Held>,
    epochs: u64,
    /// Where the last look-up ended: records and reports come in runs of one partition.
    last: usize,
}

impl Assignments {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn add(&mut self, topic: &str, partition: i32, inbox: &Arc<Inbox>) {
        self.epochs += 1;
        self.held.push(Held {
            topic: topic.into(),
            partition,
            assignment: Arc::new(Assignment::new(Epoch(self.epochs), Arc::clone(inbox))),
            ledger: Ledger::new(),
            committed: None,
        });
    }

    fn find(&mut self, wanted: impl Fn(&Held) -> bool) -> Option<&mut Held> {
        if !self.held.get(self.last).is_some_and(&wanted) {
            self.last = self.held.iter().position(wanted)?;
        }
        self.held.get_mut(self.last)
    }

    /// The partition that a polled record belongs to; none when it was given back.
    pub(crate) fn holding(&mut self, topic: &str, partition: i32) -> Option<&mut Held> {
        self.find(|held| held.is(topic, partition))
    }

    /// Settles a report; records and bytes to refund, or none when its epoch has ended or its offset is not open.
    pub(crate) fn settle(&mut self, report: Report) -> Option<(usize, usize)> {
        let held = self.find(|held| held.assignment.epoch == report.epoch)?;
        match held.ledger.settle(report.offset, report.outcome) {
            Settlement::Accepted { records, bytes } => Some((records, bytes)),
            Settlement::Unknown => None,
        }
    }

    /// Frontiers that are ahead of what was committed.
    pub(crate) fn uncommitted(&self) -> Vec<(Arc<str>, i32, i64)> {
        self.held
            .iter()
            .filter_map(|held| {
                let frontier = held.ledger.frontier().filter(|_| held.ledger.settled().total() > 0)?;
                (held.committed != Some(frontier)).then(|| (Arc::clone(&held.topic), held.partition, frontier))
            })
            .collect()
    }

    /// The broker confirmed these.
    pub(crate) fn committed(&mut self, offsets: &[(Arc<str>, i32, i64)]) {
        for (topic, partition, offset) in offsets {
            if let Some(held) = self.holding(topic, *partition) {
                held.committed = Some(*offset);
            }
        }
    }

    pub(crate) fn held(&self) -> Vec<(String, i32)> {
        self.held.iter().map(|held| (held.topic.to_string(), held.partition)).collect()
    }

    fn among<'a>(&'a self, partitions: &'a [(String, i32)]) -> impl Iterator<Item = &'a Held> {
        self.held.iter().filter(|held| partitions.iter().any(|(topic, partition)| held.is(topic, *partition)))
    }

    pub(crate) fn stop_dispatch(&self, partitions: &[(String, i32)]) {
        self.among(partitions).for_each(|held| held.assignment.stop_dispatch());
    }

    pub(crate) fn in_flight(&self, partitions: &[(String, i32)]) -> usize {
        self.among(partitions).map(|held| held.assignment.in_flight()).sum()
    }

    /// Ends the epochs of `partitions`; records and bytes that were open, to refund.
    pub(crate) fn remove(&mut self, partitions: &[(String, i32)]) -> (usize, usize) {
        let open = self.among(partitions).fold((0, 0), |(records, bytes), held| {
            (records + held.ledger.unpassed(), bytes + held.ledger.unpassed_bytes())
        });
        self.held.retain(|held| !partitions.iter().any(|(topic, partition)| held.is(topic, *partition)));
        self.last = 0;
        open
    }

    pub(crate) fn status(&self, context: &GroupContext, paused: Option<&str>) -> Vec<PartitionStatus> {
        self.held.iter().map(|held| held.status(context, paused)).collect()
    }
}
