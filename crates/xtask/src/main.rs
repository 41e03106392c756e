//! `cargo xtask`: everything on this machine by one command, and a look at what it holds.

mod arguments;
mod cql;
mod dead_letters;
mod down;
mod failure;
mod figures;
mod fuzz;
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
mod torture;
mod up;
mod workspace;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use service::Exit;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::tell(Err(Failure::System(error))),
    };
    let outcome = runtime.block_on(run(arguments));
    // What still blocks (a start that was given up, a second Ctrl-C) is not waited for: children end with this process.
    runtime.shutdown_timeout(Duration::ZERO);
    failure::tell(outcome)
}

async fn run(Arguments { data_dir, command }: Arguments) -> Result<Exit, Failure> {
    match command {
        Command::Up(up) => up::run(up, &data_dir).await,
        Command::Stack(ports) => stack::run(ports, &data_dir).await,
        Command::Down(down) => down::run(&down, &data_dir).await,
        Command::Cql(cql) => cql::run(&cql, &data_dir).await,
        Command::Fuzz(fuzz) => fuzz::run(fuzz).await,
        Command::DeadLetters(letters) => dead_letters::run(letters, &data_dir).await,
        Command::Topic(topic) => topic::run(topic, &data_dir).await,
        Command::Torture(torture) => Box::pin(torture::run(torture)).await,
    }
}
