//! What a proxy has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a proxy has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections cut by a fault.
    pub cut: u64,
    /// Connections that ended because the server could not be reached or hung up on us.
    pub broken: u64,
    /// Requests answered with an error of ours.
    pub errors_answered: u64,
    /// Bytes passed to the server.
    pub bytes_to_server: u64,
    /// Bytes passed to clients.
    pub bytes_to_client: u64,
    /// Bytes of answers that nobody got.
    pub bytes_swallowed: u64,
}

/// [`Counters`] as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) broken: AtomicU64,
    pub(crate) errors_answered: AtomicU64,
    pub(crate) bytes_to_server: AtomicU64,
    pub(crate) bytes_to_client: AtomicU64,
    pub(crate) bytes_swallowed: AtomicU64,
}

impl Tally {
    pub(crate) fn counters(&self) -> Counters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters {
            connections: read(&self.connections),
            open: read(&self.open),
            cut: read(&self.cut),
            broken: read(&self.broken),
            errors_answered: read(&self.errors_answered),
            bytes_to_server: read(&self.bytes_to_server),
            bytes_to_client: read(&self.bytes_to_client),
            bytes_swallowed: read(&self.bytes_swallowed),
        }
    }
}

pub(crate) fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
}
