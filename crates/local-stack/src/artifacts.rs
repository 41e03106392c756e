//! The jars of both servers in the user's cache, fetched once and checked against the locks we carry.
//!
//! A server's directory appears there whole or not at all: Maven copies into a directory beside it, every jar is
//! checked, the stamp is written, and only then is it renamed. The stamp names the lock it was checked against, so
//! later starts compare sizes only.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::component::{CASSANDRA, Component, KAFKA};
use crate::jar_lock::{self, Difference};
use crate::java::{Java, JavaError};
use crate::machine::Machine;
use crate::maven;

/// Room that both servers take in the cache, and once more in Maven's own repository.
const NEEDED_MIB: u64 = 130;

/// A Java, and both servers' jars: all that a stack needs.
#[derive(Debug, Clone)]
pub struct Artifacts {
    pub(crate) java: Java,
    pub(crate) kafka: PathBuf,
    pub(crate) cassandra: PathBuf,
}

/// What [`Artifacts::ensure`] is doing; `Display` gives a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process fetches; we use what it leaves.
    Waiting,
    /// Maven starts to resolve a server's jars.
    Resolving {
        /// Name and version of the server.
        what: &'static str,
    },
    /// One more jar came over the network.
    Fetched {
        /// Name and version of the server.
        what: &'static str,
        /// File name of the jar.
        jar: String,
        /// Jars fetched so far.
        done: usize,
        /// Jars of this server; those that Maven already has are not fetched again.
        total: usize,
    },
    /// All jars are here and are compared with the lock.
    Checking {
        /// Name and version of the server.
        what: &'static str,
    },
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting => f.write_str("another process is fetching the jars, waiting for it"),
            Self::Resolving { what } => {
                write!(f, "{what}: resolving its jars with Maven (only the first start does this)")
            }
            Self::Fetched { what, jar, done, total } => write!(f, "{what}: {done} of at most {total} jars, {jar}"),
            Self::Checking { what } => write!(f, "{what}: checking every jar against its checksum"),
        }
    }
}

/// Why the jars are not there. Each message is one sentence with the remedy.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No Java, or none that fits.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("there is no place for the jars of Kafka and Cassandra: set HOME, or XDG_CACHE_HOME to an absolute path")]
    NoCache,
    /// No `mvn` on the search path.
    #[error(
        "Maven is not installed, and the first start needs it once to fetch {what}: install it, so that `mvn` is on PATH"
    )]
    NoMaven {
        /// Name and version of the server.
        what: &'static str,
    },
    /// Maven cannot reach a repository.
    #[error(
        "{what} is not here yet and Maven cannot reach its repository: connect to the network, or name a mirror in ~/.m2/settings.xml, and start again (Maven's words are in {})",
        log.display()
    )]
    NoNetwork {
        /// Name and version of the server.
        what: &'static str,
        /// Maven's output.
        log: PathBuf,
    },
    /// The file system of the cache, or of Maven's own repository, is full.
    #[error("the disk is full while fetching {what}: make {NEEDED_MIB} MiB free below {} and as much below ~/.m2, and start again", cache.display())]
    DiskFull {
        /// Name and version of the server.
        what: &'static str,
        /// Our part of the user's cache.
        cache: PathBuf,
    },
    /// Maven failed in another way.
    #[error("Maven could not fetch {what} ({reason}): see {}, mend that and start again", log.display())]
    Maven {
        /// Name and version of the server.
        what: &'static str,
        /// Maven's first error line.
        reason: String,
        /// Maven's output.
        log: PathBuf,
    },
    /// A jar is not the one that was pinned.
    #[error(
        "{jar} of {what} {how}: delete ~/.m2/repository/{folder}, look at what your Maven mirror serves, and start again"
    )]
    Mismatch {
        /// Name and version of the server.
        what: &'static str,
        /// File name of the jar.
        jar: String,
        /// What was found instead.
        how: String,
        /// The jar's folder below a Maven repository.
        folder: String,
    },
    /// A file of the cache cannot be read or written.
    #[error("{} cannot be used: {source}; mend its permissions, or set XDG_CACHE_HOME to another directory", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Artifacts {
    /// Finds a Java and makes sure that both servers' jars are in the user's cache, fetching them once with Maven.
    ///
    /// # Errors
    /// [`FetchError`], each a sentence with the remedy.
    pub fn ensure(progress: impl FnMut(Progress)) -> Result<Self, FetchError> {
        Self::ensure_on(&Machine::of_process(), progress)
    }

    /// The version of the Java that both servers run on, such as `17.0.15`.
    #[must_use]
    pub fn java_version(&self) -> &str {
        &self.java.version
    }

    /// [`Artifacts::ensure`] on a machine that is described instead of looked at.
    ///
    /// # Errors
    /// [`FetchError`], each a sentence with the remedy.
    pub fn ensure_on(machine: &Machine, mut progress: impl FnMut(Progress)) -> Result<Self, FetchError> {
        let java = Java::find(machine)?;
        let cache = machine.cache.as_ref().ok_or(FetchError::NoCache)?.join("sluice");
        for component in [&KAFKA, &CASSANDRA] {
            if !is_whole(component, &cache)? {
                fetch(component, machine, &java, &cache, &mut progress)?;
            }
        }
        Ok(Self { java, kafka: cache.join(KAFKA.slug), cassandra: cache.join(CASSANDRA.slug) })
    }
}

