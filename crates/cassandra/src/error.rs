//! What a Cassandra error means for us: wait, mend the configuration, or refuse the row.

use scylla::errors::{
    BadQuery, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError, UseKeyspaceError,
};

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The cluster may recover; the same request may succeed later.
    Transient,
    /// The server is there and has too much to do: the same request may succeed later, sooner with fewer beside it.
    Overload,
    /// The server failed at it. The cluster may recover, or the row may be to blame: [`crate::UserTable::try_place`] tells.
    Suspect,
    /// Credentials, keyspace or table are wrong; a person has to mend it.
    Misconfigured,
    /// The request can never succeed unchanged.
    Rejected,
}

/// A request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CassandraError {
    /// What is to be done about it.
    pub class: Class,
    /// Stable label for metrics: `write_timeout`, `unavailable`, ...
    pub kind: &'static str,
    /// What the server or the driver said.
    pub message: String,
}

impl CassandraError {
    /// True when nothing came back: a new connection may reach the cluster where the old one does not.
    pub fn is_silence(&self) -> bool {
        matches!(self.kind, "connection" | "client_timeout")
    }

    pub(crate) fn new(class: Class, kind: &'static str, message: impl Into<String>) -> Self {
        Self { class, kind, message: message.into() }
    }
}

/// Every label that [`CassandraError::kind`] can have.
pub const KINDS: &[&str] = &[
    "authentication",
    "client_timeout",
    "connection",
    "invalid",
    "no_table",
    "overloaded",
    "protocol",
    "refuses_writes",
    "schema_agreement",
    "serialization",
    "server_error",
    "tls",
    "unauthorized",
    "unavailable",
    "write_failure",
    "write_timeout",
];

impl From<NewSessionError> for CassandraError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver's enums are non-exhaustive; unknown errors are waited out"
    )]
    fn from(error: NewSessionError) -> Self {
        let message = error.to_string();
        match error {
            NewSessionError::MetadataError(MetadataError::ConnectionPoolError(pool)) => of_pool(&pool, message),
            NewSessionError::IllegalConfig(_) | NewSessionError::EmptyKnownNodesList => {
                Self::new(Class::Misconfigured, "invalid", message)
            }
            _ => Self::new(Class::Transient, "connection", message),
        }
    }
}

impl From<PrepareError> for CassandraError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver's enums are non-exhaustive; unknown errors are waited out"
    )]
    fn from(error: PrepareError) -> Self {
        let message = error.to_string();
        match error {
            PrepareError::ConnectionPoolError(pool) => of_pool(&pool, message),
            PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(&first_attempt, message),
            _ => Self::new(Class::Transient, "server_error", message),
        }
    }
}

impl From<ExecutionError> for CassandraError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver's enums are non-exhaustive; unknown errors are waited out"
    )]
    fn from(error: ExecutionError) -> Self {
        let message = error.to_string();
        match error {
            ExecutionError::BadQuery(BadQuery::SerializationError(_) | BadQuery::ValuesTooLongForKey(..)) => {
                Self::new(Class::Rejected, "serialization", message)
            }
            ExecutionError::BadQuery(_) => Self::new(Class::Rejected, "invalid", message),
            ExecutionError::EmptyPlan => Self::new(Class::Transient, "connection", message),
            ExecutionError::PrepareError(error) => Self::from(error),
            ExecutionError::ConnectionPoolError(pool) => of_pool(&pool, message),
            ExecutionError::LastAttemptError(attempt) => of_attempt(&attempt, message),
            ExecutionError::RequestTimeout(_) => Self::new(Class::Transient, "client_timeout", message),
            ExecutionError::UseKeyspaceError(UseKeyspaceError::RequestError(attempt)) => of_attempt(&attempt, message),
            ExecutionError::SchemaAgreementError(_) => Self::new(Class::Transient, "schema_agreement", message),
            _ => Self::new(Class::Transient, "server_error", message),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's enums are non-exhaustive; unknown errors are waited out"
)]
fn of_pool(pool: &ConnectionPoolError, message: String) -> CassandraError {
    let ConnectionPoolError::Broken { last_connection_error: ConnectionError::ConnectionSetupRequestError(setup) } =
        pool
    else {
        return CassandraError::new(Class::Transient, "connection", message);
    };
    match &setup.error {
        ConnectionSetupRequestErrorKind::DbError(error, _) => of_db(error, message),
        ConnectionSetupRequestErrorKind::StartAuthSessionError(_)
        | ConnectionSetupRequestErrorKind::AuthChallengeEvaluationError(_)
        | ConnectionSetupRequestErrorKind::AuthFinishError(_)
        | ConnectionSetupRequestErrorKind::MissingAuthentication => {
            CassandraError::new(Class::Misconfigured, "authentication", message)
        }
        _ => CassandraError::new(Class::Transient, "connection", message),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's enums are non-exhaustive; unknown errors are waited out"
)]
fn of_attempt(attempt: &RequestAttemptError, message: String) -> CassandraError {
    match attempt {
        RequestAttemptError::DbError(error, _) => of_db(error, message),
        RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_) => {
            CassandraError::new(Class::Rejected, "serialization", message)
        }
        RequestAttemptError::UnableToAllocStreamId => CassandraError::new(Class::Overload, "overloaded", message),
        _ => CassandraError::new(Class::Transient, "connection", message),
    }
}

