//! The services' programs, built by cargo.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use local_stack::Process;
use serde_json::Value;

use crate::failure::Failure;
use crate::workspace;

/// Every program that is in an image, by the name of its package.
pub(crate) const SERVICES: [&str; 4] = ["producer", "stream-processor", "dlq-replayer", "randomuser-sim"];

/// Programs by name.
pub(crate) struct Programs(HashMap<&'static str, PathBuf>);

impl Programs {
    /// Builds the binaries of the packages `names`, with cargo's own progress on standard error. Blocks.
    pub(crate) fn build(names: &[&'static str], release: bool) -> Result<Self, Failure> {
        let mut command = cargo_build(names);
        command.args(release.then_some("--release"));
        Self::built(command, names)
    }

    /// Builds the binary of the package `name` with a feature, in release, the workspace's own crates compiled through `wrapper`.
    /// What they depend on is shared with every other release build. Blocks.
    pub(crate) fn instrumented(name: &'static str, feature: &str, wrapper: &Path) -> Result<Self, Failure> {
        let mut command = cargo_build(&[name]);
        command.args(["--release", "--features", feature]).env("RUSTC_WORKSPACE_WRAPPER", wrapper);
        Self::built(command, &[name])
    }

    /// Builds the binaries `names` as the images have them: all packages of the images at once, because what one of them asks of a
    /// library all of them get. Blocks.
    pub(crate) fn as_in_images(names: &[&'static str]) -> Result<Self, Failure> {
        let path = workspace::root().join("docker").join("Dockerfile");
        let dockerfile = std::fs::read_to_string(&path).map_err(Failure::file(&path))?;
        let (profile, packages) = (image_profile(&dockerfile), image_packages(&dockerfile));
        if profile.is_empty() || packages.is_empty() {
            return Err(Failure::NoImageProfile { path });
        }
        let mut command = cargo_build(&packages);
        // Another folder, so that neither build throws the other's away.
        command.arg("--release").envs(profile).env("CARGO_TARGET_DIR", workspace::root().join("target").join("images"));
        Self::built(command, names)
    }

    /// Downloads everything that a build of the workspace needs. Blocks.
    pub(crate) fn download() -> Result<(), Failure> {
        let mut command = Command::new("cargo");
        command.args(["fetch", "--locked"]);
        Self::built(command, &[]).map(drop)
    }

    /// Builds all programs of the workspace in release, into `folder`. Blocks.
    pub(crate) fn workspace_into(folder: &Path) -> Result<(), Failure> {
        let mut command = cargo_build(&[]);
        command.args(["--release", "--workspace"]).env("CARGO_TARGET_DIR", folder);
        Self::built(command, &[]).map(drop)
    }

    fn built(mut command: Command, names: &[&'static str]) -> Result<Self, Failure> {
        command.current_dir(workspace::root()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::spawn(command).map_err(Failure::NoCargo)?;
        let mut found = HashMap::new();
        if let Some(stdout) = process.take_stdout() {
            for line in BufReader::new(stdout).lines() {
                let line = line.map_err(Failure::System)?;
                if let Some((name, program)) = executable(&line)
                    && let Some(known) = names.iter().find(|known| **known == name)
                {
                    found.insert(*known, program);
                }
            }
        }
        loop {
            if let Some(status) = process.wait_for(Duration::from_secs(60)) {
                return if status.success() { Ok(Self(found)) } else { Err(Failure::Build(status)) };
            }
        }
    }

    /// Where the program is.
    pub(crate) fn path(&self, name: &'static str) -> Result<&Path, Failure> {
        self.0.get(name).map(PathBuf::as_path).ok_or(Failure::NoProgram(name))
    }
}

fn cargo_build(names: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--locked", "--bins", "--message-format=json-render-diagnostics"])
        .args(names.iter().flat_map(|name| ["--package", name]));
    command
}

/// What a Dockerfile sets of cargo's profile for release, as variables.
fn image_profile(dockerfile: &str) -> Vec<(&str, &str)> {
    let settings = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
    settings
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.starts_with("CARGO_PROFILE_RELEASE_"))
        .collect()
}

/// The packages that a Dockerfile builds.
fn image_packages(dockerfile: &str) -> Vec<&str> {
    let line = dockerfile.lines().find_map(|line| line.strip_prefix("ENV PACKAGES="));
    line.unwrap_or_default().trim_matches('"').split_whitespace().filter(|word| *word != "--package").collect()
}

/// Name and path in a message of cargo about a finished program ("External tools" in the Cargo book).
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    let program = message.get("executable")?.as_str()?;
    Some((name.to_owned(), program.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_and_packages_of_the_images_are_found_in_their_dockerfile() {
        let path = workspace::root().join("docker").join("Dockerfile");
        let dockerfile = std::fs::read_to_string(path).unwrap();
        let (profile, packages) = (image_profile(&dockerfile), image_packages(&dockerfile));
        assert!(profile.iter().any(|(name, _)| *name == "CARGO_PROFILE_RELEASE_LTO"), "{profile:?}");
        assert!(SERVICES.iter().all(|name| packages.contains(name)), "{packages:?}");
        assert!(image_profile("ENV A=b\nRUN CARGO_PROFILE_RELEASE_LTO=fat cargo\n").is_empty());
    }

    #[test]
    fn a_finished_program_is_found_in_what_cargo_says() {
        let program =
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"producer"},"executable":"/t/producer"}"#;
        assert_eq!(executable(program), Some(("producer".to_owned(), PathBuf::from("/t/producer"))));
        let library = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"producer"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