fn fetch(
    component: &Component,
    machine: &Machine,
    java: &Java,
    cache: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<(), FetchError> {
    let what = component.title;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| {
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                FetchError::DiskFull { what, cache: cache.to_owned() }
            } else {
                FetchError::Io { path, source }
            }
        }
    };
    std::fs::create_dir_all(cache).map_err(failed(cache))?;
    let _lock = lock(cache, progress).map_err(failed(&cache.join("lock")))?;
    // Whoever held the lock may have fetched what we came for.
    if is_whole(component, cache)? {
        return Ok(());
    }
    let mvn = machine.program("mvn").ok_or(FetchError::NoMaven { what })?;
    let dir = cache.join(format!("{}.partial", component.slug));
    remove(&dir).map_err(failed(&dir))?;
    std::fs::create_dir_all(&dir).map_err(failed(&dir))?;

    progress(Progress::Resolving { what });
    let total = jar_lock::jars(component.lock).count();
    let outcome = maven::copy_jars(&mvn, machine, java, component, &dir, |jar, done| {
        progress(Progress::Fetched { what, jar: jar.to_owned(), done, total });
    });
    let log = dir.join("mvn.log");
    match outcome.map_err(failed(&dir))? {
        maven::Outcome::Copied => {}
        maven::Outcome::NoNetwork => return Err(FetchError::NoNetwork { what, log }),
        maven::Outcome::DiskFull => {
            return Err(FetchError::DiskFull { what, cache: cache.to_owned() });
        }
        maven::Outcome::Failed(reason) => return Err(FetchError::Maven { what, reason, log }),
    }

    progress(Progress::Checking { what });
    let lib = dir.join("lib");
    for jar in jar_lock::jars(component.lock) {
        if let Some(difference) = jar_lock::differs(&jar, &lib).map_err(failed(&lib))? {
            let folder = jar.repository_path.rsplit_once('/').map_or("", |(folder, _)| folder);
            return Err(FetchError::Mismatch {
                what,
                jar: jar.file_name().to_owned(),
                how: match difference {
                    Difference::Missing => "was not delivered by Maven".to_owned(),
                    Difference::Size(found) => {
                        format!("has {found} bytes and is not the pinned file")
                    }
                    Difference::Digest(found) => {
                        format!("has the SHA-256 {found} and is not the pinned file")
                    }
                },
                folder: folder.to_owned(),
            });
        }
    }
    std::fs::write(dir.join("stamp"), jar_lock::digest(component.lock)).map_err(failed(&dir))?;
    let home = cache.join(component.slug);
    remove(&home).map_err(failed(&home))?;
    std::fs::rename(&dir, &home).map_err(failed(&home))
}

