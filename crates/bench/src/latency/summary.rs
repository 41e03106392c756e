//! What a distribution of times is told as.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest time that is told apart from longer ones.
const LONGEST_US: u64 = 600_000_000;

/// Times, each kept to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

/// Times at which shares of all samples had come about, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many there were.
    pub samples: u64,
    /// Half of them.
    pub p50_ms: f64,
    /// 90 of 100.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1000.
    pub p999_ms: f64,
    /// All.
    pub max_ms: f64,
}

impl Times {
    #[expect(clippy::expect_used, reason = "the bounds are constants, and the test below takes them")]
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds that are in order"))
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// None where there is no sample.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        (!self.0.is_empty()).then(|| Summary {
            samples: self.0.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: self.0.max() as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_times_are_told_by_their_shares() {
        let mut times = Times::new();
        for millis in 1..=1_000 {
            times.record(Duration::from_millis(millis));
        }
        let summary = times.summary().unwrap();
        assert_eq!(summary.samples, 1_000);
        for (found, expected) in [
            (summary.p50_ms, 500.0),
            (summary.p90_ms, 900.0),
            (summary.p99_ms, 990.0),
            (summary.p999_ms, 999.0),
            (summary.max_ms, 1_000.0),
        ] {
            assert!((found - expected).abs() <= expected / 1_000.0, "{found} for {expected}");
        }
    }

    #[test]
    fn no_time_is_no_summary_and_an_endless_one_is_the_longest() {
        let mut times = Times::new();
        assert_eq!(times.summary(), None);
        times.record(Duration::MAX);
        assert!(times.summary().unwrap().max_ms >= LONGEST_US as f64 / 1e3);
    }
}
