//! What Cassandra knows that a replay has to know: which rows are newer than a dead letter's record, and for how long
//! deletions are remembered.

use cassandra::{CassandraError, Session, StoredRows};

use crate::settings::ReplayerSettings;

/// Cassandra cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "cassandra cannot be asked which rows are newer and for how long deletions are remembered: {0}; bring it back, or check \
     CASSANDRA_HOSTS, CASSANDRA_PORT, CASSANDRA_KEYSPACE and CASSANDRA_TABLE; --force goes on without its answer"
)]
pub struct Unanswered(#[from] CassandraError);

/// Connects, and looks whether the table is there.
pub(crate) async fn open(settings: &ReplayerSettings) -> Result<StoredRows, Unanswered> {
    let session = Session::connect(&settings.cassandra).await?;
    Ok(StoredRows::open(&session, &settings.cassandra).await?)
}
