//! Where the running stack is, left in its data directory for commands in other terminals.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use local_stack::Stack;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Addresses of a running stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) kafka: SocketAddr,
    pub(crate) cassandra: SocketAddr,
}

impl Running {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("state.json")
    }

    /// Makes the addresses known.
    pub(crate) fn publish(&self, data_dir: &Path) -> Result<(), Failure> {
        let path = Self::path(data_dir);
        let state = json!({"kafka": self.kafka.to_string(), "cassandra": self.cassandra.to_string()});
        std::fs::write(&path, state.to_string()).map_err(Failure::file(&path))
    }

    /// Takes back what an earlier stack made known; whether it ended in order or not.
    pub(crate) fn forget(data_dir: &Path) -> Result<(), Failure> {
        let path = Self::path(data_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(&path)(error)),
            _ => Ok(()),
        }
    }

    /// The stack that runs on `data_dir` now.
    pub(crate) fn find(data_dir: &Path) -> Result<Self, Failure> {
        let Some(process) = Stack::holder(data_dir)? else {
            return Err(Failure::NotRunning { data_dir: data_dir.to_owned() });
        };
        let path = Self::path(data_dir);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Failure::Starting { process }),
            Err(error) => return Err(Failure::file(&path)(error)),
        };
        Self::parse(&text).ok_or(Failure::Starting { process })
    }

    fn parse(text: &str) -> Option<Self> {
        let state: Value = serde_json::from_str(text).ok()?;
        let address = |name: &str| state.get(name)?.as_str()?.parse().ok();
        Some(Self { kafka: address("kafka")?, cassandra: address("cassandra")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_no_running_stack() {
        let dir = tempfile::tempdir().unwrap();
        let running =
            Running { kafka: "127.0.0.1:9092".parse().unwrap(), cassandra: "127.0.0.1:9042".parse().unwrap() };
        running.publish(dir.path()).unwrap();
        assert!(matches!(Running::find(dir.path()), Err(Failure::NotRunning { .. })));
        let text = std::fs::read_to_string(Running::path(dir.path())).unwrap();
        assert_eq!(Running::parse(&text), Some(running));
        Running::forget(dir.path()).unwrap();
        Running::forget(dir.path()).unwrap();
        assert!(!Running::path(dir.path()).exists());
    }
}
