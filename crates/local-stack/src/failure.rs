//! What can go wrong with a stack, each message one sentence with the remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Why a stack or one of its servers did not start, stop or pause.
#[derive(Debug, Error)]
pub enum StackError {
    /// A port that was asked for is taken.
    #[error("port {port} is in use{}, and {what} needs it: end that program or choose another port", by(holder.as_deref()))]
    PortInUse {
        /// Name of the server.
        what: &'static str,
        /// The port on 127.0.0.1.
        port: u16,
        /// The program that holds it, where the system tells.
        holder: Option<String>,
    },
    /// Another stack runs on the same data.
    #[error("another stack (process {process}) runs on the data in {}: end it first, or use another directory", dir.display())]
    DataInUse {
        /// The data directory.
        dir: PathBuf,
        /// Whose stack it is.
        process: u32,
    },
    /// A server ended before it answered.
    #[error("{what} ended before it answered: {why} (its log is {})", log.display())]
    Died {
        /// Name of the server.
        what: &'static str,
        /// The cause and the remedy as far as its log tells.
        why: String,
        /// Its log.
        log: PathBuf,
    },
    /// A server runs but does not answer.
    #[error("{what} does not answer after {} s: see its log {}, or give it more time on a busy machine", limit.as_secs(), log.display())]
    Silent {
        /// Name of the server.
        what: &'static str,
        /// How long it was given.
        limit: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// The start was given up because the other server failed.
    #[error("{what} was not waited for, because the other server failed")]
    Abandoned {
        /// Name of the server.
        what: &'static str,
    },
    /// The operation needs a running server.
    #[error("{what} is not running: start it first")]
    NotRunning {
        /// Name of the server.
        what: &'static str,
    },
    /// The system refused to start or signal a server's process.
    #[error("the process of {what} cannot be handled: {source}")]
    Process {
        /// Name of the server.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file of the stack cannot be read or written.
    #[error("{} cannot be used: {}", path.display(), file_problem(source))]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl StackError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

fn by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}

fn file_problem(source: &io::Error) -> String {
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        "the disk is full, make room and start again".to_owned()
    } else {
        format!("{source}, mend that and start again")
    }
}

/// The cause and the remedy in what a server wrote before it ended.
pub(crate) fn cause_of_death(log: &str) -> String {
    const KNOWN: [(&str, &str); 4] = [
        ("No space left on device", "the disk is full, make room and start again"),
        ("insufficient memory", "there is not enough free memory, end other programs or choose smaller heaps"),
        (
            "Could not reserve enough space",
            "there is not enough free memory, end other programs or choose smaller heaps",
        ),
        ("OutOfMemoryError", "its heap is too small for its data, choose a larger one"),
    ];
    if let Some((_, cause)) = KNOWN.iter().find(|(sign, _)| log.contains(sign)) {
        return (*cause).to_owned();
    }
    let lines = || log.lines().filter(|line| !line.trim_start().starts_with("at "));
    let word = lines().find(|line| line.contains("ERROR") || line.contains("FATAL") || line.contains("Exception"));
    match word.or_else(|| lines().next_back()) {
        Some(line) => format!("it wrote \"{}\"", line.trim()),
        None => "it wrote nothing".to_owned(),
    }
}

/// True if the server ended because somebody else listens on one of its ports.
pub(crate) fn lost_its_port(log: &str) -> bool {
    log.contains("Address already in use") || log.contains("is in use by another process")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_holder() {
        let error = StackError::PortInUse { what: "Kafka", port: 9092, holder: Some("java (process 7)".to_owned()) };
        assert_eq!(
            error.to_string(),
            "port 9092 is in use by java (process 7), and Kafka needs it: end that program or choose another port"
        );
    }

    #[test]
    fn the_cause_of_death_is_the_first_error_or_the_last_line() {
        assert_eq!(cause_of_death("INFO a\nERROR b\n\tat c\nERROR d\n"), "it wrote \"ERROR b\"");
        assert_eq!(cause_of_death("Unrecognized option: -x\n\tat c\n"), "it wrote \"Unrecognized option: -x\"");
        assert!(cause_of_death("ERROR java.io.IOException: No space left on device").contains("make room"));
        assert_eq!(cause_of_death(""), "it wrote nothing");
    }
}
