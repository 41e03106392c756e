//! The commands as a user runs them, on real servers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

fn xtask(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("--data-dir").arg(data_dir).args(arguments).stdin(Stdio::null());
    command
}

fn answer(data_dir: &Path, arguments: &[&str]) -> Output {
    xtask(data_dir, arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one sentence on standard error of a command that failed.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    text
}

/// A command that runs for a while, killed when the test ends.
struct Running {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut child = xtask(data_dir, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || stdout.lines().try_for_each(|line| said.send(line.unwrap())));
        Self { child, lines, heard: Vec::new() }
    }

    /// Reads until a line holds `text`. The services may have to be built before.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(900);
        while !self.heard.last().is_some_and(|line| line.contains(text)) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.heard.push(line),
                Err(error) => panic!("no \"{text}\" ({error}): {:#?}", self.heard),
            }
        }
    }

    /// Every process that it started.
    fn children(&self) -> Vec<u32> {
        let parent = self.child.id();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name before it is in brackets and may hold anything.
            let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            after_name.split_whitespace().nth(1) == Some(&parent.to_string())
        })
        .collect()
    }

    fn child_whose_command_holds(&self, needle: &str) -> u32 {
        let command = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        self.children().into_iter().find(|pid| command(pid).contains(needle)).unwrap()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn end(&mut self) -> ExitStatus {
        self.heard.extend(self.lines.iter());
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (_open, never) = std::sync::mpsc::channel::<()>();
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

fn wait_until_gone(pids: &[u32]) {
    wait_until("all children are gone", || !pids.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()));
}

fn data_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("xtask-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn count(data_dir: &Path) -> usize {
    let text = printed(&answer(data_dir, &["cql", "SELECT COUNT(*) FROM spark_streams.created_users"]));
    let digits: String = text.lines().nth(3).unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn without_a_stack_the_commands_say_how_to_start_one() {
    let dir = data_dir();
    for arguments in [&["cql", "SELECT 1"][..], &["topic", "user_data"]] {
        let message = refused(&answer(dir.path(), arguments));
        assert!(message.contains("no stack runs") && message.contains("cargo xtask up"), "{message}");
    }
    assert!(printed(&answer(dir.path(), &["down"])).contains("no stack runs"));
}

#[test]
fn wrong_usage_ends_with_64_and_says_what_is_accepted() {
    let dir = data_dir();
    for (arguments, accepted) in [
        (&["torture", "--minutes", "0"][..], "a number of minutes, more than 0"),
        (&["torture", "--minutes", "ten"], "a number of minutes, more than 0"),
        (&["tortured"], "torture"),
    ] {
        let output = answer(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(accepted), "{output:?}");
    }
    assert!(printed(&answer(dir.path(), &["torture", "--help"])).contains("--seed"));
}

#[test]
fn a_stack_answers_cql_and_topic_and_ends_from_another_terminal() {
    let dir = data_dir();
    let mut stack = Running::start(dir.path(), &["stack", "--free-ports"]);
    stack.wait_for("Ctrl-C ends both");

    let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'spark_streams'";
    assert!(printed(&answer(dir.path(), &["cql", tables])).contains("created_users"));
    let message = refused(&answer(dir.path(), &["cql", "SELECT * FROM nowhere.at_all"]));
    assert!(message.contains("keyspace nowhere does not exist"), "{message}");

    assert_eq!(printed(&answer(dir.path(), &["topic", "user_data_dlq", "--tail", "5"])), "the topic is empty\n");
    let message = refused(&answer(dir.path(), &["topic", "user_dat"]));
    assert!(message.contains("topic user_dat does not exist") && message.contains("user_data_dlq"), "{message}");

    let message = refused(&answer(dir.path(), &["stack", "--free-ports"]));
    assert!(message.contains("another stack") && message.contains("cargo xtask down"), "{message}");

    let children = stack.children();
    assert_eq!(children.len(), 2);
    assert!(printed(&answer(dir.path(), &["down", "--wipe"])).contains("it has ended"));
    assert!(stack.end().success());
    wait_until_gone(&children);
    assert!(!dir.path().exists());
}

#[test]
fn up_shows_rows_survives_a_kill_with_its_data_and_ends_in_order() {
    let dir = data_dir();
    let up = || Running::start(dir.path(), &["up", "--offline", "--free-ports", "--dev"]);

    let mut first = up();
    first.wait_for("newest id");
    let before = count(dir.path());
    assert!(before > 0);
    let newest = printed(&answer(dir.path(), &["topic", "user_data", "--tail", "2"]));
    assert_eq!(newest.matches("header  event.id = ").count(), 2, "{newest}");
    assert_eq!(newest.matches("value   {").count(), 2, "{newest}");
    let children = first.children();
    assert_eq!(children.len(), 6, "two servers and four services");
    first.signal("-KILL");
    wait_until_gone(&children);
    let message = refused(&answer(dir.path(), &["cql", "SELECT 1"]));
    assert!(message.contains("no stack runs"), "{message}");

    let mut second = up();
    second.wait_for("newest id");
    assert!(count(dir.path()) >= before);
    // What is killed is started again, and goes on.
    for (needle, said) in [("stream-processor", "stream-processor was killed"), ("kafka.Kafka", "answer again")] {
        let victim = second.child_whose_command_holds(needle);
        assert!(Command::new("kill").args(["-KILL", &victim.to_string()]).status().unwrap().success());
        second.wait_for(said);
    }
    let before = count(dir.path());
    wait_until("more rows after the kills", || count(dir.path()) > before);

    let children = second.children();
    second.signal("-INT");
    assert!(second.end().success());
    wait_until_gone(&children);
    assert!(second.heard.last().unwrap().contains("all has ended"), "{:#?}", second.heard);
}
