//! The only crate that names the CQL driver: the session, the table of users and what it holds, DDL, and what an error means.

mod batch_limits;
mod error;
mod migrate;
mod session;
mod settings;
mod stored;
mod users;

pub use batch_limits::BatchLimits;
pub use error::{CassandraError, Class, KINDS};
pub use migrate::{MigrateError, statements};
pub use session::{Session, Table};
pub use settings::CassandraSettings;
pub use stored::StoredRows;
pub use users::{UserTable, upsert};
