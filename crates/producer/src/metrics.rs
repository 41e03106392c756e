//! The producer's metrics: names, meaning, and every series from the start.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use schema::fault::Fault;
use schema::reason::PAIRS;
use service::metrics::Metrics;

/// `outcome` of `sluice_producer_api_requests_total`.
const REQUEST_OUTCOMES: [&str; 10] = [
    "ok",
    "unreachable",
    "timeout",
    "broken",
    "rate_limited",
    "server_error",
    "refused",
    "not_json",
    "api_error",
    "contract_violation",
];

/// Seconds: from a stand-in on the same machine to the default timeout.
const REQUEST_SECONDS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    reason: &'static str,
    stage: &'static str,
}

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct ProducerMetrics {
    records: Family<OutcomeLabel, Counter>,
    dead_letters: Family<FaultLabel, Counter>,
    requests: Family<OutcomeLabel, Counter>,
    request_seconds: Histogram,
    pages: Counter,
}

impl ProducerMetrics {
    /// Registers all of them.
    pub fn new(metrics: &Metrics) -> Self {
        let outcomes =
            |names: &[&'static str]| -> Vec<_> { names.iter().map(|outcome| OutcomeLabel { outcome }).collect() };
        let faults = PAIRS.iter().map(|(reason, stage)| FaultLabel { reason: reason.as_str(), stage: stage.as_str() });
        Self {
            records: metrics.family(
                "producer_records",
                "Users by what became of them, counted when the broker has acknowledged it",
                Family::default(),
                outcomes(&["published", "dead_lettered"]),
            ),
            dead_letters: metrics.family(
                "dead_letters",
                "Dead letters that the broker has acknowledged",
                Family::default(),
                faults,
            ),
            requests: metrics.family(
                "producer_api_requests",
                "Requests to the API by what came of them",
                Family::default(),
                outcomes(&REQUEST_OUTCOMES),
            ),
            request_seconds: metrics.register(
                "producer_api_request_duration_seconds",
                "Time of one request to the API, from its start to the last byte or the failure",
                Histogram::new(REQUEST_SECONDS),
            ),
            pages: metrics.register(
                "producer_pages",
                "Pages of which every record is acknowledged",
                Counter::default(),
            ),
        }
    }

    /// A request ended.
    pub fn requested(&self, outcome: &'static str, took: Duration) {
        self.requests.get_or_create(&OutcomeLabel { outcome }).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// A record was acknowledged.
    pub fn published(&self) {
        self.records.get_or_create(&OutcomeLabel { outcome: "published" }).inc();
    }

    /// A dead letter was acknowledged.
    pub fn dead_lettered(&self, fault: &Fault) {
        let label = FaultLabel { reason: fault.reason.as_str(), stage: fault.stage.as_str() };
        self.dead_letters.get_or_create(&label).inc();
        self.records.get_or_create(&OutcomeLabel { outcome: "dead_lettered" }).inc();
    }

    /// Every record of a page was acknowledged.
    pub fn page_done(&self) {
        self.pages.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start_at_0() {
        let metrics = Metrics::new();
        ProducerMetrics::new(&metrics);
        let text = metrics.render().expect("text");
        for outcome in REQUEST_OUTCOMES {
            assert!(
                text.contains(&format!("sluice_producer_api_requests_total{{outcome=\"{outcome}\"}} 0\n")),
                "{text}"
            );
        }
        for outcome in ["published", "dead_lettered"] {
            assert!(text.contains(&format!("sluice_producer_records_total{{outcome=\"{outcome}\"}} 0\n")), "{text}");
        }
        assert_eq!(text.matches("sluice_dead_letters_total{").count(), PAIRS.len());
        assert!(text.contains("sluice_producer_pages_total 0\n"), "{text}");
        assert!(text.contains("sluice_producer_api_request_duration_seconds_count 0\n"), "{text}");
    }
}
