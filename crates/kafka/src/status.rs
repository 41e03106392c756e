//! What a consumer shows of itself, for `/v1/progress` and the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::ledger::Settled;

/// One assigned partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Next offset to read after a restart, if everything settled were committed; none before the first record.
    pub frontier: Option<i64>,
    /// Last committed offset; none when the group never committed here.
    pub committed: Option<i64>,
    /// One past the last record that can be read; none until the broker said so.
    pub end: Option<i64>,
    /// Records between the frontier and the end.
    pub lag: Option<i64>,
    /// Timestamp of the oldest record that the frontier has not passed, milliseconds since 1970.
    pub oldest_unpassed_ms: Option<i64>,
    /// Delivered and not passed by the frontier.
    pub in_flight: usize,
    /// Settled since the partition's account began, by outcome; passed by the frontier.
    pub settled: Settled,
    /// Delivered without a whereabouts; 0 unless there is a bug (I8).
    pub unaccounted: i64,
    /// Why the partition is paused.
    pub paused: Option<String>,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters since the start of the process.
        #[derive(Debug, Default)]
        pub struct Counters { $(pub(crate) $name: AtomicU64),* }

        impl Counters {
            $($(#[$doc])* pub fn $name(&self) -> u64 {
                self.$name.load(Ordering::Relaxed)
            })*
        }
    };
}

counters! {
    /// Commits that the broker confirmed.
    commits_done,
    /// Commits that failed.
    commits_failed,
    /// Partitions assigned.
    assigned,
    /// Partitions given back.
    revoked,
    /// Partitions lost: another member may already own them.
    lost,
    /// Times that a partition went back behind what was delivered: a topic made anew, a log cut short. It is read again from
    /// there.
    restarted,
    /// Settlements of an assignment that had ended (I5): ignored.
    late,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// See the module's page. Refreshed about once a second.
#[derive(Debug, Default)]
pub struct Status {
    /// Counters since the start.
    pub counters: Counters,
    partitions: Mutex<Vec<PartitionStatus>>,
    turns: AtomicU64,
    disconnected: AtomicBool,
}

impl Status {
    /// How often the polling loop has turned: a number that stands still is a loop that is stuck.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// True while no broker is connected.
    pub fn is_disconnected(&self) -> bool {
        self.disconnected.load(Ordering::Relaxed)
    }

    pub(crate) fn connected(&self, connected: Option<bool>) {
        self.disconnected.store(connected == Some(false), Ordering::Relaxed);
    }

    pub(crate) fn turned(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// The assigned partitions, by topic and number.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn publish(&self, mut partitions: Vec<PartitionStatus>) {
        partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner) = partitions;
    }
}
