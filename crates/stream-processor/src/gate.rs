//! The gate in front of the table, one for a shard: the breaker says whether anybody may write, the concurrency how many.
//!
//! One thread: the shard's. Nobody is woken on the happy path, because nobody waits.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use cassandra::{CassandraError, Class};
use service::backoff::RetrySettings;
use tokio::sync::Notify;

use crate::breaker::{Breaker, Change, State, Turn};
use crate::concurrency::{Concurrency, Round};

/// See the module's page.
#[derive(Debug)]
pub struct Gate {
    rules: RefCell<Rules>,
    in_flight: Cell<usize>,
    waiting: Cell<usize>,
    changed: Notify,
}

#[derive(Debug)]
struct Rules {
    breaker: Breaker,
    concurrency: Concurrency,
}

/// The leave to write once. Dropped without a result, it counts as never given.
#[derive(Debug)]
#[must_use = "the gate wants to know how the write ended"]
pub struct Pass<'a> {
    gate: &'a Gate,
    probe: bool,
    round: Round,
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Gate {
    /// Everybody may write, `most` batches at once.
    pub fn new(retry: &RetrySettings, most: usize) -> Self {
        let rules = Rules { breaker: Breaker::new(retry, now()), concurrency: Concurrency::new(most) };
        Self { rules: RefCell::new(rules), in_flight: Cell::new(0), waiting: Cell::new(0), changed: Notify::new() }
    }

    /// The breaker's state and why it is not closed.
    pub fn breaker(&self) -> (State, Option<CassandraError>) {
        let rules = self.rules.borrow();
        (rules.breaker.state(), rules.breaker.cause().cloned())
    }

    /// Batches that may be in flight now: none while the breaker is open.
    pub fn concurrency(&self) -> usize {
        let rules = self.rules.borrow();
        match rules.breaker.state() {
            State::Closed => rules.concurrency.limit(),
            State::HalfOpen => 1,
            State::Open => 0,
        }
    }

    /// True when the last write that ended has failed, or nobody may write.
    pub fn is_troubled(&self) -> bool {
        self.rules.borrow().breaker.is_troubled()
    }

    /// Waits until the caller may write. Safe to cancel.
    pub async fn pass(&self) -> Pass<'_> {
        loop {
            let changed = self.changed.notified();
            match self.turn() {
                Ok(pass) => return pass,
                Err(until) => {
                    let _waits = Counted::new(&self.waiting);
                    match until {
                        // An older write may succeed meanwhile: either ends the wait.
                        Some(until) => drop(tokio::time::timeout_at(until.into(), changed).await),
                        None => changed.await,
                    }
                }
            }
        }
    }

    /// A pass; or until when to wait, or for a change.
    fn turn(&self) -> Result<Pass<'_>, Option<Instant>> {
        let mut rules = self.rules.borrow_mut();
        let closed = rules.breaker.state() == State::Closed;
        if closed && self.in_flight.get() >= rules.concurrency.limit() {
            return Err(None);
        }
        let probe = match rules.breaker.turn(now()) {
            Turn::Go => false,
            Turn::Probe => true,
            Turn::WaitUntil(until) => return Err(Some(until)),
            Turn::WaitForProbe => return Err(None),
        };
        self.in_flight.update(|in_flight| in_flight + 1);
        Ok(Pass { gate: self, probe, round: rules.concurrency.round() })
    }

    /// Waits before another try, unless everybody waits already: then the breaker says when.
    pub async fn rest(&self, delay: Duration) {
        let until = tokio::time::Instant::now() + delay;
        while self.rules.borrow().breaker.state() == State::Closed {
            let changed = self.changed.notified();
            let _waits = Counted::new(&self.waiting);
            if tokio::time::timeout_at(until, changed).await.is_err() {
                return;
            }
        }
    }

    fn wake(&self) {
        if self.waiting.get() > 0 {
            self.changed.notify_waiters();
        }
    }
}

/// Counts somebody for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    pub(crate) fn new(count: &'a Cell<usize>) -> Self {
        count.update(|count| count + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.update(|count| count - 1);
    }
}

