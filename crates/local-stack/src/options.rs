//! How a stack is to run.

use std::path::PathBuf;
use std::time::Duration;

/// What the stack is for: decides garbage collector, compiler and heaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to start and small: serial collector, first compiler only.
    Test,
    /// A while of everyday load beside a desktop.
    Demo,
    /// Cassandra's own settings for new clusters (trie memtables, BTI, unified compaction) and large batches without
    /// warnings; not what a stock server does.
    Bench,
}

/// How a stack is to run; start from [`StackOptions::new`] and change fields.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Port of Kafka on 127.0.0.1; `None` takes a free one.
    pub kafka_port: Option<u16>,
    /// Port of a proxy on 127.0.0.1 in front of Kafka. Clients go where the broker tells them, so a broker that is to be
    /// reached through a proxy has a second listener ([`Node::proxied_upstream`](crate::Node::proxied_upstream)) that tells
    /// this port; those that come to its own address stay there.
    pub kafka_proxied: Option<u16>,
    /// Port of Cassandra on 127.0.0.1; `None` takes a free one.
    pub cassandra_port: Option<u16>,
    /// Where data, configuration and logs go; what is there from an earlier stack is taken up again.
    pub data_dir: PathBuf,
    /// Collector, compiler and Cassandra's storage settings.
    pub profile: Profile,
    /// Heap of Kafka in MiB.
    pub kafka_heap_mib: u32,
    /// Heap of Cassandra in MiB.
    pub cassandra_heap_mib: u32,
    /// Broker properties beyond ours, which they override.
    pub kafka_properties: Vec<(String, String)>,
    /// Top-level settings of `cassandra.yaml` beyond ours, the value as YAML. With an `authenticator` that asks for a
    /// password, Cassandra counts as ready once its built-in superuser can log in.
    pub cassandra_yaml: Vec<(String, String)>,
    /// How long each server may take until it answers.
    pub ready_within: Duration,
}

impl StackOptions {
    /// Free ports, the profile's heaps, nothing extra.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, profile: Profile) -> Self {
        let (kafka_heap_mib, cassandra_heap_mib) = match profile {
            Profile::Test => (256, 512),
            Profile::Demo => (384, 512),
            Profile::Bench => (1024, 4096),
        };
        Self {
            kafka_port: None,
            kafka_proxied: None,
            cassandra_port: None,
            data_dir: data_dir.into(),
            profile,
            kafka_heap_mib,
            cassandra_heap_mib,
            kafka_properties: Vec::new(),
            cassandra_yaml: Vec::new(),
            ready_within: Duration::from_secs(180),
        }
    }

    /// With a Cassandra that keeps every acknowledged row when it is killed, as the one of `docker-compose.yml`. A stock one
    /// replays its commit log only up to the last marker, which is written every 100 ms (CASSANDRA-13987), so a single node
    /// forgets what came after.
    #[must_use]
    pub fn with_rows_kept_at_a_kill(mut self) -> Self {
        for (name, value) in
            [("commitlog_sync", "group"), ("commitlog_sync_period", "0ms"), ("commitlog_sync_group_window", "2ms")]
        {
            self.cassandra_yaml.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// How a cluster of Kafka brokers is to run; start from [`ClusterOptions::new`] and change fields.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Where data, configuration and logs go; what is there from an earlier cluster is taken up again.
    pub data_dir: PathBuf,
    /// Heap of each broker in MiB.
    pub heap_mib: u32,
    /// Broker properties beyond ours, which they override.
    pub properties: Vec<(String, String)>,
    /// How long the brokers may take until they answer.
    pub ready_within: Duration,
}

impl ClusterOptions {
    /// Small brokers, nothing extra.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            heap_mib: 192,
            properties: Vec::new(),
            ready_within: Duration::from_secs(180),
        }
    }
}
