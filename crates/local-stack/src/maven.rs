//! One run of `mvn` that copies a server's jars into a directory.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::component::Component;
use crate::jar_lock;
use crate::java::Java;
use crate::machine::Machine;
use crate::process::Process;

/// Pinned, because without a version each Maven takes another one.
const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// How a run of Maven ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Copied,
    NoNetwork,
    DiskFull,
    /// Maven's own first word about what went wrong.
    Failed(String),
}

/// Runs `mvn`, which honours the user's own settings, mirrors and credentials.
///
/// The pom and Maven's output are left in `dir`, the jars in `dir/lib`. `progress` hears the name and number of every
/// jar that came over the network; jars that the user's local repository already holds pass without a word.
pub(crate) fn copy_jars(
    mvn: &Path,
    machine: &Machine,
    java: &Java,
    component: &Component,
    dir: &Path,
    mut progress: impl FnMut(&str, usize),
) -> io::Result<Outcome> {
    let pom = dir.join("pom.xml");
    std::fs::write(&pom, component.pom)?;
    let mut log = std::fs::File::create(dir.join("mvn.log"))?;
    let mut command = Command::new(mvn);
    command
        // -U: Maven otherwise remembers a failed download for a day and does not try again.
        .args(["-B", "-U", "-Dstyle.color=never", GOAL, "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", dir.join("lib").display()))
        .arg("-f")
        .arg(&pom)
        .current_dir(dir)
        .env("PATH", &machine.path)
        .env("JAVA_HOME", &java.home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?);
    let mut process = Process::spawn(command)?;
    let wanted: HashSet<&str> = jar_lock::jars(component.lock).map(|jar| jar.file_name()).collect();
    let mut fetched = HashSet::new();
    let mut output = String::new();
    if let Some(stdout) = process.take_stdout() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            writeln!(log, "{line}")?;
            if let Some(name) = downloaded(&line).and_then(|name| wanted.get(name))
                && fetched.insert(*name)
            {
                progress(name, fetched.len());
            }
            if line.starts_with("[ERROR]") {
                output.push_str(&line);
                output.push('\n');
            }
        }
    }
    loop {
        if let Some(status) = process.wait_for(std::time::Duration::from_secs(60)) {
            if status.success() {
                return Ok(Outcome::Copied);
            }
            // What kept the Java virtual machine itself from starting goes to standard error.
            if output.is_empty() {
                output = std::fs::read_to_string(dir.join("mvn.log"))?;
            }
            return Ok(classify(&output));
        }
    }
}

/// The file name in `Downloaded from <repository>: <address> (<size> at <speed>)`.
fn downloaded(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches("[INFO] ").strip_prefix("Downloaded from ")?;
    let address = rest.split(' ').nth(1)?;
    address.rsplit('/').next()
}

fn classify(output: &str) -> Outcome {
    const DISK: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
    const NETWORK: [&str; 11] = [
        "Unknown host",
        "UnknownHostException",
        "Temporary failure in name resolution",
        "Name or service not known",
        "nodename nor servname",
        "Connection refused",
        "Network is unreachable",
        "No route to host",
        "timed out",
        "Connection reset",
        "in offline mode",
    ];
    if DISK.iter().any(|sign| output.contains(sign)) {
        return Outcome::DiskFull;
    }
    if NETWORK.iter().any(|sign| output.contains(sign)) {
        return Outcome::NoNetwork;
    }
    let first = output.lines().map(|line| line.trim_start_matches("[ERROR]").trim()).find(|line| !line.is_empty());
    Outcome::Failed(first.unwrap_or("no error was printed").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_downloaded_jar_is_recognised() {
        let line = "[INFO] Downloaded from central: https://repository.invalid/org/lz4/lz4-java/1.8.0/lz4-java-1.8.0.jar (683 kB at 1.2 MB/s)";
        assert_eq!(downloaded(line), Some("lz4-java-1.8.0.jar"));
        assert_eq!(downloaded(line.trim_start_matches("[INFO] ")), Some("lz4-java-1.8.0.jar"));
        assert_eq!(downloaded("[INFO] Downloading from central: https://repository.invalid/a.jar"), None);
    }

    #[test]
    fn failures_are_told_apart() {
        let unreachable = "[ERROR] Plugin x or one of its dependencies could not be resolved: Could not transfer artifact x from/to central (https://repository.invalid): repository.invalid: Temporary failure in name resolution -> [Help 1]";
        assert_eq!(classify(unreachable), Outcome::NoNetwork);
        assert_eq!(classify("[ERROR] Error copying artifact: No space left on device"), Outcome::DiskFull);
        assert_eq!(classify("[ERROR] \n[ERROR] something else"), Outcome::Failed("something else".to_owned()));
    }
}
