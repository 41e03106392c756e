//! `cargo xtask`: everything on this machine by one command, and a look at what it holds.

mod arguments;
mod bench;
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

use crate::arguments::Arguments;
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
    let outcome = runtime.block_on(arguments.run());
    // What still blocks (a start that was given up, a second Ctrl-C) is not waited for: children end with this process.
    runtime.shutdown_timeout(Duration::ZERO);
    failure::tell(outcome)
}
