//! The process as its users meet it, without any dependency.
#![cfg(test)]

use std::process::{Command, Output};

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stream-processor"));
    command.args(arguments).env_clear().envs(settings.iter().copied()).output().expect("the process")
}

#[test]
fn help_and_version_end_with_0() {
    for argument in ["--help", "--version"] {
        let output = run(&[argument], &[]);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("stream-processor"));
    }
}

#[test]
fn every_wrong_setting_is_named_and_the_status_is_64() {
    let wrong = [("PIPELINE_SHARDS", "0"), ("CASSANDRA_CONSISTENCY", "MOST"), ("CASSANDRA_TABLE", "Users; DROP")];
    let output = run(&[], &wrong);
    assert_eq!(output.status.code(), Some(64));
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(wrong.iter().all(|(name, _)| problems.contains(name)), "{problems}");
}

#[test]
fn the_settings_in_force_are_printed_without_secrets() {
    let output = run(&["--print-config"], &[("CASSANDRA_USERNAME", "u"), ("CASSANDRA_PASSWORD", "hunter2")]);
    assert!(output.status.success());
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("CASSANDRA_PASSWORD") && !printed.contains("hunter2"), "{printed}");
}
