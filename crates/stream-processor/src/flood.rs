//! The poison flood stop: when so much turns out to be poison that the deploy is wrong and not the records, the line stops
//! instead of moving the topic into the DLQ.
//!
//! Counted in decisions, in the order in which they are made. A decision that would go beyond a limit is not made: of any
//! `window` decisions in a row at most `ratio * window` are dead letters, and at most `run` dead letters follow one another.
//! What a process has not seen yet counts as healthy, so the bounds hold from its first record on.

use std::collections::VecDeque;

/// When it is too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloodLimits {
    /// Decisions that are looked at.
    pub window: usize,
    /// Largest share of dead letters among them; 1 never stops.
    pub ratio: f64,
    /// Most dead letters in a row; 0 for any number.
    pub run: usize,
}

/// See the module's page.
#[derive(Debug)]
pub struct Flood {
    limits: FloodLimits,
    /// The last decisions, oldest first: true for a dead letter.
    decisions: VecDeque<bool>,
    poison: usize,
    run: usize,
}

/// Why a dead letter would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum TooMuch {
    /// In a row.
    #[error("{run} records in a row were poison (PIPELINE_POISON_RUN)")]
    Run {
        /// So many were dead-lettered.
        run: usize,
    },
    /// In the window.
    #[error("{poison} of the last {window} records were poison (PIPELINE_POISON_RATIO, PIPELINE_POISON_WINDOW)")]
    Share {
        /// So many were dead-lettered.
        poison: usize,
        /// Of so many.
        window: usize,
    },
}

impl Flood {
    /// Nothing decided yet.
    pub fn new(limits: FloodLimits) -> Self {
        Self { limits, decisions: VecDeque::new(), poison: 0, run: 0 }
    }

    /// A record was written.
    pub fn healthy(&mut self) {
        self.run = 0;
        self.decide(false);
    }

    /// Decides about a dead letter.
    ///
    /// # Errors
    /// It would be one too many: nothing is counted, and the record must not be dead-lettered.
    pub fn poison(&mut self) -> Result<(), TooMuch> {
        let FloodLimits { window, ratio, run } = self.limits;
        if run > 0 && self.run >= run {
            return Err(TooMuch::Run { run });
        }
        // The decision that leaves the window makes room.
        let leaving = self.decisions.len() >= window && self.decisions.front() == Some(&true);
        let share = self.poison - usize::from(leaving);
        if (share + 1) as f64 > ratio * window as f64 {
            return Err(TooMuch::Share { poison: share, window });
        }
        self.run += 1;
        self.decide(true);
        Ok(())
    }

    fn decide(&mut self, poison: bool) {
        self.decisions.push_back(poison);
        self.poison += usize::from(poison);
        if self.decisions.len() > self.limits.window && self.decisions.pop_front() == Some(true) {
            self.poison -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flood(window: usize, ratio: f64, run: usize) -> Flood {
        Flood::new(FloodLimits { window, ratio, run })
    }

    fn dead_letters(flood: &mut Flood, records: usize) -> usize {
        (0..records).filter(|_| flood.poison().is_ok()).count()
    }

    #[test]
    fn a_run_of_poison_stops_the_line_and_a_healthy_record_begins_a_new_one() {
        let mut flood = flood(1_000, 1.0, 3);
        assert_eq!(dead_letters(&mut flood, 3), 3);
        assert_eq!(flood.poison(), Err(TooMuch::Run { run: 3 }));
        flood.healthy();
        assert_eq!(dead_letters(&mut flood, 10), 3);
    }

    #[test]
    fn a_share_of_poison_stops_the_line_and_the_usual_trickle_never_does() {
        let mut trickle = flood(100, 0.1, 0);
        for _ in 0..10_000 {
            (0..9).for_each(|_| trickle.healthy());
            assert_eq!(trickle.poison(), Ok(()));
        }
        let mut half = flood(100, 0.4, 0);
        let mut dead = 0;
        for _ in 0..10_000 {
            half.healthy();
            dead += usize::from(half.poison().is_ok());
            dead += usize::from(half.poison().is_ok());
        }
        assert!(dead < 2 * 10_000, "two in three are too many");
    }

    #[test]
    fn a_deploy_that_finds_everything_poison_eats_no_more_than_the_bound() {
        assert_eq!(dead_letters(&mut flood(1_000, 0.5, 0), 5_000), 500, "by share, from the first record on");
        assert_eq!(dead_letters(&mut flood(1_000, 0.5, 20), 5_000), 20, "by run");
        assert_eq!(dead_letters(&mut flood(10, 0.0, 0), 100), 0, "none is accepted");
    }

    #[test]
    fn what_is_switched_off_never_stops() {
        assert_eq!(dead_letters(&mut flood(10, 1.0, 0), 5_000), 5_000);
    }

    #[test]
    fn a_stop_stands_until_somebody_decides_otherwise() {
        let mut flood = flood(4, 0.5, 0);
        assert_eq!(dead_letters(&mut flood, 3), 2);
        for _ in 0..10 {
            assert_eq!(flood.poison(), Err(TooMuch::Share { poison: 2, window: 4 }));
        }
    }

    proptest! {
        /// The documented bounds, for any order of records.
        #[test]
        fn no_window_and_no_run_holds_more_dead_letters_than_allowed(
            window in 1usize..30,
            ratio in 0.0f64..=1.0,
            run in 0usize..10,
            records in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let mut flood = flood(window, ratio, run);
            let mut decisions = Vec::new();
            for poison in records {
                if !poison {
                    flood.healthy();
                    decisions.push(false);
                } else if flood.poison().is_ok() {
                    decisions.push(true);
                }
            }
            for last in decisions.windows(window.min(decisions.len()).max(1)) {
                let dead = last.iter().filter(|poison| **poison).count();
                prop_assert!(dead as f64 <= ratio * window as f64);
            }
            if run > 0 {
                prop_assert!(decisions.windows(run + 1).all(|last| last.contains(&false)));
            }
        }
    }
}
