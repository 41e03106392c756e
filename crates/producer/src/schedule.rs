//! When a run starts.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// The three modes.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// One run, at once.
    Once,
    /// A run at once and then one every so often, from start to start; a run that takes longer is followed by the next one
    /// at once, and starts that were missed are not made up for.
    Interval(Duration),
    /// Runs at the times of a pattern only. Times that pass during a run are skipped.
    Cron(Box<Times>),
}

/// A cron pattern in its time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    pattern: Cron,
    zone: Tz,
}

/// Reads a pattern of 5 or 6 fields (seconds first) or a nickname such as `@daily`; none where it is no pattern.
pub fn pattern(text: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(text).ok()
}

impl Times {
    /// The pattern in `zone`; none where it never comes about after `now`, as on 31 February.
    pub fn new(pattern: Cron, zone: Tz, now: DateTime<Utc>) -> Option<Self> {
        let times = Self { pattern, zone };
        times.after(now).map(|_| times)
    }

    fn after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.pattern.find_next_occurrence(&now.with_timezone(&self.zone), false).ok()?;
        Some(next.with_timezone(&Utc))
    }
}

/// One moment on both clocks: intervals follow the one that never steps, patterns the one on the wall.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The machine's own clock.
    pub instant: Instant,
    /// The calendar.
    pub wall: DateTime<Utc>,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { instant: tokio::time::Instant::now().into_std(), wall: Utc::now() }
    }
}

/// The start of a run to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// On the clock that never steps.
    At(Instant),
    /// On the calendar.
    On(DateTime<Utc>),
}

impl Start {
    /// How long it is to the start, from `now`. To be asked again after a while: the wall clock may have been set.
    pub fn wait(self, now: Moment) -> Duration {
        match self {
            Self::At(instant) => instant.saturating_duration_since(now.instant),
            Self::On(wall) => (wall - now.wall).to_std().unwrap_or_default(),
        }
    }
}

/// Plans one start after the other.
#[derive(Debug)]
pub struct Schedule {
    mode: Mode,
    last: Option<Start>,
}

impl Schedule {
    /// Nothing has started yet.
    pub fn new(mode: Mode) -> Self {
        Self { mode, last: None }
    }

    /// The next start, planned at `now`; none when there is no further run.
    pub fn plan(&mut self, now: Moment) -> Option<Start> {
        let start = match (&self.mode, self.last) {
            (Mode::Once, None) | (Mode::Interval(_), None | Some(Start::On(_))) => Start::At(now.instant),
            (Mode::Once, Some(_)) => return None,
            (Mode::Interval(interval), Some(Start::At(last))) => Start::At((last + *interval).max(now.instant)),
            // A wall clock that was set back, or a timer that fired early, must not start the same run twice.
            (Mode::Cron(times), Some(Start::On(last))) => Start::On(times.after(now.wall.max(last))?),
            (Mode::Cron(times), None | Some(Start::At(_))) => Start::On(times.after(now.wall)?),
        };
        self.last = Some(start);
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a date")
    }

    fn moment(instant: Instant, wall: &str) -> Moment {
        Moment { instant, wall: at(wall) }
    }

    fn starts(text: &str, zone: &str, mut wall: DateTime<Utc>, count: usize) -> Vec<String> {
        let times = Times::new(pattern(text).expect("a pattern"), zone.parse().expect("a zone"), wall);
        let mut schedule = Schedule::new(Mode::Cron(Box::new(times.expect("times"))));
        let mut starts = Vec::new();
        for _ in 0..count {
            let Some(Start::On(start)) = schedule.plan(Moment { instant: Instant::now(), wall }) else {
                panic!("a start on the calendar")
            };
            starts.push(start.format("%Y-%m-%d %H:%M:%S").to_string());
            wall = start;
        }
        starts
    }

