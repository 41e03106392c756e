//! Finding a Java that runs both servers.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::machine::Machine;

/// The Javas that both servers run on: Kafka 4 needs 17 or later; Cassandra 5.0 is made for 17 and needs a security
/// manager, which can be allowed up to 23 and is gone from 24 on.
const FITTING: RangeInclusive<u32> = 17..=23;

/// A Java that runs both servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The `java` program.
    pub program: PathBuf,
    /// Its home, for programs that ask for `JAVA_HOME`.
    pub home: PathBuf,
    /// Its full version, such as `17.0.15`.
    pub version: String,
}

/// Why no Java can be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum JavaError {
    /// No `java` anywhere.
    #[error(
        "no Java was found, and Kafka and Cassandra need one: install a JDK 17 and put it on PATH or into JAVA_HOME"
    )]
    Missing,
    /// There is a `java`, of another version.
    #[error(
        "{program} is Java {version}, but Kafka 4 and Cassandra 5 together need Java {} to {}: install a JDK 17 and point JAVA_HOME to it",
        FITTING.start(), FITTING.end()
    )]
    Wrong {
        /// The `java` found first.
        program: PathBuf,
        /// What it says it is.
        version: String,
    },
    /// There is a `java` that does not run.
    #[error("{program} does not say its version: install a JDK 17 and point JAVA_HOME to it")]
    Broken {
        /// The `java` found first.
        program: PathBuf,
    },
}

impl Java {
    /// The first fitting Java of: `JAVA_HOME`, the search path, the homes where systems install them.
    ///
    /// # Errors
    /// [`JavaError`] speaks of the Java found first, the one the user would call theirs.
    pub fn find(machine: &Machine) -> Result<Self, JavaError> {
        let candidates = machine
            .java_home
            .iter()
            .map(|home| home.join("bin/java"))
            .chain(machine.program("java"))
            .chain(machine.java_homes.iter().map(|home| home.join("bin/java")))
            .filter(|program| program.exists());
        let mut first_problem = None;
        for program in candidates {
            let problem = match ask(&program) {
                Some(java) if feature(&java.version).is_some_and(|feature| FITTING.contains(&feature)) => {
                    return Ok(java);
                }
                Some(java) => JavaError::Wrong { program, version: java.version },
                None => JavaError::Broken { program },
            };
            first_problem.get_or_insert(problem);
        }
        Err(first_problem.unwrap_or(JavaError::Missing))
    }
}

fn ask(program: &Path) -> Option<Java> {
    let output = Command::new(program).args(["-XshowSettings:properties", "-version"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let property = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let version = property("java.version")?;
    let home = property("java.home").map_or_else(PathBuf::new, PathBuf::from);
    Some(Java { program: program.to_owned(), home, version })
}

/// `17` of `17.0.15`, `8` of `1.8.0_392`, `21` of `21-ea`.
fn feature(version: &str) -> Option<u32> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        feature => Some(feature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::write_program;

    fn fake_java(home: &Path, version: &str) {
        let text = format!(
            "#!/bin/sh\necho '    java.home = {}' >&2\necho '    java.version = {version}' >&2\n",
            home.display()
        );
        write_program(&home.join("bin/java"), &text);
    }

    fn machine(dir: &Path) -> Machine {
        Machine { path: dir.join("path/bin").into(), java_home: None, java_homes: vec![dir.join("other")], cache: None }
    }

    #[test]
    fn no_java_is_said_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let error = Java::find(&machine(dir.path())).unwrap_err();
        assert_eq!(error, JavaError::Missing);
        assert!(error.to_string().contains("install a JDK 17"));
    }

    #[test]
    fn a_wrong_java_is_named_with_its_version() {
        let dir = tempfile::tempdir().unwrap();
        fake_java(&dir.path().join("path"), "11.0.2");
        fake_java(&dir.path().join("other"), "25.0.1");
        let message = Java::find(&machine(dir.path())).unwrap_err().to_string();
        assert!(message.contains("path/bin/java is Java 11.0.2"), "{message}");
    }

    #[test]
    fn java_home_comes_before_the_search_path() {
        let dir = tempfile::tempdir().unwrap();
        fake_java(&dir.path().join("path"), "17.0.1");
        fake_java(&dir.path().join("home"), "17.0.2");
        let machine = Machine { java_home: Some(dir.path().join("home")), ..machine(dir.path()) };
        assert_eq!(Java::find(&machine).unwrap().version, "17.0.2");
    }

    #[test]
    fn a_fitting_java_elsewhere_is_taken_when_the_first_does_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        fake_java(&dir.path().join("path"), "1.8.0_392");
        fake_java(&dir.path().join("other"), "17.0.15");
        let java = Java::find(&machine(dir.path())).unwrap();
        assert_eq!(java.program, dir.path().join("other/bin/java"));
        assert_eq!(java.home, dir.path().join("other"));
    }

    #[test]
    fn a_java_that_does_not_answer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        write_program(&dir.path().join("path/bin/java"), "#!/bin/sh\nexit 1\n");
        assert!(matches!(Java::find(&machine(dir.path())), Err(JavaError::Broken { .. })));
    }

    #[test]
    fn versions_are_read_in_both_schemes() {
        assert_eq!(feature("17.0.15"), Some(17));
        assert_eq!(feature("1.8.0_392"), Some(8));
        assert_eq!(feature("21-ea"), Some(21));
        assert_eq!(feature("x"), None);
    }
}
