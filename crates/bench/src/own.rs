//! A service of ours that is not a contender: how it is started and watched.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use local_stack::{Process, port};

use crate::failure::BenchError;
use crate::ground::Ground;

/// How long a service may take to end before it is killed: more than its own limit.
const GRACE: Duration = Duration::from_secs(30);

/// Its process. Dropped, it is killed.
pub(crate) struct Own {
    process: Process,
    name: &'static str,
}

impl Own {
    /// Starts it with these variables and no others; its log lies in the folder of runs.
    pub(crate) fn start(
        ground: &Ground,
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        mut environment: BTreeMap<&'static str, String>,
    ) -> Result<Self, BenchError> {
        let folder = ground.folder().join("runs");
        std::fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).map_err(BenchError::file(&log))?;
        let mut spawn = || {
            environment.insert("ADMIN_ADDR", format!("127.0.0.1:{}", port::free(&[])?));
            let mut command = Command::new(program);
            command.args(arguments).env_clear().envs(&environment);
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
            Process::spawn(command)
        };
        Ok(Self { process: spawn().map_err(BenchError::process(name))?, name })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, BenchError> {
        let unreadable = || {
            BenchError::Unreadable(format!(
                "the memory of {} cannot be read: its log says whether it has ended",
                self.name
            ))
        };
        self.process.resident_bytes().ok_or_else(unreadable)
    }

    /// How it ended by itself, at most after `limit`. Blocks.
    pub(crate) fn wait_for(&self, limit: Duration) -> Option<ExitStatus> {
        self.process.wait_for(limit)
    }

    /// Asks it to end. Blocks.
    pub(crate) fn end(&self) -> Result<(), BenchError> {
        self.process.end(GRACE).map(drop).map_err(BenchError::process(self.name))
    }
}
