//! The table of users: one prepared upsert, single or in unlogged batches.
//!
//! Every write carries `USING TIMESTAMP version_us`, so that repeats and older versions, in any order, leave the newest row
//! (I3). Absent fields are written as null, never left unset: an older value must not show through.

use std::sync::{Arc, OnceLock};

use schema::row::UserRow;
use scylla::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use crate::batch_limits::BatchLimits;
use crate::error::{CassandraError, Class};
use crate::session::Session;
use crate::settings::CassandraSettings;

/// Columns in the order of [`Values`].
pub(crate) const COLUMNS: &[&str] = &[
    "id",
    "first_name",
    "last_name",
    "title",
    "gender",
    "address",
    "city",
    "state",
    "country",
    "nat",
    "post_code",
    "latitude",
    "longitude",
    "timezone",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "cell",
    "picture",
    "age_band",
    "email_domain",
    "source",
    "run_id",
    "schema_id",
];

/// Rows of the largest batch, whatever the server takes: beyond, a batch gains nothing and its latency grows.
const MOST_ROWS: usize = 50;
/// What the server counts for a cell beside its value: timestamp 8, TTL 4, local deletion time 8 (`AbstractCell.dataSize` of
/// Cassandra 5.0).
const CELL_BYTES: usize = 20;
/// What it counts for a row beside its cells: the liveness of its key 8, a row deletion 16, a static row that is empty 24, a
/// partition deletion 16 (`BTreeRow.dataSize` and `PartitionUpdate.dataSize` of Cassandra 5.0).
const ROW_BYTES: usize = 64;
/// The oldest write timestamp there is (`Attributes.getTimestamp` of Cassandra 5.0 refuses the one below): a null written
/// with it deletes nothing, because every value is newer.
const OLDEST: i64 = i64::MIN + 1;
/// Values of fixed or nearly fixed length: two coordinates, two dates, gender, age band, schema id.
const FIXED_BYTES: usize = 4 * 8 + 6 + 5 + 6;

#[derive(SerializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
struct Values<'a> {
    id: Uuid,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    title: Option<&'a str>,
    gender: Option<&'a str>,
    address: Option<&'a str>,
    city: Option<&'a str>,
    state: Option<&'a str>,
    country: Option<&'a str>,
    nat: Option<&'a str>,
    post_code: Option<&'a str>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    timezone: Option<&'a str>,
    email: &'a str,
    username: &'a str,
    dob: Option<CqlTimestamp>,
    registered_date: Option<CqlTimestamp>,
    phone: Option<&'a str>,
    cell: Option<&'a str>,
    picture: Option<&'a str>,
    age_band: Option<&'a str>,
    email_domain: &'a str,
    source: &'a str,
    run_id: Option<&'a str>,
    schema_id: &'a str,
    version_us: i64,
}

impl<'a> From<&'a UserRow<'_>> for Values<'a> {
    fn from(row: &'a UserRow<'_>) -> Self {
        let at = |date: chrono::DateTime<chrono::Utc>| CqlTimestamp(date.timestamp_millis());
        Self {
            id: row.id,
            first_name: row.first_name.as_deref(),
            last_name: row.last_name.as_deref(),
            title: row.title.as_deref(),
            gender: row.gender,
            address: row.address.as_deref(),
            city: row.city.as_deref(),
            state: row.state.as_deref(),
            country: row.country.as_deref(),
            nat: row.nat.as_deref(),
            post_code: row.post_code.as_deref(),
            latitude: row.latitude,
            longitude: row.longitude,
            timezone: row.timezone.as_deref(),
            email: &row.email,
            username: &row.username,
            dob: row.dob.map(at),
            registered_date: row.registered_date.map(at),
            phone: row.phone.as_deref(),
            cell: row.cell.as_deref(),
            picture: row.picture.as_deref(),
            age_band: row.age_band,
            email_domain: &row.email_domain,
            source: &row.source,
            run_id: row.run_id.as_deref(),
            schema_id: row.schema_id,
            version_us: row.version.get(),
        }
    }
}

/// The table of users, ready to be written.
#[derive(Clone)]
pub struct UserTable {
    session: Session,
    insert: PreparedStatement,
    touch: PreparedStatement,
    /// By the number of rows less two: a batch of the driver is one statement over and over.
    batches: Arc<[OnceLock<Batch>]>,
    limits: BatchLimits,
    statement: String,
    settings: CassandraSettings,
}

impl UserTable {
    /// Prepares the upsert. A missing keyspace, table or column is [`Class::Misconfigured`].
    pub async fn open(session: &Session, settings: &CassandraSettings) -> Result<Self, CassandraError> {
        let (keyspace, table) = (&settings.keyspace, &settings.table);
        let statement = upsert(settings);
        let insert = prepare(session, &statement).await?;
        let touch = format!("UPDATE {keyspace}.{table} USING TIMESTAMP ? SET gender = null WHERE id = ?");
        let touch = prepare(session, &touch).await?;
        let of_server = BatchLimits::of_server(session).await?;
        let rows = if settings.batch_rows == 0 { of_server.rows.min(MOST_ROWS) } else { settings.batch_rows };
        let limits = BatchLimits { rows, ..of_server };
        let batches = (2..=limits.rows).map(|_| OnceLock::new()).collect();
        Ok(Self { session: session.clone(), insert, touch, batches, limits, statement, settings: settings.clone() })
    }

    /// How large a batch may be.
    pub fn limits(&self) -> BatchLimits {
        self.limits
    }

