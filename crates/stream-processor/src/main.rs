//! The process; what it does is in the library.

use std::process::ExitCode;

use stream_processor::StreamProcessor;

fn main() -> ExitCode {
    service::process::main::<StreamProcessor>()
}
