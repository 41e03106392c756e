//! How a process ends.

use std::process::ExitCode;

/// The exit status of every binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Ended as asked.
    Done,
    /// A task failed, or the work asked for could not be done.
    Failed,
    /// A replay ended, but some of the selected dead letters did not come home.
    NotHome,
    /// Settings or usage are wrong.
    Usage,
    /// The drain deadline passed, or a second signal cut the drain short.
    Cut,
}

impl Exit {
    /// The number the process ends with.
    pub fn status(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::NotHome => 2,
            Exit::Usage => 64,
            Exit::Cut => 75,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.status())
    }
}
