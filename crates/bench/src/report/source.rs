//! The files of results, read back: of each command the newest that was done to its end, among those of the most records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::BenchError;
use crate::machine::{Machine, Revision};
use crate::peer::LeftOut;
use crate::report::markdown::escaped;

/// What every file begins with.
#[derive(Debug, Clone, Deserialize)]
struct Head {
    command: String,
    #[serde(default)]
    is_complete: bool,
    began: DateTime<Utc>,
    machine: Machine,
    revision: Revision,
    settings: Value,
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    name: String,
    head: Head,
    whole: Value,
}

/// The newest of the largest whole ones, by what they are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// Those in `folder`; a folder that is not there has none.
    pub(crate) fn read(folder: &Path) -> Result<Self, BenchError> {
        let mut sources = Self::default();
        for path in files(folder, "json")? {
            let text = std::fs::read_to_string(&path).map_err(BenchError::file(&path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            sources.take(Source::of(name, &text)?);
        }
        Ok(sources)
    }

    /// Keeps it if it is whole, none is larger or newer, and no other build of ours took part: that one compared changes.
    pub(crate) fn take(&mut self, source: Source) {
        let subject = source.subject();
        let is_better = self.get(&subject).is_none_or(|known| known.rank() < source.rank());
        if source.head.is_complete && !source.compares_builds() && is_better {
            self.0.insert(subject, source);
        }
    }

    /// The one about `subject`: a command, and for drains of other records than usual `drain-full` or `drain-hot`.
    pub(crate) fn get(&self, subject: &str) -> Option<&Source> {
        self.0.get(subject)
    }

    /// Their names.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.0.values().map(|source| source.name.clone()).collect()
    }
}

impl Source {
    /// Of the text of a file.
    pub(crate) fn of(name: String, text: &str) -> Result<Self, BenchError> {
        let whole: Value = serde_json::from_str(text).map_err(|error| unreadable(&name, &error))?;
        let head = Head::deserialize(&whole).map_err(|error| unreadable(&name, &error))?;
        Ok(Self { name, head, whole })
    }

    /// What was found.
    pub(crate) fn found<T: DeserializeOwned>(&self) -> Result<T, BenchError> {
        T::deserialize(&self.whole).map_err(|error| unreadable(&self.name, &error))
    }

    /// Whether another build of ours took part.
    fn compares_builds(&self) -> bool {
        self.head.settings.get("before").is_some_and(|before| !before.is_null())
    }

    /// A setting as text; none where the command has none of that name.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let setting = self.head.settings.get(name)?;
        Some(setting.as_str().map_or_else(|| setting.to_string(), str::to_owned))
    }

    /// Who was asked for and did not take part, a line of a list each.
    pub(crate) fn left_out(&self) -> Result<String, BenchError> {
        let Some(left_out) = self.head.settings.get("left_out") else { return Ok(String::new()) };
        let left_out = Vec::<LeftOut>::deserialize(left_out).map_err(|error| unreadable(&self.name, &error))?;
        let line = |LeftOut { peer, why }: &LeftOut| format!("- without {}\n", escaped(&format!("{peer}: {why}")));
        Ok(left_out.iter().map(line).collect())
    }

    /// The link to the file.
    pub(crate) fn link(&self) -> String {
        format!("[{0}](bench/results/{0})", self.name)
    }

    /// The command, the file, the machine and the revision in one paragraph.
    pub(crate) fn told(&self, command: &str) -> String {
        let Machine { processor, cores, memory_mib, kernel, rustc, java } = &self.head.machine;
        let commit: String = self.head.revision.commit.chars().take(12).collect();
        let changed = if self.head.revision.is_dirty { " with changes" } else { "" };
        let quick = match self.setting("build").as_deref() {
            Some("release") => " --quick-build",
            _ => "",
        };
        format!(
            "`cargo xtask bench {command}{quick}`, {}: {processor}, {cores} cores, {memory_mib} MiB; Linux {kernel}, Java {java}, {rustc}; commit {commit}{changed}.",
            self.link()
        )
    }

    /// A small run, as one to see whether all works, does not take the place of a large one: the servers' compilers need time.
    fn rank(&self) -> (u64, DateTime<Utc>, &str) {
        let number = |name| self.head.settings.get(name).and_then(Value::as_u64);
        let size = number("records").or_else(|| number("letters")).unwrap_or_default();
        (size, self.head.began, &self.name)
    }

    fn subject(&self) -> String {
        let recipe = self.head.settings.get("recipe");
        let of = |name: &str| recipe.and_then(|recipe| recipe.get(name));
        let full = if of("document").and_then(Value::as_str) == Some("full") { "-full" } else { "" };
        let hot = if of("hot").and_then(Value::as_bool) == Some(true) { "-hot" } else { "" };
        format!("{}{full}{hot}", self.head.command)
    }
}

fn unreadable(name: &str, error: &serde_json::Error) -> BenchError {
    BenchError::Unreadable(format!("{name} is no file of results: {error}; take it out of bench/results"))
}

/// Files of that kind in `folder`, by name.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, BenchError> {
    let mut files = Vec::new();
    if folder.exists() {
        for entry in std::fs::read_dir(folder).map_err(BenchError::file(folder))? {
            let path = entry.map_err(BenchError::file(folder))?.path();
            if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::section::Section;

    fn source(name: &str, began: &str, is_complete: bool, hot: bool) -> Source {
        let text = serde_json::json!({
            "command": "drain", "is_complete": is_complete, "began": began,
            "machine": { "processor": "p", "cores": 2, "memory_mib": 1, "kernel": "6", "rustc": "rustc 1", "java": "17" },
            "revision": { "commit": "0123456789abcdef", "is_dirty": false },
            "settings": { "recipe": { "document": "flat", "hot": hot }, "build": "release" },
        });
        Source::of(name.to_owned(), &text.to_string()).unwrap()
    }

    #[test]
    fn of_each_subject_the_newest_of_the_largest_whole_files_is_taken() {
        let mut sources = Sources::default();
        sources.take(source("b.json", "2026-01-02T00:00:00Z", true, false));
        sources.take(source("a.json", "2026-01-01T00:00:00Z", true, false));
        sources.take(source("c.json", "2026-01-03T00:00:00Z", false, false));
        sources.take(source("d.json", "2026-01-01T00:00:00Z", true, true));
        let mut compared = source("e.json", "2026-01-04T00:00:00Z", true, false);
        compared.head.settings["before"] = "target/before".into();
        sources.take(compared);
        let mut small = source("f.json", "2026-01-05T00:00:00Z", true, false);
        small.head.settings["records"] = 10.into();
        let mut large = source("g.json", "2026-01-04T00:00:00Z", true, false);
        large.head.settings["records"] = 100.into();
        assert_eq!(sources.taken(), ["b.json", "d.json"]);
        let mut section = Section::default();
        section.from(sources.get("drain").unwrap(), "drain");
        for source in [large, small] {
            sources.take(source);
        }
        assert_eq!(sources.taken(), ["g.json", "d.json"]);
        assert!(section.text.contains("drain --quick-build`, [b.json]") && section.text.contains("0123456789ab."));
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_named() {
        let refused = Source::of("x.json".to_owned(), "{}").unwrap_err().to_string();
        assert!(refused.contains("x.json"), "{refused}");
    }
}
