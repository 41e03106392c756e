//! The process; what it does is in the library.

use std::process::ExitCode;

use dlq_replayer::DlqReplayer;

fn main() -> ExitCode {
    service::process::main::<DlqReplayer>()
}
