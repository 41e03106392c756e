//! The partitions held now, each with the ledger of its assignment, and the budget and the commit policy that they share.
//!
//! Pure: what the client delivers, what workers report and the time are arguments. [`crate::consumer`] is a shell around it.

#[cfg(test)]
mod properties;

use std::sync::Arc;
use std::time::Instant;

use schema::record::Record;

use crate::account::Account;
use crate::budget::{Budget, Limits};
use crate::commit::CommitPolicy;
use crate::ledger::{Delivery, Ledger, Settlement};
use crate::message;
use crate::rebalance::Remote;
use crate::receipt::{Assignment, Epoch, Inbox, Report, Work};
use crate::status::PartitionStatus;

/// Where a partition is read from in a new epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// From its first record, counting anew.
    Earliest { topic_id: Option<String> },
    /// From `offset`, going on with `account`.
    At { offset: i64, account: Account },
}

/// What became of a polled record.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// It is open and charged.
    Opened(Work),
    /// The partition went back behind what was delivered: it has to be restarted.
    Behind,
    /// Its partition is not held: prefetched before it was given back, its new owner reads it.
    Elsewhere,
}

/// A frontier that is ahead of what was committed, with what became of the records below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commitment {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) account: Account,
    epoch: Epoch,
}

/// One partition held.
#[derive(Debug)]
struct Held {
    topic: Arc<str>,
    partition: i32,
    assignment: Arc<Assignment>,
    topic_id: Option<String>,
    ledger: Ledger,
    committed: Option<i64>,
}

