//! When each record is due. Nothing that happens moves it: a record that is sent late, or read late, is late by all of that.

use std::time::Duration;

/// One in so many records is looked for.
const PROBED: u64 = 100;

/// So many records a second, evenly; the first at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Records a second, more than 0.
    pub(crate) rate: u64,
    /// How long they are sent and not counted.
    pub(crate) warm_up: Duration,
    /// How long they are counted then.
    pub(crate) counted: Duration,
}

impl Schedule {
    /// When the record at a place is due, from the beginning.
    pub(crate) fn due(&self, index: u64) -> Duration {
        let nanoseconds = u128::from(index) * 1_000_000_000 / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.before(self.warm_up + self.counted)
    }

    /// The places that are looked for, in order; none of the warm-up.
    pub(crate) fn probes(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.before(self.warm_up).next_multiple_of(PROBED);
        (first..self.records()).step_by(usize::try_from(PROBED).unwrap_or(usize::MAX))
    }

    /// How many records are due before a time.
    fn before(&self, time: Duration) -> u64 {
        let records = (time.as_nanos() * u128::from(self.rate)).div_ceil(1_000_000_000);
        u64::try_from(records).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: u64) -> Schedule {
        Schedule { rate, warm_up: Duration::from_secs(2), counted: Duration::from_secs(3) }
    }

    #[test]
    fn records_are_due_evenly_and_do_not_drift() {
        let schedule = schedule(3);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_nanos(333_333_333));
        assert_eq!(schedule.due(3_000_000_000), Duration::from_secs(1_000_000_000));
    }

    #[test]
    fn the_last_record_is_due_before_the_end() {
        for rate in [1, 3, 1_000, 7_777] {
            let schedule = schedule(rate);
            let records = schedule.records();
            assert!(schedule.due(records - 1) < Duration::from_secs(5), "{rate}");
            assert!(schedule.due(records) >= Duration::from_secs(5), "{rate}");
        }
    }

    #[test]
    fn one_in_a_hundred_is_looked_for_and_none_of_the_warm_up() {
        let probes: Vec<u64> = schedule(1_050).probes().collect();
        assert_eq!((probes.len(), probes[0], probes.last()), (32, 2_100, Some(&5_200)));
        assert!(probes.iter().all(|probe| schedule(1_050).due(*probe) >= Duration::from_secs(2)));
    }
}
