//! What was served so far, for `GET /stats`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    users: AtomicU64,
    hostile_users: AtomicU64,
    faults_served: AtomicU64,
    rate_limited: AtomicU64,
}

/// Their values at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests for users, whatever the answer.
    pub requests: u64,
    /// Users in answers that were sent whole.
    pub users: u64,
    /// Those of them that were spoiled.
    pub hostile_users: u64,
    /// Answers with an ordered fault.
    pub faults_served: u64,
    /// Answers 429 for the limit, not for a fault.
    pub rate_limited: u64,
}

impl Counters {
    /// A request for users came in.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer with so many users went out, so many of them spoiled.
    pub(crate) fn users(&self, users: u32, spoiled: u32) {
        self.users.fetch_add(users.into(), Ordering::Relaxed);
        self.hostile_users.fetch_add(spoiled.into(), Ordering::Relaxed);
    }

    /// A fault was taken for an answer.
    pub(crate) fn fault(&self) {
        self.faults_served.fetch_add(1, Ordering::Relaxed);
    }

    /// The limit was reached.
    pub(crate) fn rate_limited(&self) {
        self.rate_limited.fetch_add(1, Ordering::Relaxed);
    }

    /// The values now.
    pub(crate) fn read(&self) -> Stats {
        Stats {
            requests: self.requests.load(Ordering::Relaxed),
            users: self.users.load(Ordering::Relaxed),
            hostile_users: self.hostile_users.load(Ordering::Relaxed),
            faults_served: self.faults_served.load(Ordering::Relaxed),
            rate_limited: self.rate_limited.load(Ordering::Relaxed),
        }
    }
}
