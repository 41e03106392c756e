//! Writes rows until each is acknowledged or known to be unwritable.
//!
//! Transient trouble: the same rows again, with backoff, behind the gate; their offsets stay open (I4). Refused: the batch is
//! split, so that only the culprit is refused and its neighbours are written. A row is blamed only when something else can be
//! written to its very place: silence, overload and missing replicas never make a dead letter.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use cassandra::{CassandraError, Class, UserTable};
use schema::fault::Fault;
use schema::reason::{Reason, Stage};
use schema::row::UserRow;
use service::backoff::RetrySettings;
use service::health::Health;
use uuid::Uuid;

use crate::breaker::Change;
use crate::gate::{Counted, Gate, Pass};
use crate::metrics::Metrics;
use crate::trouble::Trouble;

/// The name of the table's cluster in `/readyz`.
pub(crate) const CASSANDRA: &str = "cassandra";

/// Where rows go: [`UserTable`], or a test's.
pub(crate) trait Table: Sized {
    /// Writes all rows at once; after an error any of them may have been written.
    async fn write(&self, rows: &[UserRow<'_>]) -> Result<(), CassandraError>;
    /// Whether something could be written where the row of that key goes.
    async fn try_place(&self, id: Uuid) -> Result<(), CassandraError>;
    /// The same table over a new connection.
    async fn reopened(&self) -> Result<Self, CassandraError>;
}

impl Table for UserTable {
    async fn write(&self, rows: &[UserRow<'_>]) -> Result<(), CassandraError> {
        UserTable::write(self, rows).await
    }

    async fn try_place(&self, id: Uuid) -> Result<(), CassandraError> {
        UserTable::try_place(self, id).await
    }

    async fn reopened(&self) -> Result<Self, CassandraError> {
        UserTable::reopened(self).await
    }
}

/// Writes rows of one shard.
pub(crate) struct Writer<T> {
    pub(crate) table: RefCell<Rc<T>>,
    pub(crate) gate: Gate,
    pub(crate) retry: RetrySettings,
    /// The name of the cluster in `/readyz`.
    pub(crate) cluster: String,
    /// Rows that are not taken while others are.
    pub(crate) held_up: Trouble,
    /// Writes that have failed and are tried again.
    pub(crate) trying_again: Cell<usize>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

/// How one try ended.
enum Attempt {
    Written,
    /// One of the rows is to blame, or may be.
    OneByOne,
    /// The one row is to blame.
    Refused(CassandraError),
    /// The one row failed and its place did not.
    Suspected(CassandraError),
    Failed(CassandraError),
}

impl<T: Table> Writer<T> {
    /// The table over its newest connection.
    pub(crate) fn table(&self) -> Rc<T> {
        Rc::clone(&self.table.borrow())
    }

    /// True while a write is tried again, or nobody may write.
    pub(crate) fn is_troubled(&self) -> bool {
        self.gate.is_troubled() || self.trying_again.get() > 0
    }

    /// Writes all rows; for each, in order, none if it was acknowledged, else why it never can be.
    pub(crate) async fn write(&self, rows: &[UserRow<'_>]) -> Vec<Option<Fault>> {
        let mut delays = self.retry.delays();
        let (mut suspicions, mut failures) = (0, 0);
        let (mut again, mut waiting) = (None, None);
        loop {
            match self.attempt(rows).await {
                Attempt::Written => return vec![None; rows.len()],
                Attempt::Refused(error) => return vec![Some(refused(&error))],
                Attempt::OneByOne => return self.write_one_by_one(rows).await,
                Attempt::Suspected(error) => {
                    suspicions += 1;
                    if suspicions > self.retry.max_retries {
                        return vec![Some(exhausted(&error))];
                    }
                }
                Attempt::Failed(error) => {
                    failures += 1;
                    if failures > self.retry.max_retries {
                        let waiting = waiting.get_or_insert_with(|| self.held_up.wait());
                        if waiting.because(error.to_string(), remedy(error.class)) {
                            tracing::warn!(%error, kind = error.kind, "rows are not taken, they wait");
                        }
                    }
                }
            }
            again.get_or_insert_with(|| Counted::new(&self.trying_again));
            self.gate.rest(delays.next()).await;
        }
    }

    async fn write_one_by_one(&self, rows: &[UserRow<'_>]) -> Vec<Option<Fault>> {
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            outcomes.extend(Box::pin(self.write(std::slice::from_ref(row))).await);
        }
        outcomes
    }

    async fn attempt(&self, rows: &[UserRow<'_>]) -> Attempt {
        let pass = self.gate.pass().await;
        let begun = Instant::now();
        if pass.probes().is_some_and(|cause| cause.is_silence()) {
            match self.table().reopened().await {
                Ok(table) => drop(self.table.replace(Rc::new(table))),
                Err(error) => return self.failed(pass, error, begun),
            }
        }
        let table = self.table();
        let error = match table.write(rows).await {
            Ok(()) => {
                self.metrics.wrote(rows.len(), begun.elapsed());
                self.note(pass.succeeded());
                return Attempt::Written;
            }
            Err(error) => error,
        };
        match (error.class, rows) {
            (Class::Transient | Class::Overload | Class::Misconfigured, _) => self.failed(pass, error, begun),
            (Class::Suspect | Class::Rejected, [row]) => match table.try_place(row.id).await {
                Err(cause) => self.failed(pass, cause, begun),
                Ok(()) => {
                    self.note(pass.succeeded());
                    if error.class == Class::Rejected {
                        return Attempt::Refused(error);
                    }
                    self.metrics.retried(error.kind);
                    Attempt::Suspected(error)
                }
            },
            // What it means for the cluster, the single rows will tell.
            (Class::Suspect | Class::Rejected, _) => Attempt::OneByOne,
        }
    }

    fn failed(&self, pass: Pass<'_>, error: CassandraError, begun: Instant) -> Attempt {
        self.metrics.retried(error.kind);
        match pass.failed(&error) {
            Change::Opened => self.opened(&error, begun.elapsed()),
            Change::Closed | Change::None => {}
        }
        Attempt::Failed(error)
    }

    fn opened(&self, error: &CassandraError, took: Duration) {
        let remedy = remedy(error.class);
        self.health.not_ready(&self.cluster, error.to_string(), remedy);
        tracing::warn!(
            %error, kind = error.kind, took_seconds = took.as_secs_f64(), remedy,
            "cassandra does not take writes, the line waits"
        );
    }

    fn note(&self, change: Change) {
        match change {
            Change::Closed => {
                self.health.ready(&self.cluster);
                tracing::info!("cassandra takes writes again");
            }
            Change::Opened | Change::None => {}
        }
    }
}

/// What a person can do about it.
pub(crate) fn remedy(class: Class) -> &'static str {
    match class {
        Class::Transient | Class::Suspect => {
            "bring Cassandra back, or set CASSANDRA_HOSTS and CASSANDRA_PORT; it goes on by itself"
        }
        Class::Overload => "give Cassandra less to do or more nodes; it goes on by itself, with fewer batches at once",
        Class::Misconfigured => {
            "apply the files of cql/ (docker compose run --rm cassandra-init), check CASSANDRA_KEYSPACE, CASSANDRA_TABLE, \
             CASSANDRA_USERNAME and CASSANDRA_PASSWORD, and the guardrails of the cluster; it goes on by itself"
        }
        Class::Rejected => "the request itself is wrong",
    }
}

fn refused(error: &CassandraError) -> Fault {
    Fault::new(Reason::WriteRejected, Stage::Write, error.kind, "cassandra refuses this row for good")
}

fn exhausted(error: &CassandraError) -> Fault {
    Fault::new(
        Reason::WriteExhausted,
        Stage::Write,
        error.kind,
        "this row keeps failing while its place can be written to",
    )
}

#[cfg(test)]
mod tests;
