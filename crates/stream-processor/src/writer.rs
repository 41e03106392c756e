//! Writes rows until each is acknowledged or known to be unwritable.
//!
//! Transient trouble: the same rows again, with backoff, behind the breaker; their offsets stay open (I4). Refused: the batch
//! is split, so that only the culprit is refused and its neighbours are written.

use std::rc::Rc;
use std::time::{Duration, Instant};

use cassandra::{CassandraError, Class, UserTable};
use schema::fault::Fault;
use schema::reason::{Reason, Stage};
use schema::row::UserRow;
use service::backoff::RetrySettings;
use service::health::Health;

use crate::breaker::{Breaker, Change};
use crate::metrics::Metrics;

/// The name of the table's cluster in `/readyz`.
pub(crate) const CASSANDRA: &str = "cassandra";

/// Writes rows of one shard.
pub(crate) struct Writer {
    pub(crate) table: UserTable,
    pub(crate) breaker: Rc<Breaker>,
    pub(crate) retry: RetrySettings,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

impl Writer {
    /// Writes all rows; for each, in order, none if it was acknowledged, else why it never can be.
    pub(crate) async fn write(&self, rows: &[UserRow<'_>]) -> Vec<Option<Fault>> {
        let mut delays = self.retry.delays();
        let mut failed_beside_successes = 0;
        loop {
            let written_before = self.metrics.written();
            match self.attempt(rows).await {
                Ok(()) => return vec![None; rows.len()],
                Err(error) => match (error.class, rows) {
                    (Class::Rejected, [_]) => return vec![Some(refused(&error))],
                    (Class::Rejected, _) => return self.write_one_by_one(rows).await,
                    (Class::Misconfigured, _) => {}
                    (Class::Transient, _) => {
                        // Others are written while these are not: then it is not an outage.
                        if self.metrics.written() > written_before {
                            failed_beside_successes += 1;
                        }
                        if failed_beside_successes > self.retry.max_retries {
                            match rows {
                                [_] => return vec![Some(exhausted(&error))],
                                _ => return self.write_one_by_one(rows).await,
                            }
                        }
                    }
                },
            }
            tokio::time::sleep(delays.next()).await;
        }
    }

    async fn write_one_by_one(&self, rows: &[UserRow<'_>]) -> Vec<Option<Fault>> {
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            outcomes.extend(Box::pin(self.write(std::slice::from_ref(row))).await);
        }
        outcomes
    }

    async fn attempt(&self, rows: &[UserRow<'_>]) -> Result<(), CassandraError> {
        self.breaker.pass().await;
        let begun = Instant::now();
        let result = self.table.write(rows).await;
        match &result {
            Ok(()) => {
                self.metrics.wrote(rows.len(), begun.elapsed());
                self.report(self.breaker.succeeded(), None, begun.elapsed());
            }
            Err(error) if error.class == Class::Rejected => {
                // The server answered: it is there.
                self.report(self.breaker.succeeded(), None, begun.elapsed());
            }
            Err(error) => {
                self.metrics.retried(error.kind);
                let at_once = error.class == Class::Misconfigured;
                self.report(self.breaker.failed(Instant::now(), error, at_once), Some(error), begun.elapsed());
            }
        }
        result
    }

    fn report(&self, change: Change, error: Option<&CassandraError>, took: Duration) {
        match (change, error) {
            (Change::Opened, Some(error)) => {
                self.health.not_ready(CASSANDRA, error.to_string(), remedy(error.class));
                tracing::warn!(
                    error = %error, kind = error.kind, took_seconds = took.as_secs_f64(), remedy = remedy(error.class),
                    "cassandra does not take writes, the line waits"
                );
            }
            (Change::Closed, _) => {
                self.health.ready(CASSANDRA);
                tracing::info!("cassandra takes writes again");
            }
            (Change::Opened | Change::None, _) => {}
        }
    }
}

/// What a person can do about it.
pub(crate) fn remedy(class: Class) -> &'static str {
    match class {
        Class::Transient => "bring Cassandra back, or set CASSANDRA_HOSTS and CASSANDRA_PORT; it goes on by itself",
        Class::Misconfigured => {
            "apply the files of cql/ (docker compose run --rm cassandra-init) and check CASSANDRA_KEYSPACE, CASSANDRA_TABLE, \
             CASSANDRA_USERNAME and CASSANDRA_PASSWORD; it goes on by itself"
        }
        Class::Rejected => "the request itself is wrong",
    }
}

fn refused(error: &CassandraError) -> Fault {
    Fault::new(Reason::WriteRejected, Stage::Write, error.kind, "cassandra refuses this row for good")
}

fn exhausted(error: &CassandraError) -> Fault {
    Fault::new(Reason::WriteExhausted, Stage::Write, error.kind, "this row keeps failing while others are written")
}