/// True when the directory was checked against this very lock and every jar still has its size.
fn is_whole(component: &Component, cache: &Path) -> Result<bool, FetchError> {
    let home = cache.join(component.slug);
    match std::fs::read_to_string(home.join("stamp")) {
        Ok(stamp) if stamp == jar_lock::digest(component.lock) => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => {
            return Err(FetchError::Io { path: home.join("stamp"), source });
        }
    }
    let lib = home.join("lib");
    for jar in jar_lock::jars(component.lock) {
        let difference =
            jar_lock::differs_in_size(&jar, &lib).map_err(|source| FetchError::Io { path: lib.clone(), source })?;
        if difference.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Held for as long as the file lives; the system lets go of it when the process ends, however it ends.
fn lock(cache: &Path, progress: &mut impl FnMut(Progress)) -> io::Result<File> {
    let file = File::options().create(true).write(true).truncate(false).open(cache.join("lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(Progress::Waiting);
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(file)
}

fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::write_program;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A server of one jar whose content is `abc`.
    const TINY: Component = Component {
        title: "Tiny 1",
        slug: "tiny-1",
        pom: "<project/>",
        lock: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 org/abc/1/abc-1.jar\n",
    };

    /// A machine whose `mvn` is the given shell script, which finds the directory for jars in `$lib`.
    fn machine(dir: &Path, script: &str) -> Machine {
        let bin = dir.join("bin");
        let text =
            format!("#!/bin/sh\nfor a; do case $a in -DoutputDirectory=*) lib=${{a#*=}};; esac; done\n{script}\n");
        write_program(&bin.join("mvn"), &text);
        let mut path = bin.into_os_string();
        path.push(":/bin:/usr/bin");
        Machine { path, java_home: None, java_homes: Vec::new(), cache: Some(dir.to_owned()) }
    }

    fn java() -> Java {
        Java { program: "java".into(), home: "/nowhere".into(), version: "17".to_owned() }
    }

    fn outcome(script: &str) -> (tempfile::TempDir, Result<(), FetchError>) {
        let dir = tempfile::tempdir().unwrap();
        let outcome = fetch(&TINY, &machine(dir.path(), script), &java(), dir.path(), &mut |_| {});
        (dir, outcome)
    }

    #[test]
    fn jars_that_match_the_lock_are_taken() {
        let (dir, outcome) = outcome("mkdir \"$lib\"; printf abc > \"$lib/abc-1.jar\"");
        outcome.unwrap();
        assert!(is_whole(&TINY, dir.path()).unwrap());
        std::fs::write(dir.path().join("tiny-1/lib/abc-1.jar"), "ab").unwrap();
        assert!(!is_whole(&TINY, dir.path()).unwrap(), "a jar cut short is fetched again");
    }

    #[test]
    fn a_jar_that_differs_is_refused_and_leaves_nothing_behind_that_looks_whole() {
        let (dir, outcome) = outcome("mkdir \"$lib\"; printf abd > \"$lib/abc-1.jar\"");
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains("abc-1.jar of Tiny 1 has the SHA-256"), "{message}");
        assert!(message.contains("delete ~/.m2/repository/org/abc/1,"), "{message}");
        assert!(!is_whole(&TINY, dir.path()).unwrap());
    }

    #[test]
    fn each_failure_of_maven_is_told_with_its_remedy() {
        let message = |script| outcome(script).1.unwrap_err().to_string();
        let unreachable = message("echo '[ERROR] x: repository.invalid: Temporary failure in name resolution'; exit 1");
        assert!(unreachable.contains("connect to the network"), "{unreachable}");
        let full = message("echo '[ERROR] x: No space left on device'; exit 1");
        assert!(full.contains("make 130 MiB free"), "{full}");
        let other = message("echo '[ERROR] settings.xml is broken'; exit 1");
        assert!(other.contains("(settings.xml is broken)"), "{other}");
        let silent = message("echo 'no such virtual machine' >&2; exit 1");
        assert!(silent.contains("(no such virtual machine)"), "{silent}");
    }

    #[test]
    fn without_maven_the_first_start_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine { path: dir.path().into(), ..machine(dir.path(), "") };
        let error = fetch(&TINY, &machine, &java(), dir.path(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, FetchError::NoMaven { .. }), "{error}");
    }

    #[test]
    fn of_two_that_come_at_the_same_time_one_fetches_and_the_other_waits() {
        let dir = tempfile::tempdir().unwrap();
        let script = "echo run > ../runs.$$; mkdir \"$lib\"; printf abc > \"$lib/abc-1.jar\"";
        let machine = machine(dir.path(), script);
        let (both, resolved) = (Barrier::new(2), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    both.wait();
                    fetch(&TINY, &machine, &java(), dir.path(), &mut |progress| {
                        if matches!(progress, Progress::Resolving { .. }) {
                            resolved.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(resolved.into_inner(), 1);
        let runs = std::fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("runs."));
        assert_eq!(runs.count(), 1);
    }
}
