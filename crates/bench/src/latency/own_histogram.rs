//! The processor's own histogram of the same times: from a record's version, which is its scheduled time, to the
//! acknowledgement of its row. It counts every record and knows only the bounds of its buckets. A version of these records is
//! their time in Kafka, whole milliseconds, so it counts up to one of them too much.

use serde::{Deserialize, Serialize};

/// As `/metrics` of the processor calls it.
const NAME: &str = "sluice_processor_end_to_end_latency_seconds_bucket";

/// How many records took at most so long: bounds in seconds, each with the count of all below it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Buckets(Vec<(f64, f64)>);

/// Times at which shares of all records were acknowledged, milliseconds, interpolated between the bounds of a bucket. None
/// where it lies beyond the last bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Records counted.
    pub records: f64,
    /// Half of them.
    pub p50_ms: Option<f64>,
    /// 90 of 100.
    pub p90_ms: Option<f64>,
    /// 99 of 100.
    pub p99_ms: Option<f64>,
    /// 999 of 1000.
    pub p999_ms: Option<f64>,
}

impl Buckets {
    /// From the Prometheus text format.
    pub(crate) fn read(metrics: &str) -> Self {
        let bucket = |line: &str| {
            let (_, rest) = line.strip_prefix(NAME)?.split_once("le=\"")?;
            let (bound, rest) = rest.split_once('"')?;
            Some((bound.parse().ok()?, rest.rsplit(' ').next()?.parse().ok()?))
        };
        Self(metrics.lines().filter_map(bucket).collect())
    }

    /// What was counted since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let count = |bound: f64| before.0.iter().find(|(other, _)| *other == bound).map_or(0.0, |(_, count)| *count);
        Self(self.0.iter().map(|(bound, now)| (*bound, now - count(*bound))).collect())
    }

    pub(crate) fn summary(&self) -> Option<Acknowledged> {
        let records = self.0.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let at = |share: f64| self.quantile(records * share).map(|seconds| seconds * 1e3);
        Some(Acknowledged { records, p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), p999_ms: at(0.999) })
    }

    fn quantile(&self, wanted: f64) -> Option<f64> {
        let (mut below, mut counted) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= wanted {
                let share = (wanted - counted) / (count - counted).max(f64::MIN_POSITIVE);
                return bound.is_finite().then_some(below + (bound - below) * share);
            }
            (below, counted) = (*bound, *count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(counts: [u64; 3]) -> String {
        let [first, second, all] = counts;
        format!(
            "# TYPE sluice_processor_end_to_end_latency_seconds histogram\n\
             sluice_processor_end_to_end_latency_seconds_sum 3.5\n\
             sluice_processor_end_to_end_latency_seconds_count {all}\n\
             sluice_processor_end_to_end_latency_seconds_bucket{{le=\"0.001\"}} {first}\n\
             sluice_processor_end_to_end_latency_seconds_bucket{{le=\"0.002\"}} {second}\n\
             sluice_processor_end_to_end_latency_seconds_bucket{{le=\"+Inf\"}} {all}\n"
        )
    }

    #[test]
    fn shares_are_interpolated_in_what_was_counted_since() {
        let (before, after) = (Buckets::read(&metrics([5, 5, 10])), Buckets::read(&metrics([45, 105, 120])));
        let summary = after.since(&before).summary().unwrap();
        assert_eq!(summary.records, 110.0);
        assert!((summary.p50_ms.unwrap() - 1.25).abs() < 1e-9, "{summary:?}");
        assert!((summary.p90_ms.unwrap() - (1.0 + 59.0 / 60.0)).abs() < 1e-9, "{summary:?}");
        assert_eq!(summary.p99_ms, None);
    }

    #[test]
    fn nothing_counted_is_no_summary() {
        assert_eq!(Buckets::read("").summary(), None);
        let same = Buckets::read(&metrics([1, 2, 3]));
        assert_eq!(same.since(&same).summary(), None);
    }
}
