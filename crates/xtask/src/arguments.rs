//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use service::Exit;

use crate::failure::Failure;
use crate::{bench, cql, dead_letters, down, fuzz, stack, topic, torture, up, workspace};

/// What was asked for.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Runs Sluice on this machine without Docker.")]
pub(crate) struct Arguments {
    /// Where data, configuration and logs of the stack go.
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = workspace::data_dir())]
    pub(crate) data_dir: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Does what was asked for.
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let Self { data_dir, command } = self;
        match command {
            Command::Up(up) => up::run(up, &data_dir).await,
            Command::Stack(ports) => stack::run(ports, &data_dir).await,
            Command::Down(down) => down::run(&down, &data_dir).await,
            Command::Cql(cql) => cql::run(&cql, &data_dir).await,
            Command::Fuzz(fuzz) => fuzz::run(fuzz).await,
            Command::DeadLetters(letters) => dead_letters::run(letters, &data_dir).await,
            Command::Topic(topic) => topic::run(topic, &data_dir).await,
            Command::Bench(bench) => Box::pin(bench::run(bench)).await,
            Command::Torture(torture) => Box::pin(torture::run(torture)).await,
        }
    }
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Kafka, Cassandra and the three services, with a live table of what arrives; Ctrl-C ends all of it.
    Up(up::Up),
    /// Only Kafka and Cassandra, with topics and tables; Ctrl-C ends both.
    Stack(Ports),
    /// Ends what `up` or `stack` started in another terminal; the data stays.
    Down(down::Down),
    /// Runs one CQL statement on the running stack and prints its rows.
    Cql(cql::Cql),
    /// Prints the newest records of a topic of the running stack.
    Topic(topic::Topic),
    /// Puts dead letters on the running stack, as the processor writes them, to try the replayer out.
    DeadLetters(dead_letters::DeadLetters),
    /// Kills, halts and cuts off everything while records flow, and checks that nothing is lost or there twice.
    Torture(torture::Torture),
    /// Measures how fast, how lean and how prompt we and others are on a real stack; results go to `bench/results`.
    Bench(bench::Bench),
    /// Looks for inputs that break a promise of a decoder; ends with 1 when it finds one, and says how to run it again.
    Fuzz(fuzz::Fuzz),
}

/// Where the servers listen on 127.0.0.1.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Port of Kafka.
    #[arg(long, default_value_t = 9092)]
    pub(crate) kafka_port: u16,
    /// Port of Cassandra.
    #[arg(long, default_value_t = 9042)]
    pub(crate) cassandra_port: u16,
    /// Take any free ports instead of the usual ones, for the services too.
    #[arg(long)]
    pub(crate) free_ports: bool,
}