    /// `keyspace.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.settings.keyspace, self.settings.table)
    }

    /// How many of the first rows go into one batch: at least one.
    pub fn batch_of(&self, rows: &[UserRow<'_>]) -> usize {
        fitting(rows.iter().map(weight), self.limits)
    }

    /// Which replica leads for a key. Rows of one batch should share it; on a single node all do.
    pub fn replica_of(&self, id: Uuid) -> Option<Uuid> {
        let cluster = self.session.driver.get_cluster_state();
        if cluster.get_nodes_info().len() < 2 {
            return None;
        }
        let CassandraSettings { keyspace, table, .. } = &self.settings;
        let token = cluster.compute_token(keyspace, table, &(id,)).ok()?;
        cluster.get_token_endpoints(keyspace, table, token).first().map(|(node, _)| node.host_id)
    }

    /// Writes all rows, as one unlogged batch if there are several, and waits for the acknowledgement. Nothing is retried.
    /// After an error any of the rows may have been written.
    pub async fn write(&self, rows: &[UserRow<'_>]) -> Result<(), CassandraError> {
        let result = match rows {
            [] => return Ok(()),
            [row] => self.session.driver.execute_unpaged(&self.insert, Values::from(row)).await,
            rows => {
                let values: Vec<_> = rows.iter().map(Values::from).collect();
                match self.batches.get(rows.len() - 2) {
                    Some(batch) => {
                        let batch = batch.get_or_init(|| self.batch(rows.len()));
                        self.session.driver.batch(batch, values).await
                    }
                    None => self.session.driver.batch(&self.batch(rows.len()), values).await,
                }
            }
        };
        result.map(|_| ()).map_err(CassandraError::from)
    }

    fn batch(&self, rows: usize) -> Batch {
        let mut batch = Batch::new(BatchType::Unlogged);
        for _ in 0..rows {
            batch.append_statement(self.insert.clone());
        }
        batch.set_is_idempotent(true);
        batch
    }

    /// Whether a row could be written where the row of key `id` goes: the upsert is prepared again, and something that
    /// changes nothing is written to the same key, hence to the same replicas. Where this succeeds and the row does not, the
    /// row is to blame; where it fails, the table, its replicas or a limit of the cluster are, and no row is.
    pub async fn try_place(&self, id: Uuid) -> Result<(), CassandraError> {
        prepare(&self.session, &self.statement).await?;
        match self.session.driver.execute_unpaged(&self.touch, (OLDEST, id)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match CassandraError::from(error) {
                // A full disk or a forbidden consistency, as the cluster's guardrails tell them.
                CassandraError { class: Class::Rejected, message, .. } => {
                    CassandraError::new(Class::Misconfigured, "refuses_writes", message)
                }
                error => error,
            }),
        }
    }

    /// The same table over a new connection. The driver connects again by itself, but waits up to 10 s between two tries.
    pub async fn reopened(&self) -> Result<Self, CassandraError> {
        Self::open(&Session::connect(&self.settings).await?, &self.settings).await
    }
}

/// The statement that writes one row: its values are the columns of the row in the order of `schema::row::UserRow`, the version
/// behind them.
pub fn upsert(settings: &CassandraSettings) -> String {
    let marks = vec!["?"; COLUMNS.len()].join(", ");
    let (keyspace, table) = (&settings.keyspace, &settings.table);
    let columns = COLUMNS.join(", ");
    format!("INSERT INTO {keyspace}.{table} ({columns}) VALUES ({marks}) USING TIMESTAMP ?")
}

pub(crate) async fn prepare(session: &Session, statement: &str) -> Result<PreparedStatement, CassandraError> {
    let mut prepared = session.driver.prepare(statement).await.map_err(|error| {
        let error = CassandraError::from(error);
        match error.class {
            // Our own statement is refused: keyspace, table or a column is not there.
            Class::Rejected => CassandraError::new(Class::Misconfigured, "no_table", error.message),
            Class::Transient | Class::Overload | Class::Suspect | Class::Misconfigured => error,
        }
    })?;
    prepared.set_is_idempotent(true);
    Ok(prepared)
}

/// What the server counts for a row when it judges a batch's size, bytes.
fn weight(row: &UserRow<'_>) -> usize {
    let texts = [
        &row.first_name,
        &row.last_name,
        &row.title,
        &row.address,
        &row.city,
        &row.state,
        &row.country,
        &row.nat,
        &row.post_code,
        &row.timezone,
        &row.phone,
        &row.cell,
        &row.picture,
        &row.run_id,
    ];
    let optional: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
    optional
        + row.email.len()
        + row.email_domain.len()
        + row.username.len()
        + row.source.len()
        + FIXED_BYTES
        // The first column is the key.
        + (COLUMNS.len() - 1) * CELL_BYTES
        + ROW_BYTES
}

/// How many of the first rows stay within both limits: at least one.
fn fitting(sizes: impl IntoIterator<Item = usize>, limits: BatchLimits) -> usize {
    let mut bytes = 0;
    let below = sizes.into_iter().take(limits.rows).take_while(|size| {
        bytes += size;
        bytes <= limits.bytes
    });
    below.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_stays_below_the_servers_warnings() {
        let stock = BatchLimits::STOCK;
        assert_eq!(fitting([430; 50], stock), 10, "by rows");
        assert_eq!(fitting([1_100; 50], stock), 4, "by bytes");
        assert_eq!(fitting([900_000; 50], stock), 1, "a large row still goes, alone");
        assert_eq!(fitting([10], stock), 1);
    }
}
