//! The process; what it does is in the library.

use std::process::ExitCode;

use producer::UserProducer;

fn main() -> ExitCode {
    service::process::main::<UserProducer>()
}
