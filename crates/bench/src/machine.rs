//! The machine and the programs that figures come from; nothing that tells whose machine it is.

use std::path::Path;
use std::process::Command;

use local_stack::Artifacts;
use serde::{Deserialize, Serialize};

/// See the module's page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// As the processor calls itself.
    pub processor: String,
    /// How many of them there are for us.
    pub cores: usize,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Version of Linux.
    pub kernel: String,
    /// Version of the compiler.
    pub rustc: String,
    /// Version of the servers' Java.
    pub java: String,
}

/// The state of the checkout.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revision {
    /// The commit.
    pub commit: String,
    /// Whether files differ from it.
    pub is_dirty: bool,
}

impl Machine {
    /// This one. What cannot be found out is "unknown".
    #[must_use]
    pub fn here(artifacts: &Artifacts) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib: Option<u64> = memory.and_then(|memory| memory.split_whitespace().next()?.parse().ok());
        // What follows the version may be a name that somebody gave the machine.
        let kernel = read("/proc/sys/kernel/osrelease");
        let kernel = kernel.trim().split('-').next().filter(|version| !version.is_empty()).map(str::to_owned);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: kib.unwrap_or_default() >> 10,
            kernel: kernel.unwrap_or_else(unknown),
            rustc: answer(Path::new("."), "rustc", &["--version"]).unwrap_or_else(unknown),
            java: artifacts.java_version().to_owned(),
        }
    }
}

impl Revision {
    /// Of the checkout at `root`.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let commit = answer(root, "git", &["rev-parse", "HEAD"]).unwrap_or_else(unknown);
        // Results of earlier runs are no change of what is measured.
        let changes = answer(root, "git", &["status", "--porcelain", "--", ".", ":!bench/results"]);
        Self { commit, is_dirty: changes.is_none_or(|changes| !changes.is_empty()) }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn answer(folder: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
