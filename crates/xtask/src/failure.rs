//! Why a command failed, each message one sentence with the remedy.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use local_stack::{FetchError, StackError};
use service::Exit;
use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The jars are not there, or no Java.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A server did not start or end.
    #[error("{source}{}", option_for(source))]
    Stack {
        /// Why not.
        #[from]
        source: StackError,
    },
    /// A setting is wrong; the message names every one.
    #[error(transparent)]
    Settings(#[from] service::settings::SettingsError),
    /// The command needs a running stack.
    #[error("no stack runs on {}: start one with `cargo xtask up` or `cargo xtask stack`", data_dir.display())]
    NotRunning {
        /// Where it would keep its data.
        data_dir: PathBuf,
    },
    /// The stack is there but does not answer yet.
    #[error("the stack of process {process} is still starting: try again in a moment")]
    Starting {
        /// Whose stack it is.
        process: u32,
    },
    /// The stack was asked to end and does not.
    #[error(
        "process {process} has not ended after {seconds} s: look at its terminal, or end it with `kill -9 {process}`"
    )]
    DoesNotEnd {
        /// Whose stack it is.
        process: u32,
        /// How long was waited.
        seconds: u64,
    },
    /// Cargo does not run.
    #[error("cargo cannot be started: {0}; put it on PATH")]
    NoCargo(std::io::Error),
    /// The services do not build.
    #[error("the services do not build ({0}): mend what cargo says above and start again")]
    Build(ExitStatus),
    /// Cargo did not say where it put a program.
    #[error("cargo built no program called {0}: is its package still in the workspace?")]
    NoProgram(&'static str),
    /// The corpus was not extended.
    #[error("the corpus could not be extended: mend what libFuzzer says in {} and run it again", log.display())]
    Merge {
        /// What libFuzzer says.
        log: PathBuf,
    },
    /// A service cannot be started.
    #[error("{name} cannot be started: {source}")]
    Start {
        /// The service.
        name: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A service ended although nobody asked it to.
    #[error("{name} ended by itself with {status}: its last lines above say why")]
    Ended {
        /// The service.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// A port of a service is taken.
    #[error("port {port} is in use{}, and {name} needs it: end that program, or use --free-ports", by(holder.as_deref()))]
    PortInUse {
        /// The service.
        name: &'static str,
        /// The port on 127.0.0.1.
        port: u16,
        /// The program that holds it, where the system tells.
        holder: Option<String>,
    },
    /// Kafka did not answer a question.
    #[error("Kafka did not do as asked: {source}; its log is in {}", log.display())]
    Topics {
        /// What it or its client said.
        source: kafka::AdminError,
        /// The broker's log.
        log: PathBuf,
    },
    /// No client for Kafka.
    #[error(transparent)]
    Client(#[from] kafka::ClientError),
    /// Kafka did not answer a question about a topic.
    #[error("Kafka did not do as asked: {0}")]
    Offsets(#[from] kafka::AdminError),
    /// A record was not taken.
    #[error("the records were not taken: {0}; run it again, it makes new ones")]
    Send(#[from] kafka::SendError),
    /// A topic cannot be read.
    #[error("{source}: the topics of the services are {known}")]
    Topic {
        /// Why not.
        source: kafka::ReadError,
        /// Names of topics that are there.
        known: String,
    },
    /// `cql/` was not applied.
    #[error("the tables could not be made: {0}")]
    Migrate(#[from] cassandra::MigrateError),
    /// The user's own statement was refused.
    #[error("the statement was refused: {0}; mend it and run it again")]
    Statement(#[source] cassandra::CassandraError),
    /// Cassandra does not answer.
    #[error("Cassandra did not do as asked: {0}")]
    Cassandra(#[from] cassandra::CassandraError),
    /// The torture could not be carried out.
    #[error("the torture could not be carried out: {0}")]
    Torture(#[from] torture::TortureError),
    /// The benchmark could not be carried out.
    #[error("the benchmark could not be carried out: {0}")]
    Bench(#[from] bench::BenchError),
    /// Nobody of that name takes part in benchmarks.
    #[error("there is no contender {name}: known are {known}, or all")]
    NoContender {
        /// The name.
        name: String,
        /// Names that there are.
        known: String,
    },
    /// Another benchmark runs.
    #[error("another benchmark runs in this checkout, it holds {}: wait until it has ended", path.display())]
    NotAlone {
        /// Its lock.
        path: PathBuf,
    },
    /// None of those who were asked for can be installed.
    #[error("nobody is left to be measured: give what the lines above ask for, or add --contender sluice")]
    NobodyLeft,
    /// Valgrind does not run.
    #[error("valgrind is not there: tests/install-valgrind installs it")]
    NoValgrind,
    /// Callgrind said no number.
    #[error(
        "callgrind counted no instructions of {case}: look at `valgrind --tool=callgrind target/release/counts {case} 1`"
    )]
    NoCount {
        /// What was to be counted.
        case: String,
    },
    /// The images' Dockerfile does not say how they are built.
    #[error("{} sets no CARGO_PROFILE_RELEASE_* or no PACKAGES: build with --quick-build, or mend it", path.display())]
    NoImageProfile {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be used: {source}; mend that and try again", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Standard output is gone.
    #[error("nothing can be written to standard output: {0}")]
    Output(std::io::Error),
    /// The system refused something that hardly ever fails.
    #[error("the system refused: {0}")]
    System(std::io::Error),
}

impl Failure {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

fn by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}

/// The option that helps with a server's error.
fn option_for(error: &StackError) -> &'static str {
    match error {
        StackError::PortInUse { what: "Kafka", .. } => " with --kafka-port or --free-ports",
        StackError::PortInUse { .. } => " with --cassandra-port or --free-ports",
        StackError::DataInUse { .. } => " with --data-dir (`cargo xtask down` ends it)",
        StackError::Died { .. }
        | StackError::Silent { .. }
        | StackError::Abandoned { .. }
        | StackError::NotRunning { .. }
        | StackError::Process { .. }
        | StackError::File { .. } => "",
    }
}

/// The end of the process for arguments that ask for help, or are wrong.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Whoever asked for it has gone away: there is no one to tell.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// The end of the process: a failure is told in one sentence.
#[expect(clippy::print_stderr, reason = "the one place where a failure is told")]
pub(crate) fn tell(outcome: Result<Exit, Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            Exit::Failed.into()
        }
    }
}
