//! `GET /v1/progress`: where every partition of this process stands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::routing::get;
use axum::{Json, Router};
use cassandra::CassandraError;
use chrono::Utc;
use kafka::Status;
use serde::Serialize;

use crate::breaker::State;
use crate::metrics::Metrics;

#[derive(Default)]
struct OfShard {
    status: Option<Arc<Status>>,
    breaker: Option<(State, Option<CassandraError>)>,
}

/// What the shards show of themselves. Clones share one state.
#[derive(Clone)]
pub struct Progress {
    shards: Arc<Mutex<BTreeMap<usize, OfShard>>>,
    metrics: Metrics,
}

#[derive(Serialize)]
struct View {
    breaker: &'static str,
    partitions: Vec<PartitionView>,
}

#[derive(Serialize)]
struct PartitionView {
    topic: String,
    partition: i32,
    frontier: Option<i64>,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    in_flight: usize,
    paused: Option<String>,
}

impl Progress {
    /// Nothing to show yet.
    pub fn new(metrics: Metrics) -> Self {
        Self { shards: Arc::default(), metrics }
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<usize, OfShard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn attach(&self, shard: usize, status: Arc<Status>) {
        self.shards().entry(shard).or_default().status = Some(status);
        self.refresh();
    }

    pub(crate) fn breaker(&self, shard: usize, state: State, cause: Option<CassandraError>) {
        self.shards().entry(shard).or_default().breaker = Some((state, cause));
        self.refresh();
    }

    fn refresh(&self) {
        let shards = self.shards();
        let statuses: Vec<&Status> = shards.values().filter_map(|shard| shard.status.as_deref()).collect();
        let breakers: Vec<State> =
            shards.values().map(|shard| shard.breaker.as_ref().map_or(State::Closed, |(state, _)| *state)).collect();
        self.metrics.refresh(&statuses, &breakers, Utc::now());
    }

    fn view(&self) -> View {
        let shards = self.shards();
        let mut partitions = Vec::new();
        let mut worst = State::Closed;
        for shard in shards.values() {
            let (state, cause) = shard.breaker.clone().unwrap_or((State::Closed, None));
            if state != State::Closed {
                worst = state;
            }
            let cause = cause.map(|cause| format!("cassandra: {cause}"));
            for partition in shard.status.iter().flat_map(|status| status.partitions()) {
                partitions.push(PartitionView {
                    // The consumer knows that it waits; the breaker knows why.
                    paused: partition.paused.map(|waits| cause.clone().unwrap_or(waits)),
                    topic: partition.topic,
                    partition: partition.partition,
                    frontier: partition.frontier,
                    committed: partition.committed,
                    end: partition.end,
                    lag: partition.lag,
                    in_flight: partition.in_flight,
                });
            }
        }
        partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        View { breaker: worst.as_str(), partitions }
    }

    /// The route.
    pub fn router(&self) -> Router {
        let progress = self.clone();
        Router::new().route("/v1/progress", get(move || async move { Json(progress.view()) }))
    }
}
