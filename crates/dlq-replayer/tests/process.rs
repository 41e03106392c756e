//! The process as its users meet it, without any dependency.
#![cfg(test)]

use std::process::{Command, Output};

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlq-replayer"));
    command.args(arguments).env_clear().envs(settings.iter().copied()).output().expect("the process")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command_that_is_there() {
    let output = run(&["--help"], &[]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for command in ["serve", "ls", "show", "group", "export", "stats", "preflight", "replay", "park", "discard"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
    }
}

#[test]
fn an_error_of_usage_ends_with_64_and_says_what_is_accepted() {
    for (arguments, says) in [
        (&["ls", "--reason", "bad_mood"][..], "quality_rule"),
        (&["ls", "--state", "gone"], "unresolved"),
        (&["replay", "--yes"], "--why"),
        (&["restore"], "restore"),
        (&[], "command"),
    ] {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(text(&output.stderr).contains(says), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "standard output is for answers");
    }
}

#[test]
fn every_wrong_setting_is_named_and_the_status_is_64() {
    let wrong = [("REPLAY_MAX_ATTEMPTS", "none"), ("REPLAY_RATE_PER_SECOND", "-1"), ("KAFKA_ACKS", "0")];
    let output = run(&["ls"], &wrong);
    assert_eq!(output.status.code(), Some(64));
    let problems = text(&output.stderr);
    assert!(wrong.iter().all(|(name, _)| problems.contains(name)), "{problems}");
}
