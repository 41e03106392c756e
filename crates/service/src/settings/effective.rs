//! The settings a service runs with, as `--print-config` shows them.

use std::fmt;

/// One variable as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// As it may be shown.
    pub(super) value: Option<String>,
}

/// What the service read, in the catalogue's order, and what it has to say about the rest.
///
/// Displayed as the lines of an environment file; secrets are redacted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    pub(super) entries: Vec<Entry>,
    /// Variables that look like ours and are none, and values that were taken for something else; for the log.
    pub warnings: Vec<Warning>,
}

/// Something about the settings that the service runs with, but that its owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The variable.
    pub variable: String,
    /// What is to be said about it.
    pub message: String,
    /// The known name that is spelt most alike, for an unknown variable.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { name, value } in &self.entries {
            match value {
                Some(value) => writeln!(f, "{name}={value}")?,
                None => writeln!(f, "# {name} is unset")?,
            }
        }
        Ok(())
    }
}
