//! One breaker for the table: while Cassandra is away, nobody hammers it and nobody gives up (I4).
//!
//! Closed: everybody writes. Open: everybody waits; the delay grows with every failed probe. Half-open: one writer tries, the
//! others wait for its result. Recovery needs nothing from outside. Waiting and waking is [`crate::gate`]'s.

use std::time::Instant;

use cassandra::{CassandraError, Class};
use service::backoff::{Delays, RetrySettings};

/// Failures in a row, without a success in between, after which the breaker opens.
const THRESHOLD: u32 = 3;

/// What the metric shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Everybody writes.
    #[default]
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

/// See the module's page.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures: u32,
    delays: Delays,
    until: Instant,
    cause: Option<CassandraError>,
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

/// What somebody who wants to write is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Write.
    Go,
    /// Write: everybody waits for how it ends.
    Probe,
    /// Ask again then.
    WaitUntil(Instant),
    /// Ask again when the probe has ended.
    WaitForProbe,
}

impl Breaker {
    /// Closed.
    pub fn new(retry: &RetrySettings, now: Instant) -> Self {
        Self { state: State::Closed, failures: 0, delays: retry.delays(), until: now, cause: None }
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it is not closed.
    pub fn cause(&self) -> Option<&CassandraError> {
        self.cause.as_ref()
    }

    /// True when the last write that ended has failed.
    pub fn is_troubled(&self) -> bool {
        self.failures > 0 || self.state != State::Closed
    }

    /// Asks to write. Whoever is told to must report the result.
    pub fn turn(&mut self, now: Instant) -> Turn {
        match self.state {
            State::Closed => Turn::Go,
            State::HalfOpen => Turn::WaitForProbe,
            State::Open if now < self.until => Turn::WaitUntil(self.until),
            State::Open => {
                self.state = State::HalfOpen;
                Turn::Probe
            }
        }
    }

    /// A write was acknowledged, whether or not it was the probe.
    pub fn succeeded(&mut self) -> Change {
        self.failures = 0;
        if self.state == State::Closed {
            return Change::None;
        }
        self.state = State::Closed;
        self.cause = None;
        self.delays.reset();
        Change::Closed
    }

    /// A write failed for a reason that is not its rows' fault. Only the probe's failure says something new while it is under
    /// way.
    pub fn failed(&mut self, now: Instant, cause: &CassandraError, probe: bool) -> Change {
        self.failures += 1;
        match self.state {
            State::Closed if cause.class == Class::Misconfigured || self.failures >= THRESHOLD => {
                self.open(now, cause);
                Change::Opened
            }
            State::HalfOpen if probe => {
                self.open(now, cause);
                Change::None
            }
            State::Closed | State::HalfOpen | State::Open => Change::None,
        }
    }

    /// The probe ended without a result: the next one may go at once.
    pub fn unproven(&mut self) {
        if self.state == State::HalfOpen {
            self.state = State::Open;
        }
    }

    fn open(&mut self, now: Instant, cause: &CassandraError) {
        self.state = State::Open;
        self.until = now + self.delays.next();
        self.cause = Some(cause.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn breaker(now: Instant) -> Breaker {
        let settings = RetrySettings {
            max_retries: 3,
            base: Duration::from_secs(1),
            max: Duration::from_secs(4),
            exponential_base: 2.0,
        };
        Breaker::new(&settings, now)
    }

    fn error(class: Class) -> CassandraError {
        CassandraError { class, kind: "unavailable", message: "no replica".to_owned() }
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_a_success_between_starts_anew() {
        let (now, away) = (Instant::now(), error(Class::Transient));
        let mut breaker = breaker(now);
        assert_eq!(breaker.failed(now, &away, false), Change::None);
        assert_eq!(breaker.failed(now, &away, false), Change::None);
        assert!(breaker.is_troubled());
        assert_eq!(breaker.succeeded(), Change::None);
        assert!(!breaker.is_troubled());
        assert_eq!(breaker.failed(now, &away, false), Change::None);
        assert_eq!(breaker.failed(now, &away, false), Change::None);
        assert_eq!(breaker.failed(now, &away, false), Change::Opened);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.cause().map(|cause| cause.kind), Some("unavailable"));
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let now = Instant::now();
        let mut breaker = breaker(now);
        let wrong = error(Class::Misconfigured);
        assert_eq!(breaker.failed(now, &wrong, false), Change::Opened, "misconfigured: no need for three");
        assert!(matches!(breaker.turn(now), Turn::WaitUntil(_)));
        let later = now + Duration::from_secs(2);
        assert_eq!(breaker.turn(later), Turn::Probe);
        assert_eq!(breaker.turn(later), Turn::WaitForProbe, "the others wait");
        breaker.failed(later, &wrong, false);
        assert_eq!(breaker.state(), State::HalfOpen, "an old write that fails now does not speak for the probe");
        breaker.failed(later, &wrong, true);
        assert!(matches!(breaker.turn(later + Duration::from_secs(1)), Turn::WaitUntil(_)), "longer than before");
        let much_later = later + Duration::from_secs(10);
        assert_eq!(breaker.turn(much_later), Turn::Probe);
        assert_eq!(breaker.succeeded(), Change::Closed);
        assert_eq!((breaker.turn(much_later), breaker.turn(much_later)), (Turn::Go, Turn::Go));
    }

    #[test]
    fn a_probe_that_is_given_up_lets_the_next_one_go_at_once() {
        let now = Instant::now();
        let mut breaker = breaker(now);
        breaker.failed(now, &error(Class::Misconfigured), false);
        let later = now + Duration::from_secs(2);
        assert_eq!(breaker.turn(later), Turn::Probe);
        breaker.unproven();
        assert_eq!(breaker.turn(later), Turn::Probe);
    }
}
