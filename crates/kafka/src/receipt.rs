//! A record under way: who may work on it, and how its end is reported.
//!
//! A record is not settled unless [`Receipt::settle`] was called; dropping a receipt leaves the offset open, to be read again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::record::Record;
use tokio::sync::Notify;

use crate::ledger::Outcome;

/// Counts the assignments of one consumer; every assignment of a partition has its own (I5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(crate) u64);

/// A report for the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) epoch: Epoch,
    pub(crate) offset: i64,
    pub(crate) outcome: Outcome,
}

/// Where reports wait for the thread that polls.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    reports: Mutex<Vec<Report>>,
    changed: Condvar,
    /// How many reports the thread that polls sleeps for; 0 while it does not sleep. Waking it is a call of the system, so
    /// that it is not done for each record.
    enough: AtomicUsize,
    /// Tells workers that some partition is being given back.
    revoking: Notify,
}

impl Inbox {
    fn reports(&self) -> MutexGuard<'_, Vec<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps what has come in for the empty `into`.
    pub(crate) fn take(&self, into: &mut Vec<Report>) {
        std::mem::swap(&mut *self.reports(), into);
    }

    /// Waits until `enough` reports are in, at most `patience`; for `enough` of one, a receipt that comes back without a report
    /// ends it as well.
    pub(crate) fn wait(&self, patience: Duration, enough: usize) {
        let enough = enough.max(1);
        let reports = self.reports();
        if reports.len() < enough {
            // Set under the lock that a report is made under: it is seen, or the report was.
            self.enough.store(enough, Ordering::SeqCst);
            let woken = self.changed.wait_timeout(reports, patience).unwrap_or_else(PoisonError::into_inner);
            self.enough.store(0, Ordering::SeqCst);
            drop(woken);
        }
    }

    /// Wakes the thread that polls, if it sleeps and this is what it sleeps for.
    fn came(&self) {
        let enough = self.enough.load(Ordering::SeqCst);
        if enough > 0 && (enough == 1 || self.reports().len() >= enough) {
            self.changed.notify_one();
        }
    }
}

/// One partition for as long as we hold it.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) epoch: Epoch,
    /// Set first in the revoke protocol: queued records are not started any more.
    revoking: AtomicBool,
    in_flight: AtomicUsize,
    inbox: Arc<Inbox>,
}

impl Assignment {
    pub(crate) fn new(epoch: Epoch, inbox: Arc<Inbox>) -> Self {
        Self { epoch, revoking: AtomicBool::new(false), in_flight: AtomicUsize::new(0), inbox }
    }

    /// Records that were started and have not come to rest.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// From now on nothing of this assignment starts.
    pub(crate) fn stop_dispatch(&self) {
        self.revoking.store(true, Ordering::SeqCst);
        self.inbox.revoking.notify_waiters();
    }
}

/// A delivered record that waits for a worker.
#[derive(Debug)]
pub struct Work {
    record: Record,
    assignment: Arc<Assignment>,
}

impl Work {
    pub(crate) fn new(record: Record, assignment: Arc<Assignment>) -> Self {
        Self { record, assignment }
    }

    /// Starts work on the record; none when its partition is being given back, in which case another member reads it again.
    pub fn start(self) -> Option<(Record, Receipt)> {
        let Self { record, assignment } = self;
        // Counted before the flag is read, and the flag set before the count is read: one of both sides sees the other.
        assignment.in_flight.fetch_add(1, Ordering::SeqCst);
        let receipt = Receipt { assignment, offset: record.offset };
        (!receipt.assignment.revoking.load(Ordering::SeqCst)).then_some((record, receipt))
    }
}

/// The duty to settle one record.
#[derive(Debug)]
#[must_use = "a receipt that is dropped leaves its offset open, and the partition's frontier stands still"]
pub struct Receipt {
    assignment: Arc<Assignment>,
    offset: i64,
}

impl Receipt {
    /// The record is durable at its destination (I2).
    pub fn settle(self, outcome: Outcome) {
        let report = Report { epoch: self.assignment.epoch, offset: self.offset, outcome };
        self.assignment.inbox.reports().push(report);
    }

    /// False once the record's partition is being given back. Work that merely waits for a dependency drops the receipt
    /// then, so that the partition's next owner does not wait for it; work that is under way at its destination is finished
    /// and settled: the revoke drains it.
    pub fn is_wanted(&self) -> bool {
        !self.assignment.revoking.load(Ordering::SeqCst)
    }

    /// Tells of revokes, those of other partitions included.
    pub fn revokes(&self) -> Revokes {
        Revokes(Arc::clone(&self.assignment.inbox))
    }
}

/// Tells when partitions are being given back.
#[derive(Debug, Clone)]
pub struct Revokes(Arc<Inbox>);

impl Revokes {
    /// Asks `found` now and after every revoke, until it is true. Safe to cancel.
    pub async fn until(&self, found: impl Fn() -> bool) {
        loop {
            let mut told = std::pin::pin!(self.0.revoking.notified());
            // Registered before the look, so that a revoke between look and wait is not missed.
            told.as_mut().enable();
            if found() {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // After the report, so that a drained assignment has all its reports in the inbox.
        self.assignment.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.assignment.inbox.came();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use schema::record::Headers;

    use super::*;

    fn started(assignment: &Arc<Assignment>) -> Receipt {
        let record = Record {
            topic: "t".into(),
            partition: 0,
            offset: 5,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Headers::new(),
        };
        Work::new(record, Arc::clone(assignment)).start().expect("started").1
    }

    #[test]
    fn work_that_waits_learns_that_its_partition_is_being_given_back() {
        let inbox = Arc::default();
        let [kept, given_back] = [1, 2].map(|epoch| Arc::new(Assignment::new(Epoch(epoch), Arc::clone(&inbox))));
        let receipts = [started(&kept), started(&given_back)];
        let revokes = receipts[0].revokes();
        let any_unwanted = || revokes.until(|| !receipts.iter().all(Receipt::is_wanted));
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = std::pin::pin!(any_unwanted());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        given_back.stop_dispatch();
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert_eq!(receipts.each_ref().map(Receipt::is_wanted), [true, false]);
        let mut late = std::pin::pin!(any_unwanted());
        assert!(late.as_mut().poll(&mut context).is_ready(), "who asks later is told too");
    }
}