    #[test]
    fn once_is_at_once_and_never_again() {
        let now = moment(Instant::now(), "2026-01-01T00:00:00Z");
        let mut schedule = Schedule::new(Mode::Once);
        assert_eq!(schedule.plan(now), Some(Start::At(now.instant)));
        assert_eq!(schedule.plan(now), None);
    }

    #[test]
    fn an_interval_goes_from_start_to_start_and_makes_up_for_nothing() {
        let began = Instant::now();
        let moment = |seconds| moment(began + Duration::from_secs(seconds), "2026-01-01T00:00:00Z");
        let mut schedule = Schedule::new(Mode::Interval(Duration::from_secs(10)));
        assert_eq!(schedule.plan(moment(0)).map(|start| start.wait(moment(0))), Some(Duration::ZERO));
        // The run took 3 s: 7 s are left.
        assert_eq!(schedule.plan(moment(3)).map(|start| start.wait(moment(3))), Some(Duration::from_secs(7)));
        // The run took 35 s: the next one is due now, and the one after it 10 s later.
        assert_eq!(schedule.plan(moment(45)).map(|start| start.wait(moment(45))), Some(Duration::ZERO));
        assert_eq!(schedule.plan(moment(46)).map(|start| start.wait(moment(46))), Some(Duration::from_secs(9)));
    }

    #[test]
    fn patterns_have_five_or_six_fields_or_a_nickname() {
        let from = at("2026-03-01T12:00:30Z");
        assert_eq!(starts("*/5 * * * *", "UTC", from, 2), ["2026-03-01 12:05:00", "2026-03-01 12:10:00"]);
        assert_eq!(starts("*/20 * * * * *", "UTC", from, 2), ["2026-03-01 12:00:40", "2026-03-01 12:01:00"]);
        assert_eq!(starts("@daily", "UTC", from, 2), ["2026-03-02 00:00:00", "2026-03-03 00:00:00"]);
        for wrong in ["", "often", "* * * *", "* * * * * * *", "61 * * * *", "@often"] {
            assert!(pattern(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_counts_in_its_time_zone_across_the_change_of_the_clock() {
        // Berlin changes to summer time on 2026-03-29 at 01:00 UTC.
        assert_eq!(
            starts("0 12 * * *", "Europe/Berlin", at("2026-03-28T00:00:00Z"), 3),
            ["2026-03-28 11:00:00", "2026-03-29 10:00:00", "2026-03-30 10:00:00"]
        );
    }

    #[test]
    fn a_pattern_that_never_comes_about_is_none() {
        let never = pattern("0 0 31 2 *").expect("a pattern");
        assert_eq!(Times::new(never, Tz::UTC, at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_start_the_same_run_twice() {
        let times = Times::new(pattern("@hourly").expect("a pattern"), Tz::UTC, at("2026-01-01T11:30:00Z"));
        let mut schedule = Schedule::new(Mode::Cron(Box::new(times.expect("times"))));
        let noon = Some(Start::On(at("2026-01-01T12:00:00Z")));
        assert_eq!(schedule.plan(moment(Instant::now(), "2026-01-01T11:30:00Z")), noon);
        // The timer fired a moment early.
        let next = schedule.plan(moment(Instant::now(), "2026-01-01T11:59:59.999Z"));
        assert_eq!(next, Some(Start::On(at("2026-01-01T13:00:00Z"))));
    }

    #[test]
    fn times_that_pass_during_a_run_are_skipped() {
        let times = Times::new(pattern("@hourly").expect("a pattern"), Tz::UTC, at("2026-01-01T11:30:00Z"));
        let mut schedule = Schedule::new(Mode::Cron(Box::new(times.expect("times"))));
        schedule.plan(moment(Instant::now(), "2026-01-01T11:30:00Z"));
        let next = schedule.plan(moment(Instant::now(), "2026-01-01T15:20:00Z"));
        assert_eq!(next, Some(Start::On(at("2026-01-01T16:00:00Z"))));
    }
}
