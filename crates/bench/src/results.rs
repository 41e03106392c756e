//! The results of one command: a file of JSON with everything in it, and a table for people made of it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::failure::BenchError;
use crate::machine::{Machine, Revision};

/// Results of the command `command`, with what is peculiar to it.
#[derive(Debug, Clone, Serialize)]
pub struct Results<T> {
    /// `drain`, `growth`, ...
    pub command: &'static str,
    /// Whether everything that was asked for was done. A file that is written while it is being done says no.
    pub is_complete: bool,
    /// When it began.
    pub began: DateTime<Utc>,
    /// Where.
    pub machine: Machine,
    /// Of what.
    pub revision: Revision,
    /// What was asked for.
    pub settings: Value,
    /// What was found.
    #[serde(flatten)]
    pub found: T,
}

impl<T: Serialize> Results<T> {
    /// Writes them to `<command>-<time>.json` in `folder`, over what was written there before, and says where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, BenchError> {
        let path = folder.join(format!("{}-{}.json", self.command, self.began.format("%Y%m%dT%H%M%SZ")));
        let text = serde_json::to_string(self).map_err(std::io::Error::other);
        let written = std::fs::create_dir_all(folder).and(text).and_then(|text| std::fs::write(&path, text + "\n"));
        written.map_err(BenchError::file(&path))?;
        Ok(path)
    }
}
