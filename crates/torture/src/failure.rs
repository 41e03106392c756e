//! Why a run could not be carried out. What a run finds out about the services is no failure but a check in its report.

use std::path::{Path, PathBuf};

/// The run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum TortureError {
    /// A server did not start, end or obey.
    #[error(transparent)]
    Stack(#[from] local_stack::StackError),
    /// A proxy does not start.
    #[error(transparent)]
    Proxy(#[from] fault_proxy::StartError),
    /// Our own settings are refused: the services changed and this crate did not.
    #[error(transparent)]
    Settings(#[from] service::settings::SettingsError),
    /// A Kafka client cannot be built.
    #[error(transparent)]
    Client(#[from] kafka::ClientError),
    /// Kafka does not answer although nothing is done to it.
    #[error(transparent)]
    Admin(#[from] kafka::AdminError),
    /// A topic cannot be read although nothing is done to Kafka.
    #[error(transparent)]
    Read(#[from] kafka::ReadError),
    /// Cassandra does not answer although nothing is done to it.
    #[error(transparent)]
    Cassandra(#[from] cassandra::CassandraError),
    /// The table cannot be made.
    #[error(transparent)]
    Migrate(#[from] cassandra::MigrateError),
    /// The simulator of the API does not run.
    #[error(transparent)]
    Simulator(#[from] randomuser_sim::SimulatorError),
    /// The HTTP client cannot be built, or the simulator does not take its orders.
    #[error("the API's simulator cannot be steered: {0}")]
    Http(#[from] reqwest::Error),
    /// A service cannot be started or signalled.
    #[error("{name} cannot be started or signalled: {source}")]
    Process {
        /// Which one.
        name: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// No port is free.
    #[error("no port is free: {0}")]
    Port(#[source] std::io::Error),
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A table row or a record is not what the contract says.
    #[error("{0}")]
    Unreadable(String),
    /// A task of ours ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl TortureError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    pub(crate) fn process(name: &str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let name = name.to_owned();
        move |source| Self::Process { name, source }
    }
}
