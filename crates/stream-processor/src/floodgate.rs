//! The poison flood stop at work, one for the process: every shard asks it before a dead letter and waits while it is shut.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use service::health::Health;
use tokio::sync::Notify;

use crate::flood::{Flood, FloodLimits};

/// The name of the stop in `/readyz`.
const FLOOD: &str = "poison flood";
const REMEDY: &str = "the records left are kept: mend what makes them poison (a changed producer, a wrong version of this \
    service), restart, and replay the dead letters made so far; if they are poison indeed, set PIPELINE_POISON_RATIO=1 and \
    PIPELINE_POISON_RUN=0, or POST /v1/resume for as many again";

/// See the module's page.
#[derive(Debug)]
pub struct Floodgate {
    limits: FloodLimits,
    flood: Mutex<State>,
    /// So that a look costs nothing.
    shut: AtomicBool,
    opened: Notify,
    health: Health,
    gauge: Gauge,
}

#[derive(Debug)]
struct State {
    flood: Flood,
    cause: Option<String>,
}

impl Floodgate {
    /// Open. `gauge` is 1 while it is shut.
    pub fn new(limits: FloodLimits, health: Health, gauge: Gauge) -> Self {
        Self {
            limits,
            flood: Mutex::new(State { flood: Flood::new(limits), cause: None }),
            shut: AtomicBool::new(false),
            opened: Notify::new(),
            health,
            gauge,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record was written.
    pub fn healthy(&self) {
        self.state().flood.healthy();
    }

    /// Asks for a dead letter. False when the line stops, or has stopped: the decision is not made, ask again once it is
    /// [`Self::open`].
    pub fn poison(&self) -> bool {
        let mut state = self.state();
        if state.cause.is_some() {
            return false;
        }
        let Err(too_much) = state.flood.poison() else { return true };
        let cause = too_much.to_string();
        state.cause = Some(cause.clone());
        self.shut.store(true, Ordering::SeqCst);
        drop(state);
        self.gauge.set(1);
        self.health.not_ready(FLOOD, cause.clone(), REMEDY);
        tracing::error!(cause, remedy = REMEDY, "poison flood, the line stops");
        false
    }

    /// True while the line stands.
    pub fn is_shut(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    /// Why the line stands; none while it does not.
    pub fn cause(&self) -> Option<String> {
        self.state().cause.clone()
    }

    /// Waits until the line goes on. Safe to cancel.
    pub async fn open(&self) {
        loop {
            let opened = self.opened.notified();
            if !self.is_shut() {
                return;
            }
            opened.await;
        }
    }

    /// Lets the line go on and counts anew; false when it did not stand.
    pub fn resume(&self) -> bool {
        let mut state = self.state();
        if state.cause.take().is_none() {
            return false;
        }
        state.flood = Flood::new(self.limits);
        self.shut.store(false, Ordering::SeqCst);
        drop(state);
        self.gauge.set(0);
        self.health.ready(FLOOD);
        tracing::warn!("the line goes on after a poison flood, as asked");
        self.opened.notify_waiters();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_is_named_and_holds_everybody_until_it_is_lifted() {
        let (health, gauge) = (Health::new(), Gauge::default());
        let gate = Floodgate::new(FloodLimits { window: 100, ratio: 1.0, run: 2 }, health.clone(), gauge.clone());
        assert!(gate.poison() && gate.poison());
        assert!(!gate.resume(), "nothing to lift");
        assert!(!gate.poison(), "the third in a row");
        assert_eq!(gauge.get(), 1);
        assert!(health.snapshot().reasons[0].reason.contains("PIPELINE_POISON_RUN"));
        gate.healthy();
        assert!(!gate.poison(), "a healthy record that was under way does not lift it");
        let mut waiting = Box::pin(gate.open());
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it stands"),
            () = tokio::task::yield_now() => {}
        }
        assert!(gate.resume());
        waiting.await;
        assert!(health.snapshot().ready && gate.cause().is_none() && gauge.get() == 0);
        assert!(gate.poison() && gate.poison() && !gate.poison(), "as many again");
    }
}