/// The server's own error codes, CQL protocol specification v5, section 9.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's enums are non-exhaustive; unknown errors are waited out"
)]
fn of_db(error: &DbError, message: String) -> CassandraError {
    let (class, kind) = match error {
        DbError::Unavailable { .. } => (Class::Transient, "unavailable"),
        DbError::IsBootstrapping => (Class::Transient, "unavailable"),
        DbError::Overloaded | DbError::RateLimitReached { .. } => (Class::Overload, "overloaded"),
        // Of any write type: what is written is idempotent, so trying again is always right.
        DbError::WriteTimeout { .. } | DbError::ReadTimeout { .. } => (Class::Overload, "write_timeout"),
        DbError::WriteFailure { .. } | DbError::ReadFailure { .. } => (Class::Suspect, "write_failure"),
        DbError::ServerError => (Class::Suspect, "server_error"),
        DbError::AuthenticationError => (Class::Misconfigured, "authentication"),
        DbError::Unauthorized => (Class::Misconfigured, "unauthorized"),
        DbError::ProtocolError => (Class::Misconfigured, "protocol"),
        DbError::ConfigError | DbError::SyntaxError => (Class::Misconfigured, "invalid"),
        DbError::Invalid | DbError::FunctionFailure { .. } | DbError::AlreadyExists { .. } => {
            (Class::Rejected, "invalid")
        }
        _ => (Class::Transient, "server_error"),
    };
    CassandraError::new(class, kind, message)
}

#[cfg(test)]
mod tests {
    use scylla::errors::WriteType;
    use scylla::statement::Consistency;

    use super::*;

    fn of(error: DbError) -> CassandraError {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, String::new())).into()
    }

    #[test]
    fn an_outage_is_never_a_reason_to_refuse_a_row() {
        let unavailable = DbError::Unavailable { consistency: Consistency::LocalQuorum, required: 2, alive: 1 };
        for error in [unavailable, DbError::IsBootstrapping, DbError::TruncateError, DbError::Other(0x7777)] {
            assert_eq!(of(error.clone()).class, Class::Transient, "{error:?}");
        }
        assert_eq!(of(DbError::AuthenticationError).class, Class::Misconfigured);
        assert_eq!(of(DbError::Invalid).class, Class::Rejected);
    }

    #[test]
    fn too_much_to_do_is_told_apart_whatever_was_written() {
        for write_type in [
            WriteType::Simple,
            WriteType::Batch,
            WriteType::UnloggedBatch,
            WriteType::Counter,
            WriteType::BatchLog,
            WriteType::Cas,
            WriteType::View,
            WriteType::Cdc,
            WriteType::Other("NEW".to_owned()),
        ] {
            let late = DbError::WriteTimeout {
                consistency: Consistency::LocalQuorum,
                received: 0,
                required: 1,
                write_type: write_type.clone(),
            };
            assert_eq!(of(late).class, Class::Overload, "{write_type:?}");
        }
        assert_eq!(of(DbError::Overloaded).class, Class::Overload);
        let no_stream: CassandraError =
            ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId).into();
        assert_eq!((no_stream.class, no_stream.kind), (Class::Overload, "overloaded"));
    }

    #[test]
    fn what_a_row_may_be_to_blame_for_is_only_suspected() {
        let failed = DbError::WriteFailure {
            consistency: Consistency::LocalQuorum,
            received: 0,
            required: 1,
            numfailures: 1,
            write_type: WriteType::Simple,
        };
        for error in [failed, DbError::ServerError] {
            assert_eq!(of(error.clone()).class, Class::Suspect, "{error:?}");
        }
    }

    #[test]
    fn a_time_out_of_ours_and_a_broken_connection_are_transient() {
        let timed_out = ExecutionError::RequestTimeout(std::time::Duration::from_secs(1));
        let broken = ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing);
        for (error, kind) in [(timed_out, "client_timeout"), (broken, "connection")] {
            let error = CassandraError::from(error);
            assert_eq!((error.class, error.kind), (Class::Transient, kind));
            assert!(KINDS.contains(&error.kind));
        }
    }
}
