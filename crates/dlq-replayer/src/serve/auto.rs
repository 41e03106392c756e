//! `REPLAY_AUTO=transient`: when to replay by itself what may succeed unchanged, and what a try says about the next one.
//!
//! As a breaker does: one letter goes first, the others only when it is home; when it comes back, the next try waits twice as
//! long. Each try counts as an attempt of the letters that it has sent, so in the end they are parked (I7).

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use schema::reason::Reason;

use crate::job::canary::Canary;
use crate::job::{Action, JobError, Plan};
use crate::operator;
use crate::report::Report;
use crate::routes::Routes;
use crate::selection::{Moment, Selection};
use crate::settings::ReplayerSettings;

/// Between two tries, and between a failure and the first one.
const SHORTEST: Duration = Duration::from_secs(60);
/// Between two tries, at most.
const LONGEST: Duration = Duration::from_secs(3600);
/// Another job has said nothing for so long, or it may be at work and is not to be disturbed.
const QUIET: TimeDelta = TimeDelta::minutes(1);

/// When the next try is due.
#[derive(Debug)]
pub(super) struct Backoff {
    delay: Duration,
    next: Instant,
}

impl Backoff {
    pub(super) fn new(now: Instant) -> Self {
        Self { delay: SHORTEST, next: now }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Takes in what came of a try.
    pub(super) fn tried(&mut self, outcome: &Result<Report, JobError>, now: Instant) {
        let failed = match outcome {
            // Where all were refused, they will be the next time.
            Ok(report) => report.aborted_by_canary || report.boomeranged > 0 || report.done() < report.refused,
            // Somebody else is at it.
            Err(JobError::TakenOver { .. }) => false,
            Err(_) => true,
        };
        if !failed {
            self.delay = SHORTEST;
        }
        self.next = now + self.delay;
        if failed {
            self.delay = (self.delay * 2).min(LONGEST);
        }
    }
}

/// Whether another job may be at work: somebody else's entry is too young.
pub(super) fn is_disturbing(newest_of_others: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    newest_of_others.is_some_and(|newest| now - newest < QUIET)
}

/// Who replays by itself, as the ledger tells it.
pub(super) fn who() -> String {
    format!("REPLAY_AUTO {}", operator::who())
}

/// What may be tried again.
pub(super) fn selection() -> Selection {
    Selection {
        reasons: vec![Reason::WriteExhausted],
        until: Some(Moment::Ago(TimeDelta::from_std(SHORTEST).unwrap_or(QUIET))),
        ..Selection::default()
    }
}

/// One try.
pub(super) fn plan(settings: &ReplayerSettings) -> Plan {
    let routes = Routes::new(&settings.kafka.topics.user_data, &settings.allowed_topics);
    Plan {
        by: who(),
        why: "what the write failed of may be gone".to_owned(),
        rate: settings.rate_per_second,
        canary: Some(Canary { letters: 1, percent: 0.0 }),
        ..Plan::new(Action::Replay, selection(), routes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn report(boomeranged: usize, aborted_by_canary: bool) -> Result<Report, JobError> {
        Ok(Report { boomeranged, aborted_by_canary, ..Report::default() })
    }

    #[test]
    fn a_try_that_comes_back_is_followed_by_a_longer_wait_up_to_an_hour() {
        let mut now = Instant::now();
        let mut backoff = Backoff::new(now);
        let mut waits = Vec::new();
        for outcome in std::iter::repeat_with(|| report(1, true)).take(8) {
            assert!(backoff.is_due(now));
            backoff.tried(&outcome, now);
            assert!(!backoff.is_due(now));
            waits.push((backoff.next - now).as_secs() / 60);
            now = backoff.next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        for home in [report(0, false), Err(JobError::TakenOver { done: 0 })] {
            backoff.tried(&home, now);
            assert_eq!(backoff.next - now, SHORTEST);
        }
        backoff.tried(&report(1, false), now);
        backoff.tried(&report(1, false), now);
        assert_eq!(backoff.next - now, SHORTEST * 2, "others than the canary count too");
        backoff.tried(&Ok(Report { selected: 3, refused: 3, ..Report::default() }), now);
        assert_eq!(backoff.next - now, SHORTEST * 4, "nothing could be sent");
    }

    #[test]
    fn nobody_is_disturbed_who_has_just_written() {
        let now = fixture::now();
        assert!(!is_disturbing(None, now));
        assert!(is_disturbing(Some(now - TimeDelta::seconds(59)), now));
        assert!(is_disturbing(Some(now + TimeDelta::seconds(1)), now), "clocks differ");
        assert!(!is_disturbing(Some(now - QUIET), now));
    }
}
