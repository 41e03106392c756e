//! The replayer's metrics: names, units and meaning in one place.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use service::metrics::Metrics as Registry;

use crate::book::Census;
use crate::disposition::State;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// States that a replay leads to: the outcomes that are counted.
const OUTCOMES: [State; 4] = [State::Replayed, State::Confirmed, State::Boomeranged, State::Parked];

/// Handles on every metric. Clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    dead_letters: Family<StateLabel, Gauge>,
    replayed: Family<OutcomeLabel, Counter>,
    expires: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Registers all of them, every closed series at 0; `retention_seconds` is how long a dead letter is kept.
    pub(crate) fn new(registry: &Registry, retention_seconds: f64) -> Self {
        let states = State::ALL.map(|state| StateLabel { state: state.as_str() });
        let outcomes = OUTCOMES.map(|state| OutcomeLabel { outcome: state.as_str() });
        let metrics = Self {
            dead_letters: registry.family(
                "replayer_dead_letters",
                "Dead letters on the dead-letter topic, by what became of them",
                Family::default(),
                states,
            ),
            replayed: registry.family(
                "replayer_replayed",
                "Ledger entries about replays that were seen since the start, by what they say",
                Family::default(),
                outcomes,
            ),
            expires: registry.register(
                "replayer_oldest_unresolved_expires_in_seconds",
                "Seconds until retention may delete the oldest unresolved dead letter; the whole retention while there is none",
                Gauge::default(),
            ),
        };
        metrics.expires.set(retention_seconds);
        metrics
    }

    /// Shows how many there are.
    pub(crate) fn counted(&self, census: &Census) {
        for (state, count) in &census.by_state {
            let gauge = self.dead_letters.get_or_create(&StateLabel { state: state.as_str() });
            gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// Shows when the oldest unresolved one may be deleted.
    pub(crate) fn expires_in(&self, seconds: f64) {
        self.expires.set(seconds);
    }

    /// Counts an entry of the ledger.
    pub(crate) fn became(&self, state: State) {
        if OUTCOMES.contains(&state) {
            self.replayed.get_or_create(&OutcomeLabel { outcome: state.as_str() }).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Book;
    use crate::fixture;
    use crate::selection::Selection;

    #[test]
    fn every_documented_series_is_there_from_the_start() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry, 30.0);
        let text = registry.render().expect("text");
        for state in State::ALL {
            assert!(text.contains(&format!("sluice_replayer_dead_letters{{state=\"{state}\"}} 0\n")), "{text}");
        }
        for outcome in ["replayed", "confirmed", "boomeranged", "parked"] {
            assert!(text.contains(&format!("sluice_replayer_replayed_total{{outcome=\"{outcome}\"}} 0\n")), "{text}");
        }
        assert!(text.contains("sluice_replayer_oldest_unresolved_expires_in_seconds 30.0\n"), "{text}");

        let mut book = Book::default();
        book.letter(&fixture::read_letter(0, 1, 1));
        metrics.counted(&book.census(&Selection::default(), &State::ALL, fixture::now()));
        metrics.became(State::Confirmed);
        metrics.became(State::Discarded);
        metrics.expires_in(7.5);
        let text = registry.render().expect("text");
        assert!(text.contains("sluice_replayer_dead_letters{state=\"unresolved\"} 1\n"), "{text}");
        assert!(text.contains("sluice_replayer_replayed_total{outcome=\"confirmed\"} 1\n"), "{text}");
        assert!(!text.contains("outcome=\"discarded\""), "{text}");
        assert!(text.contains("expires_in_seconds 7.5\n"), "{text}");
    }
}
