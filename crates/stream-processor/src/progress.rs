//! `GET /v1/progress`: where every partition of this process stands, and why it does where it does.
//! `POST /v1/resume`: goes on after a poison flood.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::routing::{get, post};
use axum::{Json, Router};
use cassandra::CassandraError;
use chrono::Utc;
use kafka::Status;
use serde::Serialize;

use crate::breaker::State;
use crate::dead_letters::DLQ;
use crate::floodgate::Floodgate;
use crate::metrics::Metrics;

/// How a shard's line stands.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The breaker's state and why it is not closed.
    pub(crate) breaker: (State, Option<CassandraError>),
    /// Batches that may be in flight.
    pub(crate) concurrency: usize,
    /// Why some rows wait although others are written.
    pub(crate) rows_held_up: Option<String>,
    /// Why dead letters wait.
    pub(crate) dead_letters: Option<String>,
}

impl Standing {
    /// What everybody waits for.
    fn stop(&self) -> Option<String> {
        self.breaker.1.as_ref().map(|cause| format!("cassandra: {cause}"))
    }

    /// What some wait for, so that nothing settles behind them.
    fn hold(&self) -> Option<String> {
        let rows = self.rows_held_up.as_ref().map(|cause| format!("cassandra: {cause}"));
        rows.or_else(|| self.dead_letters.as_ref().map(|cause| format!("{DLQ}: {cause}")))
    }
}

#[derive(Default)]
struct OfShard {
    status: Option<Arc<Status>>,
    standing: Standing,
}

/// What the shards show of themselves. Clones share one state.
#[derive(Clone)]
pub struct Progress {
    shards: Arc<Mutex<BTreeMap<usize, OfShard>>>,
    metrics: Metrics,
    floodgate: Arc<Floodgate>,
}

#[derive(Serialize)]
struct View {
    breaker: &'static str,
    partitions: Vec<PartitionView>,
}

#[derive(Serialize)]
struct Resumed {
    /// False when no flood had stopped the line.
    resumed: bool,
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
    pub fn new(metrics: Metrics, floodgate: Arc<Floodgate>) -> Self {
        Self { shards: Arc::default(), metrics, floodgate }
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<usize, OfShard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn attach(&self, shard: usize, status: Arc<Status>) {
        self.shards().entry(shard).or_default().status = Some(status);
        self.refresh();
    }

    pub(crate) fn stands(&self, shard: usize, standing: Standing) {
        self.shards().entry(shard).or_default().standing = standing;
        self.refresh();
    }

    fn refresh(&self) {
        let shards = self.shards();
        let statuses: Vec<&Status> = shards.values().filter_map(|shard| shard.status.as_deref()).collect();
        let breakers: Vec<State> = shards.values().map(|shard| shard.standing.breaker.0).collect();
        let concurrency = shards.values().map(|shard| shard.standing.concurrency).sum();
        self.metrics.refresh(&statuses, &breakers, concurrency, Utc::now());
    }

    fn view(&self) -> View {
        let shards = self.shards();
        let flood = self.floodgate.cause().map(|cause| format!("poison flood: {cause}"));
        let mut partitions = Vec::new();
        let mut worst = State::Closed;
        for shard in shards.values() {
            let (state, _) = shard.standing.breaker;
            if state != State::Closed {
                worst = state;
            }
            let stop = flood.clone().or_else(|| shard.standing.stop());
            for partition in shard.status.iter().flat_map(|status| status.partitions()) {
                partitions.push(PartitionView {
                    // The consumer knows that the budget is spent; the line knows why.
                    paused: stop
                        .clone()
                        .or_else(|| partition.paused.map(|budget| shard.standing.hold().unwrap_or(budget))),
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

    /// The routes.
    pub fn router(&self) -> Router {
        let (progress, floodgate) = (self.clone(), Arc::clone(&self.floodgate));
        Router::new()
            .route("/v1/progress", get(move || async move { Json(progress.view()) }))
            .route("/v1/resume", post(move || async move { Json(Resumed { resumed: floodgate.resume() }) }))
    }
}
