//! A record under way: who may work on it, and how its end is reported.
//!
//! A record is not settled unless [`Receipt::settle`] was called; dropping a receipt leaves the offset open, to be read again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::record::Record;

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
}

impl Inbox {
    fn reports(&self) -> MutexGuard<'_, Vec<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps what has come in for the empty `into`.
    pub(crate) fn take(&self, into: &mut Vec<Report>) {
        std::mem::swap(&mut *self.reports(), into);
    }

    /// Waits until a report or a returned receipt comes in, at most `patience`.
    pub(crate) fn wait(&self, patience: Duration) {
        let reports = self.reports();
        if reports.is_empty() {
            drop(self.changed.wait_timeout(reports, patience).unwrap_or_else(PoisonError::into_inner));
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
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // After the report, so that a drained assignment has all its reports in the inbox.
        self.assignment.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.assignment.inbox.changed.notify_one();
    }
}
