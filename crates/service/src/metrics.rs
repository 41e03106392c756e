//! The registry of metrics behind `/metrics`.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::version::{REVISION, VERSION};

/// What `/metrics` answers with.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric of one service, each under the prefix `sluice_`. Clones share one registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// A registry that holds `sluice_build_info` and nothing else.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sluice");
        let build = Info::new(vec![("version", VERSION), ("revision", REVISION)]);
        registry.register("build", "Which build this is", build);
        Self { registry: Arc::new(Mutex::new(registry)) }
    }

    /// Registers `metric` as `sluice_<name>` and hands it back. A counter's `_total` is added by the encoding: `name` goes
    /// without it. Base units only: seconds, bytes.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric.clone());
        metric
    }

    /// Registers a family as [`Metrics::register`] does, with every series in `series` there from the start: a rate over a
    /// series that appears with its first event misses that event.
    pub fn family<S, M, C>(
        &self,
        name: &str,
        help: &str,
        family: Family<S, M, C>,
        series: impl IntoIterator<Item = S>,
    ) -> Family<S, M, C>
    where
        S: EncodeLabelSet + Clone + Eq + Hash + Send + Sync + std::fmt::Debug + 'static,
        M: EncodeMetric + TypedMetric + Send + Sync + std::fmt::Debug + 'static,
        C: MetricConstructor<M> + Clone + Send + Sync + 'static,
    {
        for labels in series {
            drop(family.get_or_create(&labels));
        }
        self.register(name, help, family)
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// A metric that cannot be encoded.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Labels {
        outcome: &'static str,
    }

    #[test]
    fn every_series_of_a_closed_label_is_there_from_the_start() {
        let metrics = Metrics::new();
        let outcomes = ["done", "failed"].map(|outcome| Labels { outcome });
        let family: Family<Labels, Counter> = metrics.family("things", "Things done", Family::default(), outcomes);
        family.get_or_create(&Labels { outcome: "done" }).inc();
        let text = metrics.render().expect("text");
        assert!(text.contains("sluice_things_total{outcome=\"done\"} 1\n"), "{text}");
        assert!(text.contains("sluice_things_total{outcome=\"failed\"} 0\n"), "{text}");
    }

    #[test]
    fn the_build_is_told() {
        let text = Metrics::new().render().expect("text");
        let line = format!("sluice_build_info{{version=\"{VERSION}\",revision=\"{REVISION}\"}} 1\n");
        assert!(text.contains(&line), "{text}");
    }
}
