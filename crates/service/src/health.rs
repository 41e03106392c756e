//! What `/livez` and `/readyz` tell: whether the loops still turn, and what keeps the service from working.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A loop that has not ticked for this long is stuck. Loops tick at least every second while they wait.
pub const LIVENESS_LIMIT: Duration = Duration::from_secs(30);

/// The loop of [`Health::tick`] and [`Health::while_waiting`]. A service whose work moves to loops of other names takes it out
/// of the account with [`Health::ended`].
pub const MAIN_LOOP: &str = "main";

/// How often [`Health::while_waiting`] ticks.
const TICK: Duration = Duration::from_secs(1);

/// The health of one service. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    reasons: BTreeMap<String, Reason>,
    ticks: BTreeMap<String, Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    reason: String,
    remedy: String,
}

/// Whether the service can do its work, as `/readyz` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Nothing is away or wrong.
    pub ready: bool,
    /// What is, in the order of its names.
    pub reasons: Vec<NotReady>,
}

/// One thing that is away or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// Which dependency.
    pub what: String,
    /// What is wrong with it.
    pub reason: String,
    /// What mends it.
    pub remedy: String,
}

impl Health {
    /// A service that is ready and whose loops have not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `what` is away or wrong. True when that is news: the caller logs once, not at every try.
    pub fn not_ready(&self, what: &str, reason: impl Into<String>, remedy: &str) -> bool {
        let reason = Reason { reason: reason.into(), remedy: remedy.to_owned() };
        self.state().reasons.insert(what.to_owned(), reason.clone()) != Some(reason)
    }

    /// Notes that `what` works. True when it did not before.
    pub fn ready(&self, what: &str) -> bool {
        self.state().reasons.remove(what).is_some()
    }

    /// Tells that the service's one loop turns.
    pub fn tick(&self) {
        self.tick_of(MAIN_LOOP);
    }

    /// Tells that the loop of that name turns: for services with several. A loop counts from its first tick on.
    pub fn tick_of(&self, name: &str) {
        let mut state = self.state();
        match state.ticks.get_mut(name) {
            Some(at) => *at = Instant::now(),
            None => {
                state.ticks.insert(name.to_owned(), Instant::now());
            }
        }
    }

    /// Takes the loop of that name out of the account: it has ended as it should.
    pub fn ended(&self, name: &str) {
        self.state().ticks.remove(name);
    }

    /// Awaits `future` and ticks meanwhile: waiting on purpose is being alive.
    pub async fn while_waiting<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        loop {
            self.tick();
            if let Ok(output) = tokio::time::timeout(TICK, &mut future).await {
                return output;
            }
        }
    }

    /// The loops that have not ticked for [`LIVENESS_LIMIT`] at `now`; none means alive.
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        let state = self.state();
        let stuck = |at: &Instant| now.saturating_duration_since(*at) > LIVENESS_LIMIT;
        state.ticks.iter().filter(|(_, at)| stuck(at)).map(|(name, _)| name.clone()).collect()
    }

    /// What keeps the service from working, if anything.
    pub fn snapshot(&self) -> Snapshot {
        let reasons: Vec<_> = self
            .state()
            .reasons
            .iter()
            .map(|(what, Reason { reason, remedy })| NotReady {
                what: what.clone(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            })
            .collect();
        Snapshot { ready: reasons.is_empty(), reasons }
    }

    /// A panic elsewhere cannot leave the maps half written, so a poisoned lock is used on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_when_nothing_keeps_it_from_working() {
        let health = Health::new();
        assert!(health.snapshot().ready);
        assert!(health.not_ready("kafka", "no topic", "create it"));
        assert!(!health.not_ready("kafka", "no topic", "create it"), "the same again is no news");
        assert!(health.not_ready("kafka", "no broker", "start it"));
        let snapshot = health.clone().snapshot();
        assert_eq!((snapshot.ready, snapshot.reasons.len()), (false, 1));
        assert!(health.ready("kafka"));
        assert!(!health.ready("kafka"));
        assert!(health.snapshot().ready);
    }

    #[test]
    fn readiness_is_told_as_documented() {
        let health = Health::new();
        health.not_ready("api", "403", "use another address");
        assert_eq!(
            serde_json::to_value(health.snapshot()).expect("JSON"),
            serde_json::json!({
                "ready": false,
                "reasons": [{"what": "api", "reason": "403", "remedy": "use another address"}]
            })
        );
    }

    #[test]
    fn one_stuck_loop_is_seen_beside_others_that_turn() {
        let health = Health::new();
        health.tick_of("shard 0");
        let later = Instant::now() + LIVENESS_LIMIT + Duration::from_secs(1);
        assert_eq!(health.stuck(Instant::now()), Vec::<String>::new());
        assert_eq!(health.stuck(later), ["shard 0"]);
        health.ended("shard 0");
        assert_eq!(health.stuck(later), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_on_purpose_is_being_alive() {
        let health = Health::new();
        let before = Instant::now();
        health.while_waiting(tokio::time::sleep(Duration::from_secs(100))).await;
        assert!(health.state().ticks.get("main").is_some_and(|at| *at >= before));
    }
}
