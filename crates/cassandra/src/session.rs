//! The connection to the cluster.

use std::time::Duration;

use openssl::ssl::{SslContextBuilder, SslFiletype, SslMethod, SslVerifyMode};
use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::value::{CqlValue, Row};

use crate::error::{CassandraError, Class};
use crate::settings::{CassandraSettings, Tls};

/// Well above the server's own `write_request_timeout` of 2 s: a request given up by the client leaves its stream id behind.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an idle connection is tried, and how long the answer may take: a connection that is dead without a word, behind
/// a firewall that forgot it, is given up after both together.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// An open session. Cheap to clone; belongs to the async runtime it was opened on.
#[derive(Clone)]
pub struct Session {
    pub(crate) driver: std::sync::Arc<scylla::client::session::Session>,
}

/// What a statement returned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Column names.
    pub columns: Vec<String>,
    /// Values as text, null as none.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Session {
    /// Connects and authenticates. One connection a node; retries are the caller's.
    pub async fn connect(settings: &CassandraSettings) -> Result<Self, CassandraError> {
        let mut balancing = DefaultPolicy::builder();
        if let Some(dc) = &settings.local_dc {
            balancing = balancing.prefer_datacenter(dc.clone());
        }
        let profile = ExecutionProfile::builder()
            .consistency(settings.consistency)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .load_balancing_policy(balancing.build())
            // The driver would not retry a write time-out anyway; all retries are in one place, the writer's.
            .retry_policy(std::sync::Arc::new(FallthroughRetryPolicy::new()))
            .build();
        let nodes = settings.hosts.iter().map(|host| format!("{host}:{}", settings.port));
        let one = std::num::NonZeroUsize::MIN;
        let mut builder = SessionBuilder::new()
            .known_nodes(nodes)
            .default_execution_profile_handle(profile.into_handle())
            .pool_size(PoolSize::PerHost(one))
            .connection_timeout(CONNECT_TIMEOUT)
            .keepalive_interval(KEEPALIVE)
            .keepalive_timeout(KEEPALIVE)
            .keyspaces_to_fetch([settings.keyspace.clone()])
            .write_coalescing(true);
        if let Some((username, password)) = &settings.credentials {
            builder = builder.user(username, password.expose());
        }
        if let Some(tls) = &settings.tls {
            builder = builder.tls_context(Some(tls_context(tls)?));
        }
        // The driver's own limit ends with TCP: a node that accepts and says nothing would be waited for much longer.
        let building = tokio::time::timeout(REQUEST_TIMEOUT, builder.build()).await.map_err(|_elapsed| {
            let message = format!("no answer to the first questions within {} s", REQUEST_TIMEOUT.as_secs());
            CassandraError::new(Class::Transient, "client_timeout", message)
        })?;
        Ok(Self { driver: std::sync::Arc::new(building?) })
    }

    /// Runs one statement and returns its rows as text. For people: values are formatted, everything is held in memory.
    pub async fn query(&self, statement: &str) -> Result<Table, CassandraError> {
        let result = self.driver.query_unpaged(statement, ()).await?;
        if !result.is_rows() {
            return Ok(Table::default());
        }
        let unreadable = |error: &dyn std::fmt::Display| {
            CassandraError::new(Class::Rejected, "protocol", format!("the answer cannot be read: {error}"))
        };
        let result = result.into_rows_result().map_err(|error| unreadable(&error))?;
        let columns = result.column_specs().iter().map(|column| column.name().to_owned()).collect();
        let mut rows = Vec::new();
        for row in result.rows::<Row>().map_err(|error| unreadable(&error))? {
            let row = row.map_err(|error| unreadable(&error))?;
            rows.push(row.columns.iter().map(|value| value.as_ref().map(text_of)).collect());
        }
        Ok(Table { columns, rows })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "CQL's other types are shown as the driver writes them")]
fn text_of(value: &CqlValue) -> String {
    match value {
        CqlValue::Text(text) | CqlValue::Ascii(text) => text.clone(),
        CqlValue::Timestamp(timestamp) => chrono::DateTime::from_timestamp_millis(timestamp.0)
            .map_or_else(|| timestamp.0.to_string(), |at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
        other => other.to_string(),
    }
}

fn tls_context(tls: &Tls) -> Result<openssl::ssl::SslContext, CassandraError> {
    let build = || -> Result<_, openssl::error::ErrorStack> {
        let mut context = SslContextBuilder::new(SslMethod::tls())?;
        context.set_ca_file(&tls.ca)?;
        if let Some((certificate, key)) = &tls.client {
            context.set_certificate_chain_file(certificate)?;
            context.set_private_key_file(key, SslFiletype::PEM)?;
        }
        context.set_verify(SslVerifyMode::PEER);
        Ok(context.build())
    };
    build().map_err(|error| CassandraError::new(Class::Misconfigured, "tls", format!("TLS cannot be set up: {error}")))
}
