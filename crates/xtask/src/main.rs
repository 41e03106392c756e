//! `cargo xtask`: everything on this machine by one command, and a look at what it holds.

mod cql;
mod down;
mod failure;
mod figures;
mod programs;
mod public_api;
mod running;
mod screen;
mod servers;
mod services;
mod settings;
mod signals;
mod stack;
mod table;
mod topic;
mod up;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use service::Exit;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Runs Sluice on this machine without Docker.")]
struct Arguments {
    /// Where data, configuration and logs of the stack go.
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = workspace::data_dir())]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
}

/// Where the servers listen on 127.0.0.1.
#[derive(Args, Debug, Clone, Copy)]
struct Ports {
    /// Port of Kafka.
    #[arg(long, default_value_t = 9092)]
    kafka_port: u16,
    /// Port of Cassandra.
    #[arg(long, default_value_t = 9042)]
    cassandra_port: u16,
    /// Take any free ports instead of the usual ones, for the services too.
    #[arg(long)]
    free_ports: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(Err(failure::Failure::System(error))),
    };
    let outcome = runtime.block_on(run(arguments));
    // What still blocks (a start that was given up, a second Ctrl-C) is not waited for: children end with this process.
    runtime.shutdown_timeout(Duration::ZERO);
    tell(outcome)
}

async fn run(arguments: Arguments) -> Result<Exit, failure::Failure> {
    let data_dir = arguments.data_dir;
    match arguments.command {
        Command::Up(up) => up::run(up, &data_dir).await,
        Command::Stack(ports) => stack::run(ports, &data_dir).await,
        Command::Down(down) => down::run(&down, &data_dir).await,
        Command::Cql(cql) => cql::run(&cql, &data_dir).await,
        Command::Topic(topic) => topic::run(topic, &data_dir).await,
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a failure is told")]
fn tell(outcome: Result<Exit, failure::Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            Exit::Failed.into()
        }
    }
}
