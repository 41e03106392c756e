//! Why a benchmark could not be carried out. What it finds out about a contender is no failure but a line of its results.

use std::path::{Path, PathBuf};

/// The benchmark could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A server did not start or end.
    #[error(transparent)]
    Stack(#[from] local_stack::StackError),
    /// Our own settings are refused: the services changed and this crate did not.
    #[error(transparent)]
    Settings(#[from] service::settings::SettingsError),
    /// A Kafka client cannot be built.
    #[error(transparent)]
    Client(#[from] kafka::ClientError),
    /// Kafka does not answer.
    #[error(transparent)]
    Admin(#[from] kafka::AdminError),
    /// A record of the load was not taken.
    #[error("a record could not be put on its topic: {0}")]
    Send(#[from] kafka::SendError),
    /// Cassandra does not answer.
    #[error(transparent)]
    Cassandra(#[from] cassandra::CassandraError),
    /// The table cannot be made.
    #[error(transparent)]
    Migrate(#[from] cassandra::MigrateError),
    /// A contender cannot be started or signalled.
    #[error("{name} cannot be started or signalled: {source}")]
    Process {
        /// Which one.
        name: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Cassandra does not answer our own bytes.
    #[error(transparent)]
    Native(#[from] crate::native::NativeError),
    /// The simulator of the API does not answer.
    #[error("the simulator of the API does not answer: {0}; look at its log")]
    Http(#[from] reqwest::Error),
    /// `/proc` cannot be read; only Linux has it.
    #[error("what processes use cannot be read: {0}; the benchmarks run on Linux only")]
    Proc(#[source] std::io::Error),
    /// A file cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// An answer of a server is not what was asked for.
    #[error("{0}")]
    Unreadable(String),
    /// A plot cannot be made.
    #[error("a plot cannot be drawn: {0}")]
    Plot(String),
    /// The page has no place for a table, or one that does not end.
    #[error(
        "the page has no lines `<!-- bench:{0} -->` and `<!-- /bench -->` after it: put them where its table belongs"
    )]
    NoPlace(&'static str),
    /// A task of ours ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl BenchError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    pub(crate) fn process(name: &str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let name = name.to_owned();
        move |source| Self::Process { name, source }
    }
}
