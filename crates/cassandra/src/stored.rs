//! What the table holds already: when the row of a key was written, and how long a deletion is remembered.
//!
//! A write loses to a newer one whoever made it, so the write times tell beforehand what a late record would come to.

use std::time::Duration;

use futures::StreamExt as _;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};
use uuid::Uuid;

use crate::error::{CassandraError, Class};
use crate::session::Session;
use crate::settings::CassandraSettings;
use crate::users::{COLUMNS, prepare};

/// Questions under way at once.
const AT_ONCE: usize = 64;

/// The stored rows, to be asked for their write times.
#[derive(Clone)]
pub struct StoredRows {
    session: Session,
    select: PreparedStatement,
    gc_grace: Duration,
}

impl StoredRows {
    /// Prepares the question. A missing keyspace, table or column is [`Class::Misconfigured`].
    ///
    /// # Errors
    /// Cassandra does not answer, or the table is not there.
    pub async fn open(session: &Session, settings: &CassandraSettings) -> Result<Self, CassandraError> {
        let CassandraSettings { keyspace, table, .. } = settings;
        // The first column is the key, which has no write time.
        let times: Vec<_> = COLUMNS.iter().skip(1).map(|column| format!("WRITETIME({column})")).collect();
        let select = format!("SELECT {} FROM {keyspace}.{table} WHERE id = ?", times.join(", "));
        let select = prepare(session, &select).await?;
        let gc_grace = gc_grace(session, keyspace, table).await?;
        Ok(Self { session: session.clone(), select, gc_grace })
    }

    /// For how long a deletion is certain to be remembered (`gc_grace_seconds`): a write that is older than the deletion and
    /// comes later than that can bring the row back.
    pub fn gc_grace(&self) -> Duration {
        self.gc_grace
    }

    /// When the newest value of each row was written, in microseconds since 1970; none where there is no row. In the order of
    /// the keys.
    ///
    /// # Errors
    /// One of the questions failed.
    pub async fn written_at(&self, ids: &[Uuid]) -> Result<Vec<Option<i64>>, CassandraError> {
        let answers = futures::stream::iter(ids).map(|id| self.newest(*id)).buffered(AT_ONCE);
        answers.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn newest(&self, id: Uuid) -> Result<Option<i64>, CassandraError> {
        let answer = self.session.driver.execute_unpaged(&self.select, (id,)).await?;
        let rows = answer.into_rows_result().map_err(|error| unreadable(&error))?;
        let Some(row) = rows.maybe_first_row::<Row>().map_err(|error| unreadable(&error))? else { return Ok(None) };
        let times = row.columns.iter().flatten().filter_map(CqlValue::as_bigint);
        Ok(times.max())
    }
}

async fn gc_grace(session: &Session, keyspace: &str, table: &str) -> Result<Duration, CassandraError> {
    let statement = "SELECT gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    let statement = prepare(session, statement).await?;
    let answer = session.driver.execute_unpaged(&statement, (keyspace, table)).await?;
    let rows = answer.into_rows_result().map_err(|error| unreadable(&error))?;
    let (seconds,) = rows.first_row::<(i32,)>().map_err(|error| unreadable(&error))?;
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn unreadable(error: &dyn std::fmt::Display) -> CassandraError {
    CassandraError::new(Class::Rejected, "protocol", format!("the answer cannot be read: {error}"))
}
