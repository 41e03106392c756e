//! One breaker for the table: while Cassandra is away, nobody hammers it and nobody gives up (I4).
//!
//! Closed: everybody writes. Open: everybody waits; the delay grows with every failed probe. Half-open: one writer tries, the
//! others wait for its result. Recovery needs nothing from outside.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cassandra::CassandraError;
use service::backoff::{Delays, RetrySettings};
use tokio::sync::Notify;

/// Failures in a row, without a success in between, after which the breaker opens.
const THRESHOLD: u32 = 3;

/// What the metric shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everybody writes.
    Closed,
    /// Everybody waits.
    Open,
    /// One writer tries.
    HalfOpen,
}

impl State {
    /// All of them, in the order of the metric's labels.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Debug)]
struct Inner {
    state: State,
    failures: u32,
    delays: Delays,
    until: Instant,
    cause: Option<CassandraError>,
}

impl Inner {
    fn open(&mut self, now: Instant, cause: CassandraError) {
        self.state = State::Open;
        self.until = now + self.delays.next();
        self.cause = Some(cause);
    }
}

/// See the module's page.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// What a failure or a success did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The breaker has just opened.
    Opened,
    /// The breaker has just closed.
    Closed,
    /// As before.
    None,
}

enum Turn {
    Go,
    WaitUntil(Instant),
    WaitForProbe,
}

impl Breaker {
    /// Closed.
    pub fn new(retry: &RetrySettings) -> Self {
        let inner =
            Inner { state: State::Closed, failures: 0, delays: retry.delays(), until: Instant::now(), cause: None };
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.inner().state
    }

    /// Why it is not closed.
    pub fn cause(&self) -> Option<CassandraError> {
        self.inner().cause.clone()
    }

    /// Waits until the caller may write. Whoever is let through must report the result.
    pub async fn pass(&self) {
        loop {
            let changed = self.changed.notified();
            match self.turn(Instant::now()) {
                Turn::Go => return,
                Turn::WaitForProbe => changed.await,
                Turn::WaitUntil(at) => tokio::time::sleep_until(at.into()).await,
            }
        }
    }

    fn turn(&self, now: Instant) -> Turn {
        let mut inner = self.inner();
        match inner.state {
            State::Closed => Turn::Go,
            State::HalfOpen => Turn::WaitForProbe,
            State::Open if now < inner.until => Turn::WaitUntil(inner.until),
            State::Open => {
                inner.state = State::HalfOpen;
                Turn::Go
            }
        }
    }

    /// A write was acknowledged.
    pub fn succeeded(&self) -> Change {
        let mut inner = self.inner();
        inner.failures = 0;
        if inner.state == State::Closed {
            return Change::None;
        }
        inner.state = State::Closed;
        inner.cause = None;
        inner.delays.reset();
        drop(inner);
        self.changed.notify_waiters();
        Change::Closed
    }

    /// A write failed for a reason that is not its rows' fault. `at_once`: no number of tries will help before it is mended.
    pub fn failed(&self, now: Instant, cause: &CassandraError, at_once: bool) -> Change {
        let mut inner = self.inner();
        inner.failures += 1;
        let change = match inner.state {
            State::Closed if at_once || inner.failures >= THRESHOLD => {
                inner.open(now, cause.clone());
                Change::Opened
            }
            State::HalfOpen => {
                inner.open(now, cause.clone());
                Change::None
            }
            State::Closed | State::Open => Change::None,
        };
        drop(inner);
        self.changed.notify_waiters();
        change
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cassandra::Class;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(&RetrySettings {
            max_retries: 3,
            base: Duration::from_secs(1),
            max: Duration::from_secs(4),
            exponential_base: 2.0,
        })
    }

    fn error() -> CassandraError {
        CassandraError { class: Class::Transient, kind: "unavailable", message: "no replica".to_owned() }
    }

    fn goes(breaker: &Breaker, now: Instant) -> bool {
        matches!(breaker.turn(now), Turn::Go)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_a_success_between_starts_anew() {
        let (breaker, now) = (breaker(), Instant::now());
        assert_eq!(breaker.failed(now, &error(), false), Change::None);
        assert_eq!(breaker.failed(now, &error(), false), Change::None);
        assert_eq!(breaker.succeeded(), Change::None);
        assert_eq!(breaker.failed(now, &error(), false), Change::None);
        assert_eq!(breaker.failed(now, &error(), false), Change::None);
        assert_eq!(breaker.failed(now, &error(), false), Change::Opened);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.cause().map(|cause| cause.kind), Some("unavailable"));
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let (breaker, now) = (breaker(), Instant::now());
        assert_eq!(breaker.failed(now, &error(), true), Change::Opened, "misconfigured: no need for three");
        assert!(!goes(&breaker, now));
        let later = now + Duration::from_secs(2);
        assert!(goes(&breaker, later), "the probe");
        assert!(!goes(&breaker, later), "the others wait");
        breaker.failed(later, &error(), false);
        assert_eq!(breaker.state(), State::Open);
        assert!(!goes(&breaker, later), "and longer than before");
        let much_later = later + Duration::from_secs(10);
        assert!(goes(&breaker, much_later));
        assert_eq!(breaker.succeeded(), Change::Closed);
        assert!(goes(&breaker, much_later) && goes(&breaker, much_later));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_the_probe_go_on_when_it_succeeds() {
        let breaker = breaker();
        breaker.failed(Instant::now() - Duration::from_secs(60), &error(), true);
        breaker.pass().await;
        let mut waiting = Box::pin(breaker.pass());
        tokio::select! {
            () = &mut waiting => panic!("two probes"),
            () = tokio::task::yield_now() => {}
        }
        breaker.succeeded();
        waiting.await;
    }
}