impl Pass<'_> {
    /// True for the one write that decides whether the breaker closes, with the reason why it opened.
    pub fn probes(&self) -> Option<CassandraError> {
        if self.probe { self.gate.rules.borrow().breaker.cause().cloned() } else { None }
    }

    /// The write was acknowledged.
    pub fn succeeded(self) -> Change {
        let mut rules = self.gate.rules.borrow_mut();
        rules.concurrency.succeeded();
        rules.breaker.succeeded()
    }

    /// The write failed for a reason that is not its rows' fault.
    pub fn failed(self, error: &CassandraError) -> Change {
        let mut rules = self.gate.rules.borrow_mut();
        let news = rules.concurrency.hurt(self.round);
        // Too much at once, answered for each of a round, is one piece of news: fewer at once may do.
        if error.class == Class::Overload && !news && !self.probe {
            return Change::None;
        }
        let change = rules.breaker.failed(now(), error, self.probe);
        if change == Change::Opened {
            rules.concurrency.collapse();
        }
        change
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.in_flight.update(|in_flight| in_flight - 1);
        if self.probe {
            // Nothing happens where it has reported: then the breaker is open or closed.
            self.gate.rules.borrow_mut().breaker.unproven();
        }
        self.gate.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(most: usize) -> Gate {
        let retry = RetrySettings {
            max_retries: 3,
            base: Duration::from_secs(1),
            max: Duration::from_secs(5),
            exponential_base: 2.0,
        };
        Gate::new(&retry, most)
    }

    fn error(class: Class) -> CassandraError {
        CassandraError { class, kind: "unavailable", message: "no replica".to_owned() }
    }

    async fn waits(future: &mut (impl Future + Unpin)) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = tokio::task::yield_now() => true,
        }
    }

    async fn opened(gate: &Gate) {
        assert_eq!(gate.pass().await.failed(&error(Class::Misconfigured)), Change::Opened);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_the_probe_go_on_when_it_succeeds_beginning_with_one() {
        let gate = gate(8);
        opened(&gate).await;
        assert_eq!(gate.concurrency(), 0);
        let probe = gate.pass().await;
        assert!(probe.probes().is_some());
        assert_eq!(gate.concurrency(), 1);
        let mut waiting = Box::pin(gate.pass());
        assert!(waits(&mut waiting).await, "one probe");
        assert_eq!(probe.succeeded(), Change::Closed);
        let first = waiting.await;
        let second = gate.pass().await;
        let mut third = Box::pin(gate.pass());
        assert!(waits(&mut third).await, "two after the probe's success");
        drop((first, second));
        drop(third.await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_is_taken_over_by_another() {
        let gate = gate(8);
        opened(&gate).await;
        let probe = gate.pass().await;
        let mut waiting = Box::pin(gate.pass());
        assert!(waits(&mut waiting).await);
        drop(probe);
        assert!(waiting.await.probes().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn too_much_at_once_is_cut_before_the_breaker_opens() {
        let gate = gate(8);
        let mut passes = Vec::new();
        for _ in 0..8 {
            passes.push(gate.pass().await);
        }
        for pass in passes {
            assert_eq!(pass.failed(&error(Class::Overload)), Change::None);
        }
        assert_eq!((gate.breaker().0, gate.concurrency()), (State::Closed, 4), "eight answers of one round");
        for (expected, change) in [(2, Change::None), (0, Change::Opened)] {
            assert_eq!(gate.pass().await.failed(&error(Class::Overload)), change);
            assert_eq!(gate.concurrency(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_ends_when_the_breaker_opens_because_the_breaker_then_says_when() {
        let gate = gate(8);
        let begun = tokio::time::Instant::now();
        let mut resting = Box::pin(gate.rest(Duration::from_secs(100)));
        assert!(waits(&mut resting).await);
        opened(&gate).await;
        resting.await;
        assert!(begun.elapsed() < Duration::from_secs(1));
        gate.rest(Duration::from_secs(100)).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "nor does one begin while it is open");
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_outage_of_any_length_it_goes_on_within_the_longest_delay() {
        let gate = gate(8);
        opened(&gate).await;
        for _ in 0..100 {
            gate.pass().await.failed(&error(Class::Transient));
        }
        let back = tokio::time::Instant::now();
        gate.pass().await.succeeded();
        assert!(back.elapsed() <= Duration::from_millis(7_501), "{:?}", back.elapsed());
    }
}
