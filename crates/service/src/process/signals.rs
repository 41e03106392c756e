//! SIGTERM and SIGINT: the first one drains, the second one ends.
//!
//! They are watched by a thread of their own, so that a service that is stuck can still be ended. As PID 1 a process only
//! gets the signals it has handlers for; these are the handlers.

use std::io;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::shutdown::Shutdown;

/// Installs the handlers and watches them for the rest of the process.
pub(super) fn watch(shutdown: Shutdown) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                name = signals.next() => {
                    tracing::info!(signal = name, "draining");
                    shutdown.request();
                }
                () = shutdown.requested() => {}
            }
            let deadline = shutdown.deadline().unwrap_or_else(Instant::now);
            tokio::select! {
                name = signals.next() => tracing::error!(signal = name, "second signal, the drain is cut short"),
                () = tokio::time::sleep_until(deadline.into()) => {
                    tracing::error!("the drain took longer than SHUTDOWN_TIMEOUT_SECONDS");
                }
            }
            end_now(Exit::Cut);
        });
    })?;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Ends the process without running destructors or exit handlers: any of them may wait for the very thing that is stuck.
fn end_now(exit: Exit) {
    // SAFETY: `_exit` takes a number, returns to no one and touches no memory of ours.
    unsafe { libc::_exit(i32::from(exit.status())) }
}
