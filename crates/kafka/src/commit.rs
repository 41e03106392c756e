//! When to commit. The one place that does it is [`crate::consumer`], synchronously and on the thread that polls: the client
//! never reports the result of an asynchronous manual commit (rust-rdkafka #856).

use std::time::{Duration, Instant};

/// Time or count, whichever is first. What is settled since the last commit is what a crash redelivers.
#[derive(Debug)]
pub struct CommitPolicy {
    interval: Duration,
    max_settled: u64,
    last: Instant,
    settled_since: u64,
}

impl CommitPolicy {
    /// A commit is due every `interval` in which something settled, or after `max_settled` settled records.
    pub fn new(interval: Duration, max_settled: u64, now: Instant) -> Self {
        Self { interval, max_settled, last: now, settled_since: 0 }
    }

    /// Records were settled.
    pub fn settled(&mut self, records: u64) {
        self.settled_since += records;
    }

    /// True when a commit is due.
    pub fn due(&self, now: Instant) -> bool {
        self.settled_since > 0
            && (now.duration_since(self.last) >= self.interval || self.settled_since >= self.max_settled)
    }

    /// A commit was tried; a failed one is due again after the interval, not at once.
    pub fn tried(&mut self, now: Instant, done: bool) {
        self.last = now;
        self.settled_since = u64::from(!done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_by_time_or_by_count_and_never_for_nothing() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut policy = CommitPolicy::new(second, 100, start);
        assert!(!policy.due(start + 10 * second), "nothing settled");
        policy.settled(1);
        assert!(!policy.due(start));
        assert!(policy.due(start + second));
        policy.settled(99);
        assert!(policy.due(start), "by count");
        policy.tried(start, true);
        assert!(!policy.due(start + second));
    }

    #[test]
    fn a_failed_commit_is_tried_again_after_the_interval() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut policy = CommitPolicy::new(second, 100, start);
        policy.settled(500);
        policy.tried(start, false);
        assert!(!policy.due(start));
        assert!(policy.due(start + second));
    }
}
