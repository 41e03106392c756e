//! Giving partitions back, and the end of the consumer.
//!
//! # The revoke protocol
//! 1. stop dispatch: queued records of the partition are not started any more, and what merely waits is told so
//! 2. drain: wait for what was started, under a deadline, taking reports
//! 3. commit the frontier, and wait for the outcome under a deadline
//! 4. end the epoch: the ledger is dropped; what reports later is ignored (I5)
//! 5. give the partition back
//!
//! Lost partitions skip 2 and 3: somebody else already reads them.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::consumer::{ConsumeError, Options, POLL, Polling};
use crate::member::Member;
use crate::rebalance::{give_back, take};
use crate::status::Counters;

/// Longest wait for the outcome of the commit of a revoke.
const COMMIT: Duration = Duration::from_secs(5);
/// Longest wait for the broker to let a member go. The client itself waits as long as for any other answer, a minute, and longer
/// behind a commit that is not answered.
const LEAVE: Duration = Duration::from_secs(3);
/// Longest wait of the polling thread for an answer of the cluster.
const QUESTION: Duration = Duration::from_secs(1);

/// How long the thread that polls may be busy with something else. All together stay well below the interval after which the
/// group would take the partitions away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Step 2 of the revoke protocol.
    pub(crate) drain: Duration,
    /// Step 3 of the revoke protocol.
    pub(crate) commit: Duration,
    /// One question to the cluster.
    pub(crate) question: Duration,
}

impl Bounds {
    /// For a group that allows `max_poll_interval` between two polls.
    pub(crate) fn new(options: &Options, max_poll_interval: Duration) -> Self {
        Self {
            drain: options.drain.min(max_poll_interval / 3),
            commit: COMMIT.min(max_poll_interval / 6),
            question: QUESTION.min(max_poll_interval / 12),
        }
    }
}

impl Polling {
    /// The numbered list of the module's page.
    pub(crate) fn revoke(&mut self, partitions: &TopicPartitionList, lost: bool) -> Result<(), ConsumeError> {
        if let Some(waiting) = self.member.waiting.take() {
            // The client wants its calls answered in order; nothing was read of these yet.
            take(&self.member.consumer, &waiting.partitions).map_err(ConsumeError::Client)?;
        }
        let revoked: Vec<(String, i32)> =
            partitions.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        self.assignments.stop_dispatch(&revoked);
        let drained = lost || self.drain(&revoked);
        if !lost {
            self.commit_and_wait()?;
        }
        let redelivered = self.assignments.remove(&revoked);
        if self.paused {
            // The client keeps a partition's pause over rebalances: when it comes back, nobody would resume it.
            self.member.consumer.resume(partitions).map_err(ConsumeError::Client)?;
        }
        give_back(&self.member.consumer, partitions).map_err(ConsumeError::Client)?;
        let counters = &self.status.counters;
        Counters::add(if lost { &counters.lost } else { &counters.revoked }, revoked.len());
        tracing::info!(
            partitions = revoked.len(),
            held = self.assignments.len(),
            redelivered,
            drained,
            lost,
            "partitions given back"
        );
        Ok(())
    }

    /// Waits until nothing of `partitions` is under way; false when the deadline came first.
    fn drain(&mut self, partitions: &[(String, i32)]) -> bool {
        let deadline = Instant::now() + self.bounds.drain;
        loop {
            let idle = self.assignments.in_flight(partitions) == 0;
            // After the look at the count: what settled before it is in the inbox.
            self.take_reports();
            if idle {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.inbox.wait(left.min(POLL), 1);
        }
    }

    /// Commits what is left to commit, behind the commit that is under way; what is not confirmed in time is read again.
    fn commit_and_wait(&mut self) -> Result<(), ConsumeError> {
        let deadline = Instant::now() + self.bounds.commit;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.take_answer(left())?;
        if !self.member.commits.is_under_way() {
            self.commit()?;
            self.take_answer(left())?;
        }
        if self.member.commits.is_under_way() {
            tracing::warn!("the last commit is not confirmed, what it covers may be read again");
        }
        Ok(())
    }

    /// Drains, commits, and lets go of every partition. True when everything in flight came to rest before the deadline.
    pub(crate) fn close(&mut self) -> Result<bool, ConsumeError> {
        let held = self.assignments.held();
        self.assignments.stop_dispatch(&held);
        let drained = self.drain(&held);
        self.commit_and_wait()?;
        let redelivered = self.assignments.remove(&held);
        self.status.publish(Vec::new());
        tracing::info!(drained, redelivered, "consumer closed");
        Ok(drained)
    }
}

/// Leaves the group, or lets the process end without: the broker then takes the partitions away after the session timeout.
pub(crate) fn leave(member: Member) {
    let (done, left) = std::sync::mpsc::channel::<()>();
    let leaving = std::thread::Builder::new().name("kafka-leave".to_owned()).spawn(move || {
        drop(member);
        drop(done);
    });
    match leaving {
        // The member went with the thread that could not be made.
        Err(error) => tracing::warn!(%error, "the client was closed without a thread of its own"),
        Ok(_) if left.recv_timeout(LEAVE) == Err(RecvTimeoutError::Timeout) => {
            tracing::warn!("the broker does not answer, the group is left without its word");
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;

    #[test]
    fn nothing_keeps_the_thread_from_polling_for_as_long_as_the_group_allows() {
        let options = Options {
            client_id: "test".to_owned(),
            sibling: None,
            topics: Vec::new(),
            limits: Limits { records: 1, bytes: 1 },
            commit_interval: Duration::from_secs(1),
            drain: Duration::from_secs(20),
        };
        let usual = Bounds::new(&options, Duration::from_secs(300));
        assert_eq!(usual, Bounds { drain: options.drain, commit: COMMIT, question: QUESTION });
        for seconds in [1, 6, 30, 300] {
            let interval = Duration::from_secs(seconds);
            let Bounds { drain, commit, question } = Bounds::new(&options, interval);
            assert!(drain + commit + 3 * question < interval, "{seconds} s");
        }
    }
}
