//! What the environment says about names, with the local stack's addresses in the place of any others.

use std::net::SocketAddr;

use cassandra::CassandraSettings;
use kafka::KafkaSettings;
use service::settings::Reader;

use crate::failure::Failure;

/// Settings of the local stack.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) kafka: KafkaSettings,
    pub(crate) cassandra: CassandraSettings,
    /// The API the producer is to ask.
    pub(crate) api: String,
    /// Whether the user chose a log format.
    pub(crate) log_format_is_set: bool,
}

impl Settings {
    /// Reads names of topics and tables as the services do.
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut reader = Reader::from_process();
        let settings = Self {
            kafka: KafkaSettings::read(&mut reader),
            cassandra: CassandraSettings::read(&mut reader),
            api: reader.text("API_BASE_URL"),
            log_format_is_set: reader.is_set("LOG_FORMAT"),
        };
        reader.finish()?;
        Ok(settings)
    }

    /// Points the clients to a stack on this machine.
    pub(crate) fn at(mut self, kafka: SocketAddr, cassandra: SocketAddr) -> Self {
        self.kafka.bootstrap_servers = kafka.to_string();
        self.cassandra.hosts = vec![cassandra.ip().to_string()];
        self.cassandra.port = cassandra.port();
        self
    }

    /// `keyspace.table` of the users.
    pub(crate) fn table(&self) -> String {
        format!("{}.{}", self.cassandra.keyspace, self.cassandra.table)
    }
}
