//! A service as its users run it: the binary, its environment, its signals, its exit status.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::stack::target;

/// A running binary. Dropped, it is killed.
pub struct Process {
    child: Child,
    name: &'static str,
}

/// How a process ended and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// Exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Process {
    /// Starts `name` with these settings and nothing else of ours.
    pub fn start(name: &'static str, arguments: &[&str], settings: &[(String, String)]) -> Self {
        let child = Self::command(name, arguments, settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): cargo build --workspace"));
        Self { child, name }
    }

    /// Runs `name` to its end and keeps what it prints.
    pub fn run(name: &'static str, arguments: &[&str], settings: &[(String, String)]) -> Ended {
        let mut child = Self::command(name, arguments, settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): cargo build --workspace"));
        let mut stderr = child.stderr.take().expect("standard error");
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        let mut stdout = String::new();
        child.stdout.take().expect("standard output").read_to_string(&mut stdout).expect("text");
        let status = child.wait().expect("its end");
        let stderr = reading.join().expect("the reading thread").expect("text");
        Ended { code: status.code(), stdout, stderr }
    }

    fn command(name: &str, arguments: &[&str], settings: &[(String, String)]) -> Command {
        let mut command = Command::new(target().join(name));
        command
            .args(arguments)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: a plain system call on a process that we started and have not waited for, so the id is still its own.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "{} can be signalled", self.name);
    }

    /// SIGTERM, and its end.
    pub async fn terminate(self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.end().await
    }

    /// SIGKILL, and its end.
    pub async fn kill(self) -> ExitStatus {
        self.signal(libc::SIGKILL);
        self.end().await
    }

    /// Waits until it ends.
    pub async fn end(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.child.wait().expect("its end")).await.expect("the wait")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It runs, so it can be killed; a test that fails must leave nothing behind.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
