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

#[cfg(test)]
mod tests {
    use schema::record::Headers;

    use super::*;
    use crate::ledger::Outcome;
    use crate::receipt::Work;

    fn record(offset: i64) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Headers::new(),
        }
    }

    fn holding(inbox: &Arc<Inbox>) -> Assignments {
        let mut assignments = Assignments::default();
        assignments.add("t", 0, inbox);
        assignments
    }

    fn deliver(assignments: &mut Assignments, offset: i64) -> Work {
        let held = assignments.holding("t", 0).expect("held");
        assert!(held.deliver(&record(offset), 10));
        Work::new(record(offset), held.handle())
    }

    fn reports(inbox: &Inbox) -> Vec<Report> {
        let mut reports = Vec::new();
        inbox.take(&mut reports);
        reports
    }

    #[test]
    fn only_what_is_settled_is_committed_and_only_once() {
        let inbox = Arc::default();
        let mut assignments = holding(&inbox);
        let (_, first) = deliver(&mut assignments, 5).start().expect("started");
        let (_, second) = deliver(&mut assignments, 6).start().expect("started");
        assert!(assignments.uncommitted().is_empty(), "delivered is not settled");
        second.settle(Outcome::Written);
        first.settle(Outcome::Written);
        let refunds: Vec<_> = reports(&inbox).into_iter().map(|report| assignments.settle(report)).collect();
        assert_eq!(refunds, [Some((0, 0)), Some((2, 20))], "refunded when the frontier passes");
        let due = assignments.uncommitted();
        assert_eq!(due, [("t".into(), 0, 7)]);
        assignments.committed(&due);
        assert!(assignments.uncommitted().is_empty());
    }

    #[test]
    fn a_dropped_receipt_leaves_its_offset_open() {
        let inbox = Arc::default();
        let mut assignments = holding(&inbox);
        let partitions = assignments.held();
        let work = deliver(&mut assignments, 5);
        let started = work.start();
        assert_eq!(assignments.in_flight(&partitions), 1);
        drop(started);
        assert_eq!(assignments.in_flight(&partitions), 0);
        assert!(reports(&inbox).is_empty() && assignments.uncommitted().is_empty());
    }

    #[test]
    fn nothing_starts_once_dispatch_is_stopped() {
        let inbox = Arc::default();
        let mut assignments = holding(&inbox);
        let partitions = assignments.held();
        let work = deliver(&mut assignments, 5);
        assignments.stop_dispatch(&partitions);
        assert!(work.start().is_none());
        assert_eq!(assignments.in_flight(&partitions), 0);
    }

    #[test]
    fn a_report_of_an_ended_epoch_changes_nothing_although_the_partition_is_held_again() {
        let inbox = Arc::default();
        let mut assignments = holding(&inbox);
        let partitions = assignments.held();
        let (_, late) = deliver(&mut assignments, 5).start().expect("started");
        assert_eq!(assignments.remove(&partitions), (1, 10), "what was open is refunded");
        assignments.add("t", 0, &inbox);
        let _again = deliver(&mut assignments, 5);
        late.settle(Outcome::Written);
        let refunds: Vec<_> = reports(&inbox).into_iter().map(|report| assignments.settle(report)).collect();
        assert_eq!(refunds, [None], "late, and counted as such");
        assert!(assignments.uncommitted().is_empty(), "I5");
    }
}
