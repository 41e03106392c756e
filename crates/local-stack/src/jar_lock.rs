//! The jars of a server by name, size and SHA-256, and the check of a directory against them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// One line of a lock: `<sha256> <size in bytes> <path in a Maven repository>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jar<'a> {
    sha256: &'a str,
    size: u64,
    /// Path below the root of a Maven repository.
    pub(crate) repository_path: &'a str,
}

impl<'a> Jar<'a> {
    /// The file's own name.
    pub(crate) fn file_name(&self) -> &'a str {
        self.repository_path.rsplit('/').next().unwrap_or(self.repository_path)
    }
}

/// Every jar of `lock`, in its order; lines that are none are skipped, which a test forbids for the locks we carry.
pub(crate) fn jars(lock: &str) -> impl Iterator<Item = Jar<'_>> {
    lock.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (sha256, size, repository_path) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        Some(Jar { sha256, size, repository_path })
    })
}

/// How a file differs from its line of the lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Missing,
    Size(u64),
    Digest(String),
}

/// Compares presence and size only: cheap enough for every start.
pub(crate) fn differs_in_size(jar: &Jar<'_>, dir: &Path) -> io::Result<Option<Difference>> {
    match dir.join(jar.file_name()).metadata() {
        Ok(meta) if meta.len() == jar.size => Ok(None),
        Ok(meta) => Ok(Some(Difference::Size(meta.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Difference::Missing)),
        Err(error) => Err(error),
    }
}

/// Compares presence, size and SHA-256.
pub(crate) fn differs(jar: &Jar<'_>, dir: &Path) -> io::Result<Option<Difference>> {
    if let Some(difference) = differs_in_size(jar, dir)? {
        return Ok(Some(difference));
    }
    let mut file = File::open(dir.join(jar.file_name()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
    }
    let found = hex(&hasher.finalize());
    Ok((found != jar.sha256).then_some(Difference::Digest(found)))
}

/// SHA-256 of a text, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn every_line_of_the_carried_locks_is_a_jar() {
        for (lock, count) in [(crate::component::KAFKA.lock, 92), (crate::component::CASSANDRA.lock, 100)] {
            assert_eq!(jars(lock).count(), count);
            assert_eq!(lock.lines().count(), count);
            assert!(jars(lock).all(|jar| jar.sha256.len() == 64 && jar.file_name().ends_with(".jar")));
        }
    }

    #[test]
    fn a_changed_jar_is_found_whatever_the_change() {
        let dir = tempfile::tempdir().unwrap();
        let jar = Jar { sha256: ABC, size: 3, repository_path: "org/abc/1/abc-1.jar" };
        assert_eq!(differs(&jar, dir.path()).unwrap(), Some(Difference::Missing));
        std::fs::write(dir.path().join("abc-1.jar"), "abcd").unwrap();
        assert_eq!(differs(&jar, dir.path()).unwrap(), Some(Difference::Size(4)));
        std::fs::write(dir.path().join("abc-1.jar"), "abd").unwrap();
        assert!(matches!(differs(&jar, dir.path()).unwrap(), Some(Difference::Digest(_))));
        std::fs::write(dir.path().join("abc-1.jar"), "abc").unwrap();
        assert_eq!(differs(&jar, dir.path()).unwrap(), None);
    }
}
