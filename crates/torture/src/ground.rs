//! What a run stands on: servers with topics and table, and the settings that the services get.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cassandra::{CassandraSettings, Session};
use kafka::{Admin, KafkaSettings};
use local_stack::{Artifacts, Profile, Stack, StackOptions, port};
use service::settings::Reader;

use crate::failure::TortureError;
use crate::fault::Server;
use crate::network::Network;

/// A page of the API.
pub(crate) const PAGE: u32 = 100;

/// The group's session: a processor that is halted for longer loses its partitions.
const SESSION_MS: u32 = 6_000;

/// Replays of one record before it is parked.
pub(crate) const REPLAYS: u32 = 3;

/// See the module's page. Dropped, the servers are killed.
pub(crate) struct Ground {
    pub(crate) stack: Arc<Stack>,
    pub(crate) network: Network,
    /// Our own way to Kafka, past the network.
    pub(crate) kafka: KafkaSettings,
    /// Our own way to Cassandra, past the network.
    pub(crate) cassandra: CassandraSettings,
    /// For every service, as variables: through the network.
    settings: BTreeMap<&'static str, String>,
}

impl Ground {
    /// Starts both servers with their data below `folder`, and makes topics and table.
    pub(crate) async fn start(folder: &Path, cql: &Path, artifacts: &Artifacts) -> Result<Self, TortureError> {
        let advertised = port::free(&[]).map_err(TortureError::Port)?;
        // A killed Cassandra with the stock setting may forget the last rows that it acknowledged: nothing of ours.
        let options = StackOptions::new(folder.join("stack"), Profile::Demo).with_rows_kept_at_a_kill();
        let options = StackOptions { kafka_proxied: Some(advertised), ..options };
        let artifacts = artifacts.clone();
        let starting = tokio::task::spawn_blocking(move || Stack::start(&options, &artifacts));
        let stack = Arc::new(starting.await??);
        let network = Network::start(&stack, advertised)?;
        let direct = settings(stack.kafka().address(), stack.cassandra().address());
        let settings = settings(network.before(Server::Kafka).address(), network.before(Server::Cassandra).address());
        let mut reader = Reader::from_pairs(direct.iter().map(|(name, value)| (*name, value.as_str())));
        let (kafka, cassandra) = (KafkaSettings::read(&mut reader), CassandraSettings::read(&mut reader));
        reader.finish()?;
        Admin::new(&kafka, "torture")?.create_topics(&kafka.topics.specs(), 1).await?;
        Session::connect(&cassandra).await?.migrate(cql, &cassandra).await?;
        Ok(Self { stack, network, kafka, cassandra, settings })
    }

    /// The environment of a service: what all have in common, and `own`.
    pub(crate) fn environment(&self, own: &[(&'static str, String)]) -> BTreeMap<&'static str, String> {
        let mut environment = self.settings.clone();
        environment.extend(own.iter().cloned());
        environment
    }

    /// `keyspace.table` of the users.
    pub(crate) fn table(&self) -> String {
        format!("{}.{}", self.cassandra.keyspace, self.cassandra.table)
    }

    /// Ends both servers in order.
    pub(crate) async fn stop(&self) -> Result<(), TortureError> {
        let stack = Arc::clone(&self.stack);
        Ok(tokio::task::spawn_blocking(move || stack.stop()).await??)
    }
}

fn settings(kafka: SocketAddr, cassandra: SocketAddr) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("KAFKA_BOOTSTRAP_SERVERS", kafka.to_string()),
        ("KAFKA_SESSION_TIMEOUT_MS", SESSION_MS.to_string()),
        ("CASSANDRA_HOSTS", cassandra.ip().to_string()),
        ("CASSANDRA_PORT", cassandra.port().to_string()),
        ("RETRY_BASE_DELAY", "0.2".to_owned()),
        ("RETRY_MAX_DELAY", "5".to_owned()),
        ("API_RETRY_BASE_DELAY", "0.1".to_owned()),
        ("REPLAY_MAX_ATTEMPTS", REPLAYS.to_string()),
    ])
}
