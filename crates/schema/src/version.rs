//! The version of an event: microseconds since 1970, the write timestamp of its row.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// Microseconds since 1970-01-01T00:00:00Z, never negative. It decides which of two records of one key is the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionMicros(i64);

impl VersionMicros {
    /// A version of so many microseconds; `None` where negative.
    pub const fn new(micros: i64) -> Option<Self> {
        if micros < 0 { None } else { Some(Self(micros)) }
    }

    /// From Kafka's milliseconds; `None` where negative or beyond what 64 bits of microseconds hold.
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(1_000) {
            Some(micros) => Self::new(micros),
            None => None,
        }
    }

    /// From a header's decimal digits; `None` for anything else, a sign included.
    pub fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().map(Self)
    }

    /// The microseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The instant; beyond the calendar's end, its last one.
    pub fn instant(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The day in UTC: the "today" of every rule, so that a record is judged alike whenever it is read.
    pub fn day(self) -> NaiveDate {
        self.instant().date_naive()
    }
}

impl std::fmt::Display for VersionMicros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a version may lie ahead of the clock: a minute less than what the processor lets pass, for the difference between
/// two machines.
const LEAD: TimeDelta = TimeDelta::minutes(4);

/// Hands out versions, strictly increasing even when the machine's clock stands still or steps back.
///
/// A clock that was stepped back by more than four minutes is followed all the same: versions that far ahead of it would be
/// refused as being in the future.
#[derive(Debug, Default)]
pub struct VersionClock {
    last: Option<VersionMicros>,
}

impl VersionClock {
    /// A clock that has handed out nothing yet.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// A clock that goes on behind `last`, which was handed out earlier or by an earlier process.
    pub const fn after(last: VersionMicros) -> Self {
        Self { last: Some(last) }
    }

    /// The last version that was handed out.
    pub const fn last(&self) -> Option<VersionMicros> {
        self.last
    }

    /// How far the next version would have to lie ahead of `now`, where that is more than is accepted. Then the next one
    /// is `now` and thus no newer than the last.
    pub fn stepped_back(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let ahead = TimeDelta::microseconds(self.last?.0.saturating_sub(now.timestamp_micros()));
        (ahead >= LEAD).then_some(ahead)
    }

    /// The next version: `now`, or one microsecond past the last version where `now` is not later.
    pub fn next(&mut self, now: DateTime<Utc>) -> VersionMicros {
        let clock = now.timestamp_micros().max(0);
        let version = match self.last {
            Some(VersionMicros(last)) if self.stepped_back(now).is_none() => clock.max(last.saturating_add(1)),
            Some(_) | None => clock,
        };
        self.last = Some(VersionMicros(version));
        VersionMicros(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_increase_strictly_when_the_clock_stands_still_or_steps_back() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let mut clock = VersionClock::new();
        let given: Vec<i64> = [5, 5, 5, 3, 9, 8, -4, 20].map(|micros| clock.next(at(micros)).get()).into();
        assert_eq!(given, [5, 6, 7, 8, 9, 10, 11, 20]);
    }

    #[test]
    fn versions_go_on_behind_an_earlier_process_whose_clock_was_ahead() {
        let now = DateTime::from_timestamp_micros(1_790_000_000_000_000).unwrap();
        let ahead = |ahead: TimeDelta| VersionMicros::new((now + ahead).timestamp_micros()).unwrap();
        for lead in [TimeDelta::microseconds(-1), TimeDelta::zero(), TimeDelta::minutes(3)] {
            let stored = ahead(lead);
            let mut clock = VersionClock::after(stored);
            assert_eq!((clock.stepped_back(now), clock.last()), (None, Some(stored)));
            let first = clock.next(now);
            assert!(first > stored && clock.next(now) > first && clock.last() > Some(first));
        }
    }

    #[test]
    fn a_clock_that_stepped_back_by_hours_is_followed_because_its_versions_would_be_refused_as_future() {
        let now = DateTime::from_timestamp_micros(1_790_000_000_000_000).unwrap();
        let mut clock = VersionClock::new();
        clock.next(now + TimeDelta::hours(2));
        assert_eq!(clock.stepped_back(now), Some(TimeDelta::hours(2)));
        let given: Vec<i64> = [now, now, now].map(|now| clock.next(now).get()).into();
        assert_eq!(given, [0, 1, 2].map(|more| now.timestamp_micros() + more));
        assert_eq!(clock.stepped_back(now), None);
    }

    #[test]
    fn a_version_is_decimal_digits_and_nothing_else() {
        assert_eq!(VersionMicros::parse("0").map(VersionMicros::get), Some(0));
        assert_eq!(VersionMicros::parse("9223372036854775807").map(VersionMicros::get), Some(i64::MAX));
        for no_version in ["", "-1", "+1", "1 ", "1.0", "9223372036854775808", "٣"] {
            assert_eq!(VersionMicros::parse(no_version), None, "{no_version}");
        }
        assert_eq!(VersionMicros::new(-1), None);
        assert_eq!(VersionMicros::from_millis(i64::MAX), None);
        assert_eq!(VersionMicros::from_millis(7).map(VersionMicros::get), Some(7_000));
    }

    #[test]
    fn a_version_beyond_the_calendar_has_its_last_day() {
        assert_eq!(VersionMicros(i64::MAX).day(), DateTime::<Utc>::MAX_UTC.date_naive());
    }
}
