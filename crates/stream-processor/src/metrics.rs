//! The processor's metrics: names, units and meaning in one place.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kafka::{Outcome, PartitionStatus, Status};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use schema::fault::Fault;
use schema::reason::PAIRS;
use schema::version::VersionMicros;
use service::metrics::Metrics as Registry;

use crate::breaker::State;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabel {
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabel {
    topic: String,
    partition: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: String,
}

/// Handles on every metric. Clones share the values.
#[derive(Clone)]
pub struct Metrics {
    written: Counter,
    dead_lettered: Counter,
    retries: Family<ErrorLabel, Counter>,
    dead_letters: Family<ReasonLabel, Counter>,
    latency: Histogram,
    write_duration: Histogram,
    unaccounted: Family<PartitionLabel, Gauge>,
    lag_records: Family<PartitionLabel, Gauge>,
    lag_seconds: Family<PartitionLabel, Gauge<f64, std::sync::atomic::AtomicU64>>,
    breaker: Family<StateLabel, Gauge>,
    write_concurrency: Gauge,
    flood_stopped: Gauge,
    commits: Family<OutcomeLabel, Counter>,
    rebalances: Family<KindLabel, Counter>,
    restarted: Counter,
    late: Counter,
}

fn label_of(outcome: Outcome) -> OutcomeLabel {
    OutcomeLabel {
        outcome: match outcome {
            Outcome::Written => "written",
            Outcome::DeadLettered => "dead_lettered",
            Outcome::Skipped => "skipped",
        },
    }
}

impl Metrics {
    /// Registers all of them, every closed series at 0. `table` is `keyspace.table`.
    pub fn new(registry: &Registry, table: &str) -> Self {
        let outcomes = [Outcome::Written, Outcome::DeadLettered, Outcome::Skipped].map(label_of);
        let records: Family<OutcomeLabel, Counter> =
            registry.family("processor_records", "Records settled", Family::default(), outcomes);
        let counter = |outcome| records.get_or_create(&label_of(outcome)).clone();
        let durations = Family::<TableLabel, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        let table = TableLabel { table: table.to_owned() };
        let durations = registry.family(
            "processor_write_duration_seconds",
            "Time from sending a batch to its acknowledgement, seconds",
            durations,
            [table.clone()],
        );
        let pairs = PAIRS.iter().map(|(reason, stage)| ReasonLabel { reason: reason.as_str(), stage: stage.as_str() });
        let kinds = cassandra::KINDS.iter().map(|kind| ErrorLabel { error_type: kind });
        Self {
            written: counter(Outcome::Written),
            dead_lettered: counter(Outcome::DeadLettered),
            retries: registry.family(
                "processor_write_retries",
                "Writes that failed for a reason that is not their rows' fault and were tried again",
                Family::default(),
                kinds,
            ),
            dead_letters: registry.family(
                "dead_letters",
                "Dead letters that the broker has acknowledged",
                Family::default(),
                pairs,
            ),
            latency: registry.register(
                "processor_end_to_end_latency_seconds",
                "Time from a record's version to the acknowledgement of its row, seconds",
                seconds(),
            ),
            write_duration: durations.get_or_create(&table).clone(),
            unaccounted: registry.family(
                "processor_unaccounted_records",
                "Records delivered that are neither under way nor settled: 0, or there is a bug",
                Family::default(),
                [],
            ),
            lag_records: registry.family(
                "processor_lag_records",
                "Records between the frontier and the end of the partition",
                Family::default(),
                [],
            ),
            lag_seconds: registry.family(
                "processor_lag_seconds",
                "Age of the oldest record that is read and not settled, seconds",
                Family::default(),
                [],
            ),
            breaker: registry.family(
                "processor_breaker_state",
                "Shards whose breaker is in this state",
                Family::default(),
                State::ALL.map(|state| StateLabel { state: state.as_str() }),
            ),
            write_concurrency: registry.register(
                "processor_write_concurrency",
                "Batches that may be in flight now: cut while Cassandra hurts, 0 while the breaker is open",
                Gauge::default(),
            ),
            flood_stopped: registry.register(
                "processor_flood_stopped",
                "1 while so much poison came that the line stands, else 0",
                Gauge::default(),
            ),
            commits: registry.family(
                "processor_commits",
                "Offset commits",
                Family::default(),
                ["done", "failed"].map(|outcome| OutcomeLabel { outcome }),
            ),
            rebalances: registry.family(
                "processor_rebalances",
                "Partitions assigned, revoked and lost",
                Family::default(),
                ["assigned", "revoked", "lost"].map(|kind| KindLabel { kind }),
            ),
            restarted: registry.register(
                "processor_restarted_partitions",
                "Times that a partition was read anew because its topic was made anew or its log went back",
                Counter::default(),
            ),
            late: registry.register(
                "processor_late_settlements",
                "Settlements of an assignment that had ended, ignored",
                Counter::default(),
            ),
        }
    }

    /// For the flood stop.
    pub(crate) fn flood_stopped(&self) -> Gauge {
        self.flood_stopped.clone()
    }

    pub(crate) fn wrote(&self, rows: usize, took: Duration) {
        self.written.inc_by(rows as u64);
        self.write_duration.observe(took.as_secs_f64());
    }

    pub(crate) fn observe_latency(&self, now: DateTime<Utc>, version: VersionMicros) {
        let micros = now.timestamp_micros().saturating_sub(version.get());
        self.latency.observe(micros.max(0) as f64 / 1e6);
    }

    pub(crate) fn retried(&self, kind: &'static str) {
        self.retries.get_or_create(&ErrorLabel { error_type: kind }).inc();
    }

    pub(crate) fn dead_lettered(&self, fault: &Fault) {
        self.dead_lettered.inc();
        let pair = ReasonLabel { reason: fault.reason.as_str(), stage: fault.stage.as_str() };
        self.dead_letters.get_or_create(&pair).inc();
    }

    /// Refreshes what is read from the consumers.
    pub(crate) fn refresh(&self, consumers: &[&Status], breakers: &[State], concurrency: usize, now: DateTime<Utc>) {
        self.write_concurrency.set(concurrency as i64);
        for state in State::ALL {
            let count = breakers.iter().filter(|breaker| **breaker == state).count();
            self.breaker.get_or_create(&StateLabel { state: state.as_str() }).set(count as i64);
        }
        let total = |count: fn(&Status) -> u64| consumers.iter().map(|status| count(status)).sum::<u64>();
        let commits = |outcome| self.commits.get_or_create(&OutcomeLabel { outcome }).clone();
        raise(&commits("done"), total(|status| status.counters.commits_done()));
        raise(&commits("failed"), total(|status| status.counters.commits_failed()));
        let rebalances = |kind| self.rebalances.get_or_create(&KindLabel { kind }).clone();
        raise(&rebalances("assigned"), total(|status| status.counters.assigned()));
        raise(&rebalances("revoked"), total(|status| status.counters.revoked()));
        raise(&rebalances("lost"), total(|status| status.counters.lost()));
        raise(&self.restarted, total(|status| status.counters.restarted()));
        raise(&self.late, total(|status| status.counters.late()));
        self.unaccounted.clear();
        self.lag_records.clear();
        self.lag_seconds.clear();
        for partition in consumers.iter().flat_map(|status| status.partitions()) {
            self.refresh_partition(&partition, now);
        }
    }

    fn refresh_partition(&self, partition: &PartitionStatus, now: DateTime<Utc>) {
        let label = PartitionLabel { topic: partition.topic.clone(), partition: partition.partition };
        self.unaccounted.get_or_create(&label).set(partition.unaccounted);
        if let Some(lag) = partition.lag {
            self.lag_records.get_or_create(&label).set(lag);
        }
        let age_ms = partition.oldest_unpassed_ms.map_or(0, |at| (now.timestamp_millis() - at).max(0));
        self.lag_seconds.get_or_create(&label).set(age_ms as f64 / 1e3);
    }
}

/// Half a millisecond to 32 seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 17))
}

/// Brings a counter up to a total that is counted elsewhere.
fn raise(counter: &Counter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
