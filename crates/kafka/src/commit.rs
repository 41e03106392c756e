//! When to commit. The one place that does it is [`crate::consumer`].

use std::time::{Duration, Instant};

/// Time or count, whichever is first. What was settled since the last commit is what a crash redelivers.
#[derive(Debug)]
pub struct CommitPolicy {
    interval: Duration,
    max_settled: u64,
    last: Instant,
    moved_since: u64,
}

impl CommitPolicy {
    /// A commit is due every `interval` in which something settled, or after `max_settled` settled records.
    pub fn new(interval: Duration, max_settled: u64, now: Instant) -> Self {
        Self { interval, max_settled, last: now, moved_since: 0 }
    }

    /// Records were settled, or a frontier stepped over markers.
    pub fn moved(&mut self, count: u64) {
        self.moved_since += count;
    }

    /// True when a commit is due.
    pub fn due(&self, now: Instant) -> bool {
        self.moved_since > 0 && (now.duration_since(self.last) >= self.interval || self.moved_since >= self.max_settled)
    }

    /// A commit was sent.
    pub fn sent(&mut self, now: Instant) {
        self.last = now;
        self.moved_since = 0;
    }

    /// The commit that was sent last failed: it is due again an interval after it was sent.
    pub fn failed(&mut self) {
        self.moved_since = self.moved_since.max(1);
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
        policy.moved(1);
        assert!(!policy.due(start));
        assert!(policy.due(start + second));
        policy.moved(99);
        assert!(policy.due(start), "by count");
        policy.sent(start);
        assert!(!policy.due(start + second));
    }

    #[test]
    fn a_failed_commit_is_tried_again_after_the_interval() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut policy = CommitPolicy::new(second, 100, start);
        policy.moved(500);
        policy.sent(start);
        policy.failed();
        assert!(!policy.due(start));
        assert!(policy.due(start + second));
    }
}
