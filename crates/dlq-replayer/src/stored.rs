//! What Cassandra knows that a replay has to know: which rows are newer than a dead letter's record, and for how long
//! deletions are remembered.

use cassandra::{CassandraError, Class, Session, StoredRows};
use chrono::{DateTime, TimeDelta, Utc};
use service::backoff::RetrySettings;
use uuid::Uuid;

use crate::preflight::Row;
use crate::settings::ReplayerSettings;

/// Rows that are asked for together.
pub(crate) const ASKED: usize = 256;

/// Cassandra cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "cassandra cannot be asked which rows are newer and for how long deletions are remembered: {0}; bring it back, or check \
     CASSANDRA_HOSTS, CASSANDRA_PORT, CASSANDRA_KEYSPACE and CASSANDRA_TABLE; --force goes on without its answer"
)]
pub struct Unanswered(#[from] CassandraError);

/// See the module's page.
#[derive(Clone)]
pub(crate) struct Stored {
    rows: StoredRows,
    retry: RetrySettings,
}

impl Stored {
    /// Connects.
    pub(crate) async fn open(settings: &ReplayerSettings) -> Result<Self, Unanswered> {
        let session = Session::connect(&settings.cassandra).await?;
        let rows = StoredRows::open(&session, &settings.cassandra).await?;
        Ok(Self { rows, retry: settings.retry })
    }

    /// As [`Stored::open`]; where Cassandra cannot be asked and `force` is set, none and a warning.
    pub(crate) async fn open_or_force(settings: &ReplayerSettings, force: bool) -> Result<Option<Self>, Unanswered> {
        match Box::pin(Self::open(settings)).await {
            Ok(stored) => Ok(Some(stored)),
            Err(unanswered) if force => {
                tracing::warn!(error = %unanswered.0, "cassandra cannot be asked, what is stale or deleted is not known");
                Ok(None)
            }
            Err(unanswered) => Err(unanswered),
        }
    }

    /// Deletions before this may be forgotten.
    pub(crate) fn remembers_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let grace = TimeDelta::from_std(self.rows.gc_grace()).unwrap_or(TimeDelta::MAX);
        now.checked_sub_signed(grace).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// How many of these rows are not what is stored: something newer is, or a deletion is newer.
    pub(crate) async fn lost(&self, rows: &[Row]) -> Result<usize, Unanswered> {
        let mut lost = 0;
        for rows in rows.chunks(ASKED) {
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let times = self.written_at(&ids).await?;
            lost += rows.iter().zip(times).filter(|(row, at)| at.is_none() || row.loses_to(*at)).count();
        }
        Ok(lost)
    }

    /// When the newest value of each row was written, in microseconds since 1970; none where there is no row. In the order of
    /// the keys.
    pub(crate) async fn written_at(&self, ids: &[Uuid]) -> Result<Vec<Option<i64>>, Unanswered> {
        let mut delays = self.retry.delays();
        let mut tries = 0;
        loop {
            match self.rows.written_at(ids).await {
                Ok(times) => return Ok(times),
                Err(error) if tries < self.retry.max_retries && may_pass(error.class) => {
                    tries += 1;
                    tracing::warn!(%error, kind = error.kind, "cassandra does not say, asking again");
                    tokio::time::sleep(delays.next()).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn may_pass(class: Class) -> bool {
    match class {
        Class::Transient | Class::Overload | Class::Suspect => true,
        Class::Misconfigured | Class::Rejected => false,
    }
}
