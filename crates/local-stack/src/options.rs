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
}
