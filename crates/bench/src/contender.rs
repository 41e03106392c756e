//! Who brings the records into the table: ours, or somebody else's.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use local_stack::{Process, port};
use serde::{Deserialize, Serialize};

use crate::failure::BenchError;

/// How long a contender may take to end in order.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Where a contender keeps how far it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offsets {
    /// Kafka has them, under the group's id.
    Group,
    /// It has a place of its own.
    Own,
}

/// A way to run one of them.
#[derive(Debug, Clone, Serialize)]
pub struct Contender {
    /// Its name on the command line and in results.
    pub name: String,
    /// What it is.
    pub description: String,
    /// What it consists of.
    pub versions: String,
    /// What is set beyond its defaults.
    pub settings: String,
    /// Where it keeps its offsets.
    pub offsets: Offsets,
    /// Columns that it has no way to write: the census does not hold them against it.
    pub leaves_out: Vec<String>,
    #[serde(skip)]
    pub(crate) is_ours: bool,
    #[serde(skip)]
    pub(crate) program: PathBuf,
    #[serde(skip)]
    pub(crate) arguments: Vec<String>,
    #[serde(skip)]
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Contender {
    /// The stream processor at `program`, with variables beside its defaults.
    #[must_use]
    pub fn ours(name: &str, program: &Path, environment: &[(&'static str, &str)]) -> Self {
        let settings: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            name: name.to_owned(),
            description: "stream-processor".to_owned(),
            versions: env!("CARGO_PKG_VERSION").to_owned(),
            settings: if settings.is_empty() { "defaults".to_owned() } else { settings.join(" ") },
            offsets: Offsets::Group,
            leaves_out: Vec::new(),
            is_ours: true,
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        }
    }

    /// The ways to run ours that are compared with others: as it adapts by itself, and writing single rows.
    #[must_use]
    pub fn all_of_ours(program: &Path) -> Vec<Self> {
        vec![Self::ours("sluice", program, &[]), Self::ours("sluice/single", program, &[("CASSANDRA_BATCH_ROWS", "1")])]
    }

    /// Starts it; what it prints goes to `log`.
    pub(crate) fn start(
        &self,
        common: &BTreeMap<&'static str, String>,
        work: &Path,
        log: &Path,
    ) -> Result<Running, BenchError> {
        let log = File::options().create(true).append(true).open(log).map_err(BenchError::file(log))?;
        let failed = BenchError::process(&self.name);
        let start = || {
            let mut command = Command::new(&self.program);
            if self.is_ours {
                // Nothing of the user's own settings.
                command.env_clear().env("ADMIN_ADDR", format!("127.0.0.1:{}", port::free(&[])?));
            }
            command
                .args(&self.arguments)
                .envs(common)
                .envs(self.environment.iter().cloned())
                .env("WORK", work)
                .current_dir(work)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log);
            Process::spawn(command)
        };
        Ok(Running { process: start().map_err(failed)?, name: self.name.clone() })
    }
}

/// A process of a contender. Dropped, it is killed with its children.
pub(crate) struct Running {
    process: Process,
    name: String,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How it ended, in words; none while it runs.
    pub(crate) fn ended(&self) -> Option<String> {
        self.process.exit_status().map(|status| status.to_string())
    }

    /// Asks it to end, and says how it did. Blocks.
    pub(crate) fn end(&self) -> Result<String, BenchError> {
        let in_time = self.process.end(END_WITHIN).map_err(BenchError::process(&self.name))?;
        let status = self.ended().unwrap_or_default();
        Ok(if in_time { status } else { format!("did not end within {} s, {status}", END_WITHIN.as_secs()) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(group) = libc::pid_t::try_from(self.process.pid()) else { return };
        // SAFETY: killpg has no memory effects. The group is the process's own (`Process` makes one for each child), and its
        // number stays taken while a child is left in it; where none is, nobody is killed.
        unsafe { libc::killpg(group, libc::SIGKILL) };
    }
}
