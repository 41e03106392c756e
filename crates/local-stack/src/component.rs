//! The two servers as Maven knows them.

/// A server, its pinned version, how to fetch it and what its jars must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component {
    /// Name and version for people.
    pub(crate) title: &'static str,
    /// Name and version for files.
    pub(crate) slug: &'static str,
    /// A project whose runtime dependencies are the server's class path.
    pub(crate) pom: &'static str,
    /// Its jars, see [`crate::jar_lock`].
    pub(crate) lock: &'static str,
}

pub(crate) const KAFKA: Component = Component {
    title: "Kafka 4.3.1",
    slug: "kafka-4.3.1",
    pom: include_str!("../data/kafka.xml"),
    lock: include_str!("../data/kafka.lock"),
};

pub(crate) const CASSANDRA: Component = Component {
    title: "Cassandra 5.0.9",
    slug: "cassandra-5.0.9",
    pom: include_str!("../data/cassandra.xml"),
    lock: include_str!("../data/cassandra.lock"),
};
