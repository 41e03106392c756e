//! Others' ways: each a folder with `peer.toml`, `install` and `run`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use config::{Config, FileFormat};
use local_stack::Process;
use serde::{Deserialize, Serialize};

use crate::checksum::COLUMNS;
use crate::contender::{Contender, Offsets};
use crate::failure::BenchError;

/// The variant that a name without one means.
const DEFAULT: &str = "default";
/// The status of an `install` that lacks what only the user can give.
const LACKS: i32 = 3;

#[derive(Debug, Deserialize)]
struct Description {
    description: String,
    versions: String,
    offsets: Offsets,
    /// Columns that it has no way to write.
    #[serde(default)]
    leaves_out: Vec<String>,
    variants: BTreeMap<String, Variant>,
}

#[derive(Debug, Deserialize)]
struct Variant {
    settings: String,
}

/// A folder of `bench/peers`.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub name: String,
    folder: PathBuf,
    description: Description,
}

/// A peer that was asked for and did not take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub peer: String,
    /// Why not, in one line.
    pub why: String,
}

/// How an `install` ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Installed {
    /// It can be run.
    Ready,
    /// Only the user can give what is missing, and this line says what.
    Lacks(String),
    /// It failed; this file says why.
    Failed(PathBuf),
}

impl Peer {
    /// Every peer below `folder`, by name.
    ///
    /// # Errors
    /// A `peer.toml` cannot be read, or names a column that the table has not.
    pub fn all(folder: &Path) -> Result<Vec<Self>, BenchError> {
        let mut peers = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(BenchError::file(folder))? {
            let folder = entry.map_err(BenchError::file(folder))?.path();
            let file = folder.join("peer.toml");
            if !file.exists() {
                continue;
            }
            let text = std::fs::read_to_string(&file).map_err(BenchError::file(&file))?;
            let description = described(&text).map_err(std::io::Error::other).map_err(BenchError::file(&file))?;
            let is_column = |name: &&String| COLUMNS.contains(&name.as_str());
            if let Some(stranger) = description.leaves_out.iter().find(|name| !is_column(name)) {
                let stranger = std::io::Error::other(format!("the table has no column {stranger}"));
                return Err(BenchError::file(&file)(stranger));
            }
            let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            peers.push(Self { name, folder, description });
        }
        peers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(peers)
    }

    /// Its variants; the first is the default.
    #[must_use]
    pub fn contenders(&self, home: &Path) -> Vec<Contender> {
        let described = &self.description;
        let variants = described.variants.iter().map(|(variant, Variant { settings })| Contender {
            name: if variant == DEFAULT { self.name.clone() } else { format!("{}/{variant}", self.name) },
            description: described.description.clone(),
            versions: described.versions.clone(),
            settings: settings.clone(),
            offsets: described.offsets,
            leaves_out: described.leaves_out.clone(),
            is_ours: false,
            program: self.folder.join("run"),
            arguments: vec![variant.clone()],
            environment: vec![("PEERS_HOME", home.display().to_string())],
        });
        let mut variants: Vec<_> = variants.collect();
        variants.sort_by(|one, other| one.name.cmp(&other.name));
        variants
    }

    /// Installs what is not there yet below `home`. Blocks.
    ///
    /// # Errors
    /// The script cannot be run.
    pub fn install(&self, home: &Path) -> Result<Installed, BenchError> {
        std::fs::create_dir_all(home).map_err(BenchError::file(home))?;
        let (out, log) = (home.join(format!("{}.out", self.name)), home.join(format!("{}.log", self.name)));
        let file = |path: &Path| File::create(path).map_err(BenchError::file(path));
        let mut command = Command::new(self.folder.join("install"));
        command.env("PEERS_HOME", home).stdin(Stdio::null()).stdout(file(&out)?).stderr(file(&log)?);
        let process = Process::spawn(command).map_err(BenchError::process(&self.name))?;
        let status = loop {
            if let Some(status) = process.wait_for(Duration::from_secs(60)) {
                break status;
            }
        };
        Ok(match status.code() {
            Some(0) => Installed::Ready,
            Some(LACKS) => {
                let said = std::fs::read_to_string(&out).map_err(BenchError::file(&out))?;
                Installed::Lacks(said.trim().to_owned())
            }
            Some(_) | None => Installed::Failed(log),
        })
    }
}

fn described(toml: &str) -> Result<Description, config::ConfigError> {
    Config::builder().add_source(config::File::from_str(toml, FileFormat::Toml)).build()?.try_deserialize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        // Written by another process: a file that this one has open for writing cannot be run.
        let script = "printf %s \"$2\" > \"$1\" && chmod +x \"$1\"";
        let status = Command::new("sh").args(["-c", script, "sh"]).arg(path).arg(text).status().unwrap();
        assert!(status.success());
    }

    fn peer(install: &str) -> (tempfile::TempDir, Vec<Peer>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("bento");
        std::fs::create_dir_all(&folder).unwrap();
        let toml = "description = 'd'\nversions = 'v'\noffsets = 'group'\nruntime = 'native'\n\
                    [variants.tuned]\nsettings = 'batches of 20'\n[variants.default]\nsettings = 'none'\n";
        write(&folder.join("peer.toml"), toml);
        write(&folder.join("install"), install);
        std::fs::create_dir_all(dir.path().join("no-peer")).unwrap();
        let peers = Peer::all(dir.path()).unwrap();
        (dir, peers)
    }

    #[test]
    fn a_peer_has_its_variants_and_the_default_one_has_its_name() {
        let (_dir, peers) = peer("");
        let contenders = peers[0].contenders(Path::new("/home"));
        let names: Vec<_> = contenders.iter().map(|contender| contender.name.as_str()).collect();
        assert_eq!(names, ["bento", "bento/tuned"]);
        assert_eq!((contenders[1].settings.as_str(), contenders[1].arguments[0].as_str()), ("batches of 20", "tuned"));
        assert_eq!((contenders[0].offsets, peers.len()), (Offsets::Group, 1));
    }

    #[test]
    fn a_column_that_a_peer_leaves_out_is_one_of_the_table() {
        let (dir, _) = peer("");
        let left_out = |column: &str| {
            let toml = format!(
                "description = 'd'\nversions = 'v'\noffsets = 'own'\nleaves_out = ['{column}']\n[variants.default]\nsettings = 's'\n"
            );
            write(&dir.path().join("bento/peer.toml"), &toml);
            let peers = Peer::all(dir.path()).map_err(|error| error.to_string())?;
            Ok::<_, String>(peers[0].contenders(Path::new("/home"))[0].leaves_out.clone())
        };
        assert_eq!(left_out("source").unwrap(), ["source"]);
        assert!(left_out("colour").unwrap_err().contains("no column colour"));
    }

    #[test]
    fn an_install_is_ready_or_lacks_something_or_fails() {
        let installed = |script: &str| {
            let (dir, peers) = peer(&format!("#!/bin/sh\n{script}\n"));
            peers[0].install(&dir.path().join("home")).unwrap()
        };
        assert_eq!(installed("test -d \"$PEERS_HOME\""), Installed::Ready);
        assert_eq!(installed("echo set BIN; exit 3"), Installed::Lacks("set BIN".to_owned()));
        assert!(matches!(installed("exit 1"), Installed::Failed(log) if log.ends_with("bento.log")));
    }
}
