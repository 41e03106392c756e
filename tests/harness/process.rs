//! A service as its users run it: the binary, its environment, its signals, its exit status, its HTTP.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::stack::program;
use crate::wait::wait_for;

/// Far above what any drain takes.
const END: Duration = Duration::from_secs(90);

/// A running binary. Dropped, it is killed.
pub struct Process {
    child: local_stack::Process,
    name: &'static str,
    log: PathBuf,
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
    /// Starts `name` with these settings and nothing else of ours; what it prints goes to `log`.
    pub(crate) fn start(name: &'static str, arguments: &[&str], settings: &[(String, String)], log: &Path) -> Self {
        let output = File::create(log).expect("a log");
        let mut command = Self::command(name, arguments, settings);
        command.stdout(output.try_clone().expect("a second handle")).stderr(output);
        let child = local_stack::Process::spawn(command)
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): cargo build --workspace"));
        Self { child, name, log: log.to_owned() }
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

    /// Runs `name` for a reader that has enough of one line, as `head -1` has.
    pub fn run_until_a_line_is_read(name: &'static str, arguments: &[&str], settings: &[(String, String)]) -> Ended {
        let mut child = Self::command(name, arguments, settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): cargo build --workspace"));
        let mut stdout = String::new();
        let mut reader = BufReader::new(child.stdout.take().expect("standard output"));
        reader.read_line(&mut stdout).expect("text");
        drop(reader);
        let mut stderr = String::new();
        child.stderr.take().expect("standard error").read_to_string(&mut stderr).expect("text");
        Ended { code: child.wait().expect("its end").code(), stdout, stderr }
    }

    fn command(name: &str, arguments: &[&str], settings: &[(String, String)]) -> Command {
        let mut command = Command::new(program(name));
        command
            .args(arguments)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn signal(&self, signal: i32) {
        let sent = self.child.signal(signal).expect("a signal");
        assert!(sent, "{} ended before it was signalled: {}", self.name, self.log());
    }

    /// SIGTERM, not waiting for its end.
    pub fn ask_to_end(&self) {
        self.signal(libc::SIGTERM);
    }

    /// SIGTERM, and its end.
    pub async fn terminate(self) -> ExitStatus {
        self.ask_to_end();
        self.end().await
    }

    /// SIGKILL, and its end.
    pub async fn kill(self) -> ExitStatus {
        self.signal(libc::SIGKILL);
        self.end().await
    }

    /// Waits until it ends.
    pub async fn end(self) -> ExitStatus {
        let wait = move || {
            let status = self.child.wait_for(END);
            status.unwrap_or_else(|| panic!("{} does not end: {}", self.name, self.log()))
        };
        tokio::task::spawn_blocking(wait).await.expect("the wait")
    }

    /// True when it has ended, asked or not.
    pub fn is_finished(&self) -> bool {
        self.child.exit_status().is_some()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// Waits until it has logged `message`.
    pub async fn wait_for_log(&self, message: &str) {
        wait_for(&format!("{} logs {message:?}", self.name), async || {
            let log = self.log();
            if log.contains(message) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// The status and the body of `GET path`, or why there is none.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        self.ask(reqwest::Method::GET, path).await
    }

    /// The status and the body of `POST path`, or why there is none.
    pub async fn post(&self, path: &str) -> Result<(u16, String), String> {
        self.ask(reqwest::Method::POST, path).await
    }

    /// Where it answers, once it does: a port of this machine.
    pub fn address(&self) -> Result<SocketAddr, String> {
        let log = self.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let listens = lines.find(|line| line["message"] == "admin http listens");
        let told = listens.as_ref().and_then(|line| line["addr"].as_str()).ok_or("it does not listen yet")?;
        let address: SocketAddr = told.parse().map_err(|_| format!("no address: {told}"))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())))
    }

    async fn ask(&self, method: reqwest::Method, path: &str) -> Result<(u16, String), String> {
        let addr = self.address()?;
        let answer = reqwest::Client::new()
            .request(method, format!("http://{addr}{path}"))
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        answer.text().await.map(|text| (status, text)).map_err(|error| error.to_string())
    }

    /// The value of one series of `/metrics`, written as there; 0 where it does not exist.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = wait_for("metrics", async || self.get("/metrics").await).await.1;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Records that this processor has settled.
    pub async fn settled(&self) -> usize {
        let mut settled = 0.0;
        for outcome in ["written", "dead_lettered", "skipped"] {
            settled += self.metric(&format!("sluice_processor_records_total{{outcome=\"{outcome}\"}}")).await;
        }
        settled as usize
    }

    /// Waits until `/v1/progress` shows records that this processor has taken and not settled.
    pub async fn wait_for_in_flight(&self) {
        wait_for("records in flight", async || {
            let (_, body) = self.get("/v1/progress").await?;
            let progress: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
            let partitions = progress["partitions"].as_array().cloned().unwrap_or_default();
            let in_flight: u64 = partitions.iter().filter_map(|partition| partition["in_flight"].as_u64()).sum();
            if in_flight > 0 { Ok(()) } else { Err(body) }
        })
        .await;
    }

    /// Waits until it is not ready because of `what`, with a remedy that names `remedy`.
    pub async fn wait_until_not_ready(&self, what: &str, remedy: &str) {
        wait_for(&format!("{} is not ready because of {what}", self.name), async || {
            let (status, body) = self.get("/readyz").await?;
            if status == 503 && body.contains(what) && body.contains(remedy) { Ok(()) } else { Err(body) }
        })
        .await;
    }

    /// Waits until it is ready.
    pub async fn wait_until_ready(&self) {
        wait_for(&format!("{} is ready", self.name), async || {
            let (status, body) = self.get("/readyz").await?;
            if status == 200 { Ok(()) } else { Err(body) }
        })
        .await;
    }
}
