//! What this machine offers: search path, Java homes, the user's cache directory.
//!
//! Everything else takes a [`Machine`] as an argument, so a test describes a machine without Java instead of making one.

use std::ffi::OsString;
use std::path::PathBuf;

/// The surroundings that decide which Java and Maven run and where jars are kept.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Directories to search for programs, as in `PATH`.
    pub path: OsString,
    /// `JAVA_HOME`, where set.
    pub java_home: Option<PathBuf>,
    /// Homes of other installed Javas, tried when neither `JAVA_HOME` nor the search path leads to a fitting one.
    pub java_homes: Vec<PathBuf>,
    /// The user's cache directory; `None` when neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub cache: Option<PathBuf>,
}

impl Machine {
    /// The machine as the environment of this process describes it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "these describe the machine, they are not settings of a service")]
    pub fn of_process() -> Self {
        let directory = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = directory("HOME");
        Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            java_home: directory("JAVA_HOME"),
            java_homes: installed_javas(home.as_ref()),
            // The XDG specification has relative values ignored.
            cache: directory("XDG_CACHE_HOME")
                .filter(|dir| dir.is_absolute())
                .or_else(|| home.map(|dir| dir.join(".cache"))),
        }
    }

    /// The first executable file called `name` on the search path.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        std::env::split_paths(&self.path).map(|dir| dir.join(name)).find(|candidate| {
            candidate.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
    }
}

/// Where package managers put Javas on Linux and macOS, and SDKMAN on both.
fn installed_javas(home: Option<&PathBuf>) -> Vec<PathBuf> {
    let below = |dir: PathBuf, inside: &str| -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> =
            std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path().join(inside)).collect();
        found.sort();
        found
    };
    let mut homes = below(PathBuf::from("/usr/lib/jvm"), "");
    homes.extend(below(PathBuf::from("/Library/Java/JavaVirtualMachines"), "Contents/Home"));
    if let Some(home) = home {
        homes.extend(below(home.join(".sdkman/candidates/java"), ""));
    }
    homes
}

/// Writes a program for a test through a process of its own: a file that this process has open for writing, or that a
/// child forked in that moment has inherited so, cannot be run ("text file busy").
#[cfg(test)]
pub(crate) fn write_program(path: &std::path::Path, text: &str) {
    let status = std::process::Command::new("sh")
        .args(["-c", "mkdir -p \"${1%/*}\" && printf %s \"$2\" > \"$1\" && chmod +x \"$1\"", "sh"])
        .args([path.as_os_str(), text.as_ref()])
        .status()
        .unwrap();
    assert!(status.success());
}
