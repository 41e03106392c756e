//! Connection, table and write settings.

use std::path::PathBuf;

use scylla::statement::Consistency;
use service::settings::{Reader, Secret};

/// Everything the services know of Cassandra.
#[derive(Debug, Clone)]
pub struct CassandraSettings {
    /// Contact points, without port.
    pub hosts: Vec<String>,
    /// CQL port of every node.
    pub port: u16,
    /// Keyspace.
    pub keyspace: String,
    /// Table of the users.
    pub table: String,
    /// Used when the keyspace is created.
    pub replication_factor: u32,
    /// Rows per batch; 0 = as many as a stock server takes without a warning.
    pub batch_rows: usize,
    /// Batches in flight; 0 = adapt.
    pub max_in_flight: usize,
    pub(crate) consistency: Consistency,
    pub(crate) local_dc: Option<String>,
    pub(crate) credentials: Option<(String, Secret)>,
    pub(crate) tls: Option<Tls>,
}

/// Files for TLS, PEM.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) ca: PathBuf,
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

impl CassandraSettings {
    /// Reads every `CASSANDRA_*` variable; problems are collected in `reader`.
    pub fn read(reader: &mut Reader) -> Self {
        let username = reader.optional("CASSANDRA_USERNAME");
        let password = reader.secret("CASSANDRA_PASSWORD");
        if username.is_some() != password.is_some() {
            reader.problem("CASSANDRA_USERNAME", "set together with CASSANDRA_PASSWORD, or neither");
        }
        let ca = reader.optional("CASSANDRA_TLS_CA_LOCATION");
        let certificate = reader.optional("CASSANDRA_TLS_CERTIFICATE_LOCATION");
        let key = reader.optional("CASSANDRA_TLS_KEY_LOCATION");
        if certificate.is_some() != key.is_some() || (certificate.is_some() && ca.is_none()) {
            reader.problem(
                "CASSANDRA_TLS_CERTIFICATE_LOCATION",
                "set together with CASSANDRA_TLS_KEY_LOCATION and CASSANDRA_TLS_CA_LOCATION, or none of them",
            );
        }
        Self {
            hosts: reader
                .parse("CASSANDRA_HOSTS", "host names or addresses, comma separated, without port", hosts)
                .unwrap_or_default(),
            port: reader.number("CASSANDRA_PORT", 1..=u16::MAX),
            keyspace: name(reader, "CASSANDRA_KEYSPACE"),
            table: name(reader, "CASSANDRA_TABLE"),
            replication_factor: reader.number("CASSANDRA_REPLICATION_FACTOR", 1..=100),
            batch_rows: reader.number("CASSANDRA_BATCH_ROWS", 0..=1_000),
            max_in_flight: reader.number("CASSANDRA_MAX_IN_FLIGHT", 0..=1_024),
            consistency: reader
                .parse(
                    "CASSANDRA_CONSISTENCY",
                    "LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM, ONE, TWO, THREE, QUORUM or ALL",
                    consistency,
                )
                .unwrap_or(Consistency::LocalQuorum),
            local_dc: reader.optional("CASSANDRA_LOCAL_DC"),
            credentials: username.zip(password),
            tls: ca.map(|ca| Tls { ca: ca.into(), client: certificate.zip(key).map(|(c, k)| (c.into(), k.into())) }),
        }
    }
}

fn hosts(text: &str) -> Option<Vec<String>> {
    let hosts: Vec<String> =
        text.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect();
    (!hosts.is_empty() && hosts.iter().all(|host| !host.contains(char::is_whitespace))).then_some(hosts)
}

/// Names go into statements unquoted, so only what CQL takes unquoted is accepted.
fn name(reader: &mut Reader, variable: &'static str) -> String {
    let accepted = "a lower-case CQL name: a letter, then letters, digits and _, at most 48";
    reader.parse(variable, accepted, |text| is_name(text).then(|| text.to_owned())).unwrap_or_default()
}

fn is_name(text: &str) -> bool {
    text.len() <= 48
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn consistency(text: &str) -> Option<Consistency> {
    Some(match text.to_uppercase().as_str() {
        "LOCAL_ONE" => Consistency::LocalOne,
        "LOCAL_QUORUM" => Consistency::LocalQuorum,
        "EACH_QUORUM" => Consistency::EachQuorum,
        "ONE" => Consistency::One,
        "TWO" => Consistency::Two,
        "THREE" => Consistency::Three,
        "QUORUM" => Consistency::Quorum,
        "ALL" => Consistency::All,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_cql_takes_unquoted() {
        for good in ["spark_streams", "a", "t2"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "2t", "Users", "a-b", "a b", "drop;", &"x".repeat(49)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_user_without_a_password_is_a_problem() {
        let mut reader = Reader::from_pairs([("CASSANDRA_USERNAME", "sluice"), ("CASSANDRA_CONSISTENCY", "MOST")]);
        CassandraSettings::read(&mut reader);
        let problems = reader.finish().unwrap_err().to_string();
        assert!(problems.contains("CASSANDRA_USERNAME") && problems.contains("CASSANDRA_CONSISTENCY"), "{problems}");
    }
}
