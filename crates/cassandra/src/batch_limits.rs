//! How large a batch may be before the server complains about it.

use crate::error::{CassandraError, Class};
use crate::session::Session;

/// A batch within both limits makes a server log no warning, and answer with none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Rows: each is a partition, and the server warns about unlogged batches over too many of them
    /// (`unlogged_batch_across_partitions_warn_threshold`).
    pub rows: usize,
    /// Bytes, as the server counts them (`batch_size_warn_threshold`), less a little: the count is done again here, and need
    /// not be the same to the byte.
    pub bytes: usize,
}

impl BatchLimits {
    /// Those of a server that nobody has configured: 10 partitions, 5 KiB.
    pub const STOCK: Self = Self { rows: 10, bytes: below(5 << 10) };

    /// Those of the server that answers, which tells them from Cassandra 4.1 on (`system_views.settings`). An older one, and
    /// one that does not let this user look, is taken for a stock one.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn of_server(session: &Session) -> Result<Self, CassandraError> {
        const NAMES: [&str; 2] = ["batch_size_warn_threshold", "unlogged_batch_across_partitions_warn_threshold"];
        let question =
            format!("SELECT name, value FROM system_views.settings WHERE name IN ('{}')", NAMES.join("', '"));
        let told = match session.query(&question).await {
            Ok(table) => table.rows,
            Err(error) if matches!(error.class, Class::Rejected | Class::Misconfigured) => {
                tracing::info!(%error, "the server does not tell how large a batch may be, a stock one's limits are kept");
                return Ok(Self::STOCK);
            }
            Err(error) => return Err(error),
        };
        let value = |name: &str| {
            let row = told.iter().find(|row| row.first().is_some_and(|first| first.as_deref() == Some(name)))?;
            row.get(1)?.as_deref()
        };
        let [bytes, rows] = NAMES.map(value);
        Ok(Self {
            rows: rows.and_then(|rows| rows.parse().ok()).unwrap_or(Self::STOCK.rows).max(1),
            bytes: bytes.and_then(bytes_of).map_or(Self::STOCK.bytes, below),
        })
    }
}

const fn below(threshold: usize) -> usize {
    threshold - threshold / 40
}

/// Bytes of a size as Cassandra writes it (`DataStorageSpec`): `640KiB`.
fn bytes_of(size: &str) -> Option<usize> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match size.get(digits.len()..)? {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_cassandra_writes_them() {
        let read = ["5KiB", "640KiB", "100B", "1MiB"].map(bytes_of);
        assert_eq!(read, [Some(5_120), Some(655_360), Some(100), Some(1 << 20)]);
        assert_eq!(["", "KiB", "5", "5KB", "-1KiB"].map(bytes_of), [None; 5]);
    }
}
