//! The producer's own binary, as far as it goes without its dependencies.

#![expect(clippy::expect_used, reason = "a failure is told by a panic, in the helpers of a test too")]

use std::process::Command;

fn ended(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    let output = command.args(arguments).env_clear().envs(variables.iter().copied()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn wrong_settings_of_every_kind_are_told_at_once_with_status_64() {
    let variables = [
        ("API_BATCH_SIZE", "9999"),
        ("API_NATIONALITIES", "us,xx"),
        ("KAFKA_COMPRESSION", "brotli"),
        ("PRODUCER_MODE", "sometimes"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "soon"),
    ];
    let (status, stdout, stderr) = ended(&[], &variables);
    assert_eq!((status, stdout.as_str()), (Some(64), ""));
    assert_eq!(stderr.lines().count(), variables.len(), "{stderr}");
    for (name, value) in variables {
        assert!(stderr.contains(&format!("{name}={value:?}: accepted is ")), "{stderr}");
    }
}

#[test]
fn the_settings_in_force_are_shown_with_their_defaults() {
    let (status, stdout, _) = ended(&["--print-config"], &[("STREAMING_DURATION_SECONDS", "60")]);
    assert_eq!(status, Some(0));
    for line in ["ADMIN_ADDR=127.0.0.1:8000", "PRODUCER_MODE=interval", "PRODUCER_BATCHES=0", "# API_SEED is unset"] {
        assert!(stdout.lines().any(|shown| shown == line), "{line}: {stdout}");
    }
}
