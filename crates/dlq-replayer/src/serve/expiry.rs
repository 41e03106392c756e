//! Warnings before retention deletes what nobody has decided about: one for each threshold, not one for each look.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// So long before, the longest first.
const THRESHOLDS: [Duration; 5] = [
    Duration::from_secs(7 * 86_400),
    Duration::from_secs(3 * 86_400),
    Duration::from_secs(86_400),
    Duration::from_secs(6 * 3600),
    HOUR,
];

/// Which of the thresholds was told last.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    told: Option<Duration>,
}

impl Expiry {
    /// Whether it is time for a warning: the oldest unresolved letter is kept for `left` of `retention`.
    pub(super) fn warns(&mut self, left: Option<Duration>, retention: Duration) -> bool {
        // With a short retention every letter is always close to its end.
        let crossed = THRESHOLDS.into_iter().filter(|threshold| *threshold * 2 <= retention);
        let crossed = crossed.filter(|threshold| left.is_some_and(|left| left <= *threshold)).min();
        let is_nearer = crossed.is_some_and(|crossed| self.told.is_none_or(|told| crossed < told));
        self.told = crossed;
        is_nearer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn each_threshold_is_told_once_on_the_way_down_and_anew_after_it_was_left() {
        let mut expiry = Expiry::default();
        let mut warns = |left: Option<Duration>| expiry.warns(left, 30 * DAY);
        let told: Vec<bool> = [20 * DAY, 7 * DAY, 6 * DAY, 3 * DAY, 2 * DAY, DAY / 2, HOUR / 2, HOUR / 4]
            .map(|left| warns(Some(left)))
            .into();
        assert_eq!(told, [false, true, false, true, false, true, true, false]);
        assert!(!warns(None), "all are decided about");
        assert!(warns(Some(DAY)));
    }

    #[test]
    fn a_short_retention_warns_only_close_to_its_end() {
        let mut expiry = Expiry::default();
        assert!(!expiry.warns(Some(DAY), DAY), "a letter that has just come");
        assert!(expiry.warns(Some(Duration::from_secs(5 * 3600)), DAY));
    }
}
