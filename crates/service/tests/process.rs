//! How a process on the skeleton starts, answers and ends, seen from outside.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure is told by a panic, in the helpers of a test too"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

/// `examples/idle.rs`, which lies beside the folder of the tests; `cargo test` builds it unless one target is asked for.
fn idle() -> Command {
    let tests: PathBuf = std::env::current_exe().expect("this test's own path");
    let binary = tests.parent().and_then(|deps| deps.parent()).expect("target folder").join("examples/idle");
    let mut command = Command::new(binary);
    command.env_clear().env("ADMIN_ADDR", "127.0.0.1:0").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output: Output = idle().args(arguments).envs(variables.iter().copied()).output().expect("the example runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit status"), text(output.stdout), text(output.stderr))
}

/// A running process and the lines it logs; killed when the test is over.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(behaviour: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = idle().arg(behaviour).envs(variables.iter().copied()).spawn().expect("the example starts");
        let stdout: ChildStdout = child.stdout.take().expect("piped");
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    fn wait_for(&mut self, what: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(what) => return line,
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line with {what:?} ({error}); seen: {:#?}", self.seen),
            }
        }
    }

    fn addr(&mut self) -> String {
        let line: serde_json::Value = serde_json::from_str(&self.wait_for("admin http listens")).expect("a JSON line");
        line["addr"].as_str().expect("an address").to_owned()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    fn status(&mut self) -> i32 {
        let until = Instant::now() + DEADLINE;
        // Standard output closes when the process ends.
        while self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < until, "the process did not end");
        self.child.wait().expect("an end").code().expect("an exit status, not a signal")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn http(addr: &str, request_line: &str) -> String {
    let mut stream = TcpStream::connect(addr).expect("a connection");
    write!(stream, "{request_line} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn help_version_and_settings_go_to_standard_output_and_end_with_0() {
    let (status, stdout, _) = ended(&["--help"], &[]);
    assert!(
        status == 0 && stdout.contains("Does nothing until it is told to end") && stdout.contains("--check"),
        "{stdout}"
    );
    let (status, stdout, _) = ended(&["--version"], &[]);
    assert!(status == 0 && stdout.starts_with("idle 0."), "{stdout}");
    let variables = [("KAFKA_SASL_PASSWORD", "hunter2"), ("API_BATCH_SIZE", "7")];
    let (status, stdout, _) = ended(&["--print-config"], &variables);
    assert_eq!(status, 0);
    assert!(stdout.contains("API_BATCH_SIZE=7\n") && stdout.contains("KAFKA_SASL_PASSWORD=<redacted>\n"), "{stdout}");
    assert!(stdout.contains("SHUTDOWN_TIMEOUT_SECONDS=25\n") && !stdout.contains("hunter2"), "{stdout}");
}

#[test]
fn a_reader_of_standard_output_that_has_seen_enough_is_no_failure() {
    let mut child = idle().arg("--print-config").spawn().expect("the example starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

#[test]
fn three_wrong_settings_are_all_named_on_standard_error_with_status_64() {
    let variables =
        [("API_BATCH_SIZE", "0"), ("LOG_LEVEL", "loud"), ("ADMIN_ADDR", "here"), ("KAFKA_SASL_PASSWORD", "hunter2")];
    let (status, stdout, stderr) = ended(&[], &variables);
    assert_eq!((status, stdout.as_str()), (64, ""));
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
    for part in
        ["API_BATCH_SIZE=\"0\": accepted is a whole number from 1 to 5000", "LOG_LEVEL=\"loud\"", "ADMIN_ADDR=\"here\""]
    {
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn wrong_usage_ends_with_64_on_standard_error() {
    let (status, stdout, stderr) = ended(&["--verbose"], &[]);
    assert_eq!((status, stdout.as_str()), (64, ""));
    assert!(stderr.contains("--verbose"), "{stderr}");
}

#[test]
fn the_check_is_one_line_a_dependency_and_tells_by_its_status() {
    assert_eq!(ended(&["--check"], &[]), (0, "ok name is the default\n".to_owned(), String::new()));
    let (status, stdout, _) = ended(&["--check"], &[("PRODUCER_NAME", "x")]);
    assert_eq!((status, stdout.as_str()), (1, "FAILED name is another\n"));
}

#[test]
fn a_signal_drains_and_the_process_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let mut running = Running::start("drain", &[]);
        running.wait_for("admin http listens");
        running.signal(signal);
        running.wait_for("draining");
        assert_eq!(running.status(), 0, "{signal}");
    }
}

#[test]
fn a_second_signal_ends_at_once_with_75_even_when_the_runtime_is_blocked() {
    for behaviour in ["stuck", "blocked"] {
        let mut running = Running::start(behaviour, &[("SHUTDOWN_TIMEOUT_SECONDS", "600")]);
        running.wait_for("admin http listens");
        running.signal("TERM");
        running.wait_for("draining");
        running.signal("INT");
        running.wait_for("second signal");
        assert_eq!(running.status(), 75, "{behaviour}");
    }
}

#[test]
fn a_drain_past_its_deadline_ends_with_75() {
    let mut running = Running::start("stuck", &[("SHUTDOWN_TIMEOUT_SECONDS", "0.2")]);
    running.wait_for("admin http listens");
    running.signal("TERM");
    running.wait_for("SHUTDOWN_TIMEOUT_SECONDS");
    assert_eq!(running.status(), 75);
}

#[test]
fn a_panic_or_a_task_that_ends_early_ends_the_process_with_1_and_the_message_stays_out_of_the_log() {
    for behaviour in ["panic", "task-panics", "task-ends"] {
        let (status, stdout, stderr) = ended(&[behaviour], &[]);
        assert_eq!(status, 1, "{stdout}");
        assert!(!stdout.contains("alice") && !stderr.contains("alice"), "{stdout}{stderr}");
        assert!(stdout.contains("panicked") || stdout.contains("ended early"), "{stdout}");
    }
}

#[test]
fn the_service_chooses_its_own_end() {
    assert_eq!(ended(&["not-home"], &[]).0, 2);
}

#[test]
fn an_address_in_use_is_one_clear_sentence_and_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("its address").to_string();
    let (status, stdout, _) = ended(&[], &[("ADMIN_ADDR", &addr)]);
    assert_eq!(status, 1);
    assert!(stdout.contains(&format!("ADMIN_ADDR {addr} is in use: stop the process that listens there")), "{stdout}");
}

#[test]
fn the_admin_http_of_a_running_service_answers() {
    let mut running = Running::start("drain", &[]);
    let addr = running.addr();
    for (path, part) in [
        ("/livez", "\"alive\":true"),
        ("/readyz", "\"ready\":true"),
        ("/metrics", "sluice_build_info{"),
        ("/version", "\"name\":\"idle\""),
    ] {
        let answer = http(&addr, &format!("GET {path}"));
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(part), "{path}: {answer}");
    }
    assert!(http(&addr, "GET /nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn log_lines_are_flat_json_with_the_service_and_unknown_variables_are_warned_about() {
    let variables = [("KAFKA_RETRIES", "3"), ("LOG_LEVEL", "WARNING"), ("LOG_FORMAT", "%(asctime)s %(message)s")];
    let (_, stdout, _) = ended(&["task-ends"], &variables);
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let warned: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warned.len(), 2, "{stdout}");
    assert_eq!(warned[0]["variable"], "LOG_FORMAT");
    assert_eq!((&warned[1]["variable"], &warned[1]["message"]), (&"KAFKA_RETRIES".into(), &"unknown variable".into()));
    assert!(warned[1]["nearest"].is_string());
    for line in &lines {
        assert_eq!(line["service"], "idle");
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
        assert!(line["target"].is_string() && line["message"].is_string(), "{line}");
    }
}