impl Held {
    fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && &*self.topic == topic
    }

    fn commitment(&self) -> Option<Commitment> {
        let (from, offset) = (self.ledger.from()?, self.ledger.frontier()?);
        let settled = self.ledger.settled();
        (self.committed != Some(offset)).then(|| Commitment {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            offset,
            account: Account {
                topic_id: self.topic_id.clone(),
                from,
                written: settled.written,
                dead_lettered: settled.dead_lettered,
                skipped: settled.skipped,
            },
            epoch: self.assignment.epoch,
        })
    }

    fn status(&self, remote: Option<Remote>, paused: Option<&str>) -> PartitionStatus {
        let frontier = self.ledger.frontier();
        let lag = remote.and_then(|remote| {
            // Behind the last record there may be transaction markers that the frontier has not stepped over yet.
            if self.ledger.unpassed() == 0 && remote.next_fetch >= remote.end {
                return Some(0);
            }
            frontier.map(|at| (remote.end - at).max(0))
        });
        PartitionStatus {
            topic: self.topic.to_string(),
            partition: self.partition,
            frontier,
            committed: self.committed,
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
#[derive(Debug)]
pub(crate) struct Assignments {
    held: Vec<Held>,
    inbox: Arc<Inbox>,
    budget: Budget,
    policy: CommitPolicy,
    epochs: u64,
    /// Where the last look-up ended: records and reports come in runs of one partition.
    last: usize,
}

impl Assignments {
    /// Nothing held. Reports of what will be delivered go to `inbox`.
    pub(crate) fn new(limits: Limits, policy: CommitPolicy, inbox: Arc<Inbox>) -> Self {
        Self { held: Vec::new(), inbox, budget: Budget::new(limits), policy, epochs: 0, last: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn held(&self) -> Vec<(String, i32)> {
        self.held.iter().map(|held| (held.topic.to_string(), held.partition)).collect()
    }

    /// True while another record may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.budget.has_room()
    }

    /// How many reports are worth waking up for while there is no room.
    pub(crate) fn worth_waking(&self) -> usize {
        self.budget.worth_waking()
    }

    /// Begins an epoch of a partition.
    pub(crate) fn add(&mut self, topic: &str, partition: i32, start: Start) {
        self.epochs += 1;
        let (topic_id, ledger, committed) = match start {
            Start::Earliest { topic_id } => (topic_id, Ledger::new(), None),
            Start::At { offset, account } => {
                let ledger = Ledger::resume(&account, offset);
                (account.topic_id, ledger, Some(offset))
            }
        };
        self.held.push(Held {
            topic: topic.into(),
            partition,
            assignment: Arc::new(Assignment::new(Epoch(self.epochs), Arc::clone(&self.inbox))),
            topic_id,
            ledger,
            committed,
        });
    }

    /// Ends the epoch of a partition and begins the next one, which counts anew; queued work of the old one is not started.
    /// Without a `topic_id` the last one stays: should the topic be another one, that is still to be found out.
    pub(crate) fn restart(&mut self, topic: &str, partition: i32, topic_id: Option<String>) {
        let restarted = [(topic.to_owned(), partition)];
        self.stop_dispatch(&restarted);
        let topic_id = topic_id.or_else(|| self.among(&restarted).find_map(|held| held.topic_id.clone()));
        self.remove(&restarted);
        self.add(topic, partition, Start::Earliest { topic_id });
    }

    /// Takes note of the ids that topics have now; the partitions whose topic is another one than the one that was counted.
    pub(crate) fn recreated(&mut self, topic: &str, topic_id: &str) -> Vec<i32> {
        let mut others = Vec::new();
        for held in self.held.iter_mut().filter(|held| &*held.topic == topic) {
            match &held.topic_id {
                Some(counted) if counted != topic_id => others.push(held.partition),
                Some(_) => {}
                None => held.topic_id = Some(topic_id.to_owned()),
            }
        }
        others
    }

    fn find(&mut self, wanted: impl Fn(&Held) -> bool) -> Option<&mut Held> {
        if !self.held.get(self.last).is_some_and(&wanted) {
            self.last = self.held.iter().position(wanted)?;
        }
        self.held.get_mut(self.last)
    }

    /// Opens and charges a polled record, which `read` copies only when its partition is held.
    pub(crate) fn deliver(&mut self, topic: &str, partition: i32, read: impl FnOnce(&Arc<str>) -> Record) -> Delivered {
        let Some(held) = self.find(|held| held.is(topic, partition)) else { return Delivered::Elsewhere };
        let record = read(&held.topic);
        let bytes = message::weight(&record);
        match held.ledger.deliver(record.offset, bytes, record.timestamp_ms) {
            Delivery::Behind => Delivered::Behind,
            Delivery::Opened => {
                let work = Work::new(record, Arc::clone(&held.assignment));
                self.budget.charge(bytes);
                Delivered::Opened(work)
            }
        }
    }

    /// The client has read a partition to `end` and everything below was polled. False when that is behind what was
    /// delivered: the partition has to be restarted.
    pub(crate) fn reach(&mut self, topic: &str, partition: i32, end: i64) -> bool {
        let Some(held) = self.find(|held| held.is(topic, partition)) else { return true };
        if !held.ledger.reach(end) {
            return false;
        }
        if held.commitment().is_some() {
            self.policy.moved(1);
        }
        true
    }

    /// Settles a report; false when its epoch has ended or its offset is not open.
    pub(crate) fn settle(&mut self, report: Report) -> bool {
        let Some(held) = self.find(|held| held.assignment.epoch == report.epoch) else { return false };
        match held.ledger.settle(report.offset, report.outcome) {
            Settlement::Accepted { records, bytes } => {
                self.budget.refund(records, bytes);
                self.policy.moved(1);
                true
            }
            Settlement::Unknown => false,
        }
    }

    /// True when a commit is due.
    pub(crate) fn commit_due(&self, now: Instant) -> bool {
        self.policy.due(now)
    }

    /// Frontiers that are ahead of what was committed, to be committed now.
    pub(crate) fn commit(&mut self, now: Instant) -> Vec<Commitment> {
        self.policy.sent(now);
        self.held.iter().filter_map(Held::commitment).collect()
    }

    /// The broker confirmed these. Of an epoch that has ended nothing is noted.
    pub(crate) fn committed(&mut self, done: &[Commitment]) {
        for commitment in done {
            if let Some(held) = self.find(|held| held.assignment.epoch == commitment.epoch) {
                held.committed = Some(commitment.offset);
            }
        }
    }

    /// Some of the last commit was not confirmed: it is tried again after the interval.
    pub(crate) fn not_committed(&mut self) {
        self.policy.failed();
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

    /// Ends the epochs of `partitions` and refunds what was open; how many records that were.
    pub(crate) fn remove(&mut self, partitions: &[(String, i32)]) -> usize {
        let (records, bytes) = self.among(partitions).fold((0, 0), |(records, bytes), held| {
            (records + held.ledger.unpassed(), bytes + held.ledger.unpassed_bytes())
        });
        self.budget.refund(records, bytes);
        self.held.retain(|held| !partitions.iter().any(|(topic, partition)| held.is(topic, *partition)));
        self.last = 0;
        records
    }

    pub(crate) fn status(
        &self,
        remote: impl Fn(&str, i32) -> Option<Remote>,
        paused: Option<&str>,
    ) -> Vec<PartitionStatus> {
        self.held.iter().map(|held| held.status(remote(&held.topic, held.partition), paused)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schema::record::Headers;

    use super::*;
    use crate::ledger::Outcome;

    fn record(offset: i64) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: None,
            key: None,
            value: Some(vec![0; 10]),
            headers: Headers::new(),
        }
    }

    struct Held {
        assignments: Assignments,
        inbox: Arc<Inbox>,
        partitions: [(String, i32); 1],
    }

    fn holding(start: Start) -> Held {
        let inbox: Arc<Inbox> = Arc::default();
        let limits = Limits { records: 2, bytes: 1_000 };
        let policy = CommitPolicy::new(Duration::from_secs(1), 1_000, Instant::now());
        let mut assignments = Assignments::new(limits, policy, Arc::clone(&inbox));
        assignments.add("t", 0, start);
        Held { assignments, inbox, partitions: [("t".to_owned(), 0)] }
    }

    fn earliest() -> Start {
        Start::Earliest { topic_id: Some("id".to_owned()) }
    }

    impl Held {
        fn deliver(&mut self, offset: i64) -> Work {
            let delivered = self.assignments.deliver("t", 0, |_| record(offset));
            let Delivered::Opened(work) = delivered else { panic!("{offset} is {delivered:?}") };
            work
        }

        /// Whether each report was accepted.
        fn settle(&mut self) -> Vec<bool> {
            let mut reports = Vec::new();
            self.inbox.take(&mut reports);
            reports.into_iter().map(|report| self.assignments.settle(report)).collect()
        }

        fn uncommitted(&mut self) -> Vec<(i64, u64)> {
            self.assignments.commit(Instant::now()).iter().map(|due| (due.offset, due.account.total())).collect()
        }
    }

    #[test]
    fn only_what_is_settled_is_committed_and_only_once() {
        let mut held = holding(earliest());
        let (_, first) = held.deliver(5).start().expect("started");
        let (_, second) = held.deliver(6).start().expect("started");
        assert!(!held.assignments.has_room(), "both are charged");
        second.settle(Outcome::Written);
        assert_eq!(held.settle(), [true]);
        assert!(!held.assignments.has_room(), "refunded when the frontier passes");
        assert_eq!(held.uncommitted(), [(5, 0)], "the frontier stands, and what is settled ahead of it does not count");
        first.settle(Outcome::DeadLettered);
        assert_eq!(held.settle(), [true]);
        assert!(held.assignments.has_room());
        let due = held.assignments.commit(Instant::now());
        let account = Account { topic_id: Some("id".to_owned()), from: 5, written: 1, dead_lettered: 1, skipped: 0 };
        assert_eq!(due.iter().map(|due| (due.offset, &due.account)).collect::<Vec<_>>(), [(7, &account)]);
        held.assignments.committed(&due);
        assert!(held.uncommitted().is_empty());
    }

    #[test]
    fn counts_go_on_where_the_last_owner_committed_them() {
        let account = Account { topic_id: None, from: 1, written: 3, dead_lettered: 0, skipped: 1 };
        let mut held = holding(Start::At { offset: 9, account });
        assert!(held.uncommitted().is_empty(), "nothing new");
        let (_, receipt) = held.deliver(9).start().expect("started");
        receipt.settle(Outcome::Written);
        held.settle();
        assert_eq!(held.uncommitted(), [(10, 5)]);
    }

    #[test]
    fn an_idle_partition_is_committed_to_its_end() {
        let mut held = holding(earliest());
        let (_, receipt) = held.deliver(5).start().expect("started");
        assert!(held.assignments.reach("t", 0, 8), "two markers behind the record");
        receipt.settle(Outcome::Written);
        held.settle();
        assert_eq!(held.uncommitted(), [(8, 1)]);
        let due = held.assignments.commit(Instant::now());
        held.assignments.committed(&due);
        assert!(!held.assignments.commit_due(Instant::now() + Duration::from_secs(5)));
        assert!(held.assignments.reach("t", 0, 9), "one more marker");
        assert!(held.assignments.commit_due(Instant::now() + Duration::from_secs(5)), "although nothing settles");
        assert_eq!(held.uncommitted(), [(9, 1)]);
    }

    #[test]
    fn a_partition_that_goes_back_counts_anew_and_old_work_is_void() {
        let mut held = holding(earliest());
        let old = held.deliver(50);
        let (_, late) = held.deliver(51).start().expect("started");
        assert!(matches!(held.assignments.deliver("t", 0, |_| record(0)), Delivered::Behind));
        held.assignments.restart("t", 0, None);
        assert!(held.assignments.has_room(), "refunded");
        assert!(old.start().is_none() && !late.is_wanted());
        let (_, receipt) = held.deliver(0).start().expect("started");
        late.settle(Outcome::Written);
        receipt.settle(Outcome::Written);
        assert_eq!(held.settle(), [false, true]);
        assert_eq!(held.uncommitted(), [(1, 1)]);
    }

    #[test]
    fn another_topic_of_the_same_name_is_told_by_its_id() {
        let mut held = holding(Start::Earliest { topic_id: None });
        assert!(held.assignments.recreated("t", "a").is_empty(), "the first id that is known is taken");
        assert!(held.assignments.recreated("t", "a").is_empty());
        assert!(held.assignments.recreated("other", "b").is_empty());
        assert_eq!(held.assignments.recreated("t", "b"), [0]);
    }

    #[test]
    fn a_dropped_receipt_leaves_its_offset_open() {
        let mut held = holding(earliest());
        let started = held.deliver(5).start();
        assert_eq!(held.assignments.in_flight(&held.partitions), 1);
        drop(started);
        assert_eq!(held.assignments.in_flight(&held.partitions), 0);
        assert!(held.settle().is_empty());
        assert_eq!(held.uncommitted(), [(5, 0)]);
    }

    #[test]
    fn nothing_starts_once_dispatch_is_stopped() {
        let mut held = holding(earliest());
        let work = held.deliver(5);
        held.assignments.stop_dispatch(&held.partitions);
        assert!(work.start().is_none());
        assert_eq!(held.assignments.in_flight(&held.partitions), 0);
    }

    #[test]
    fn a_report_of_an_ended_epoch_changes_nothing_although_the_partition_is_held_again() {
        let mut held = holding(earliest());
        let (_, late) = held.deliver(5).start().expect("started");
        assert_eq!(held.assignments.remove(&held.partitions), 1, "what was open is told");
        held.assignments.add("t", 0, earliest());
        let _again = held.deliver(5);
        late.settle(Outcome::Written);
        assert_eq!(held.settle(), [false], "late, and counted as such");
        assert_eq!(held.uncommitted(), [(5, 0)], "I5");
    }

    #[test]
    fn a_commit_that_is_confirmed_after_its_epoch_is_not_noted_in_the_next() {
        let mut held = holding(earliest());
        held.deliver(5).start().expect("started").1.settle(Outcome::Written);
        held.settle();
        let due = held.assignments.commit(Instant::now());
        held.assignments.restart("t", 0, None);
        held.deliver(5).start().expect("started").1.settle(Outcome::Written);
        held.settle();
        held.assignments.committed(&due);
        assert_eq!(held.uncommitted(), [(6, 1)]);
    }
}
