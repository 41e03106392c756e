//! Delays between retries.
//!
//! The `backoff` crate is unmaintained (RUSTSEC-2025-0012); this is the only module that names it, so that replacing it is an
//! edit of one file.

use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

use crate::settings::Reader;

/// The crate draws from `interval * (1 - f ..= 1 + f)`; with `f` = 1/5 and intervals 5/4 as long that is
/// `delay * (1 ..= 1.5)`, the formula of the settings.
const SPREAD: f64 = 0.2;
const STRETCH: f64 = 1.25;

/// The delays before retry 0, 1, 2 ...: `min(base * b^n, max) * (1 + U(0, 0.5))`.
#[derive(Debug, Clone)]
pub struct Delays {
    intervals: ExponentialBackoff,
}

impl Delays {
    /// Delays from `base`, growing by the factor `exponential_base` (at least 1), never above one and a half times `max`.
    pub fn new(base: Duration, max: Duration, exponential_base: f64) -> Self {
        let intervals = ExponentialBackoffBuilder::new()
            .with_initial_interval(base.min(max).mul_f64(STRETCH))
            .with_max_interval(max.mul_f64(STRETCH))
            .with_multiplier(exponential_base.max(1.0))
            .with_randomization_factor(SPREAD)
            .with_max_elapsed_time(None)
            .build();
        Self { intervals }
    }

    /// The delay before the next retry.
    #[expect(clippy::should_implement_trait, reason = "the delays never end, so an iterator's Option would be noise")]
    pub fn next(&mut self) -> Duration {
        self.intervals.next_backoff().unwrap_or(self.intervals.max_interval)
    }

    /// Begins again at retry 0: to be called after a success.
    pub fn reset(&mut self) {
        self.intervals.reset();
    }
}

/// The `RETRY_*` variables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrySettings {
    /// Retries before what is tried counts as exhausted.
    pub max_retries: u32,
    /// Delay before retry 0, less the jitter.
    pub base: Duration,
    /// Largest delay, less the jitter.
    pub max: Duration,
    /// Growth from one delay to the next.
    pub exponential_base: f64,
}

impl RetrySettings {
    /// Reads the four variables.
    pub fn read(reader: &mut Reader) -> Self {
        let settings = Self {
            max_retries: reader.number("RETRY_MAX_RETRIES", 0..=1000),
            base: reader.seconds("RETRY_BASE_DELAY", 0.001..=3600.0),
            max: reader.seconds("RETRY_MAX_DELAY", 0.001..=86_400.0),
            exponential_base: reader.number("RETRY_EXPONENTIAL_BASE", 1.0..=100.0),
        };
        if !settings.max.is_zero() && settings.max < settings.base {
            reader.problem("RETRY_MAX_DELAY", "at least RETRY_BASE_DELAY (seconds)");
        }
        settings
    }

    /// Fresh delays.
    pub fn delays(&self) -> Delays {
        Delays::new(self.base, self.max, self.exponential_base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_by_the_factor_up_to_the_maximum_with_half_as_much_again_of_jitter() {
        // The crate adds one nanosecond to the range it draws from, and truncates.
        let slack = Duration::from_nanos(2);
        for _ in 0..200 {
            let mut delays = Delays::new(Duration::from_millis(100), Duration::from_millis(1000), 3.0);
            for least in [100, 300, 900, 1000, 1000].map(Duration::from_millis) {
                let delay = delays.next();
                assert!(delay + slack >= least && delay <= least.mul_f64(1.5) + slack, "{delay:?} for {least:?}");
            }
            delays.reset();
            assert!(delays.next() <= Duration::from_millis(150) + slack);
        }
    }

    #[test]
    fn the_jitter_is_spread_over_its_whole_range() {
        let mut delays = Delays::new(Duration::from_secs(1), Duration::from_secs(1), 2.0);
        let drawn: Vec<_> = (0..1000).map(|_| delays.next()).collect();
        assert!(drawn.iter().any(|delay| *delay < Duration::from_millis(1050)));
        assert!(drawn.iter().any(|delay| *delay > Duration::from_millis(1450)));
    }

    #[test]
    fn a_base_above_the_maximum_is_capped_and_a_factor_below_one_does_not_shrink() {
        let mut delays = Delays::new(Duration::from_secs(9), Duration::from_secs(1), 0.1);
        for _ in 0..5 {
            let delay = delays.next();
            assert!(delay >= Duration::from_millis(999) && delay <= Duration::from_millis(1501), "{delay:?}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_catalogue() {
        let mut reader = Reader::from_pairs([("", "")]);
        let retry = RetrySettings::read(&mut reader);
        assert!(reader.finish().is_ok());
        let expected = RetrySettings {
            max_retries: 3,
            base: Duration::from_secs(1),
            max: Duration::from_secs(60),
            exponential_base: 2.0,
        };
        assert_eq!(retry, expected);
    }

    #[test]
    fn a_maximum_below_the_base_is_refused() {
        let mut reader = Reader::from_pairs([("RETRY_BASE_DELAY", "10"), ("RETRY_MAX_DELAY", "5")]);
        RetrySettings::read(&mut reader);
        let error = reader.finish().expect_err("refused");
        assert!(error.to_string().contains("RETRY_MAX_DELAY"), "{error}");
    }
}
