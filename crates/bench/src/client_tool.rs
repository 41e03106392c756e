//! `rdkafka_performance`, the measuring tool that librdkafka brings along: what its own authors get out of it. It is compiled
//! from the sources that cargo unpacked for the Kafka client of the services, against the very library they are linked with.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use local_stack::Process;
use serde_json::Value;

use crate::failure::BenchError;
use crate::proc::{self, Stat};

/// The crates whose libraries the tool needs, as cargo names them.
const LIBRARIES: [&str; 3] = ["rdkafka", "ssl", "zstd"];

/// How long one run may take.
const LONGEST: Duration = Duration::from_secs(900);

/// The compiled tool.
#[derive(Debug, Clone)]
pub struct ClientTool {
    program: PathBuf,
}

/// What the tool says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToolRun {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// From the first record that came, or from the first that was sent, to the last; to the millisecond.
    pub(crate) took: Duration,
}

impl ClientTool {
    /// Compiles it into `folder`, with cargo's and the compiler's own words on standard error. Blocks.
    ///
    /// # Errors
    /// Cargo or the compiler does not do it.
    pub fn build(root: &Path, folder: &Path) -> Result<Self, BenchError> {
        let mut command = Command::new("cargo");
        // Whoever calls this was built so: nothing is compiled anew, and the client has the features that it has everywhere.
        command
            .current_dir(root)
            .args(["build", "--release", "--locked", "--package", "xtask"])
            .arg("--message-format=json-render-diagnostics")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut cargo = Process::spawn(command).map_err(BenchError::process("cargo"))?;
        let mut built = Built::default();
        if let Some(stdout) = cargo.take_stdout() {
            for line in BufReader::new(stdout).lines() {
                built.hear(&line.map_err(BenchError::process("cargo"))?);
            }
        }
        ended_well(&cargo, "cargo")?;
        let Some(sources) = built.client else {
            return Err(BenchError::Unreadable(
                "cargo named no folder of rdkafka-sys: does the workspace still build librdkafka from source?"
                    .to_owned(),
            ));
        };
        std::fs::create_dir_all(folder).map_err(BenchError::file(folder))?;
        let program = folder.join("rdkafka_performance");
        let mut command = Command::new("cc");
        command.args(["-O2", "-o"]).arg(&program);
        command.arg("-I").arg(sources.join("src")).arg("-I").arg(&sources);
        command.arg(sources.join("examples/rdkafka_performance.c")).arg(sources.join("src/librdkafka.a"));
        for path in built.search {
            command.arg("-L").arg(path);
        }
        command.args(["-lssl", "-lcrypto", "-lzstd", "-lz", "-lm", "-ldl", "-lpthread", "-lrt"]).stdin(Stdio::null());
        ended_well(&Process::spawn(command).map_err(BenchError::process("cc"))?, "cc")?;
        Ok(Self { program })
    }

    /// Sends `records` copies of `value` with `headers`, without a key: the tool has one key at most, and with it one partition.
    /// The properties say where, too.
    pub(crate) fn producer(
        &self,
        topic: &str,
        records: u64,
        value: &str,
        headers: &[(String, String)],
        properties: &[(String, String)],
    ) -> Command {
        let mut command = self.command("-P", topic, records);
        // Each record in memory of its own, as the records of any real producer are.
        command.arg("-D").arg("-s").arg(value.len().to_string()).arg("-m").arg(value);
        for (name, value) in headers {
            command.arg("-H").arg(format!("{name}={value}"));
        }
        for (name, value) in properties {
            command.arg("-X").arg(format!("{name}={value}"));
        }
        command
    }

    /// Reads `records` of `topic` from its beginning, all `partitions` at once, outside of any group.
    pub(crate) fn consumer(&self, brokers: &str, topic: &str, partitions: i32, records: u64) -> Command {
        let mut command = self.command("-C", topic, records);
        command.args(["-b", brokers, "-o", "beginning"]);
        for partition in 0..partitions {
            command.arg("-p").arg(partition.to_string());
        }
        command
    }

    fn command(&self, mode: &str, topic: &str, records: u64) -> Command {
        let mut command = Command::new(&self.program);
        command.args([mode, "-t", topic, "-c"]).arg(records.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

/// Waits for the tool and reads what it said. Blocks.
pub(crate) fn figures(tool: &mut Process) -> Result<ToolRun, BenchError> {
    let mut run = None;
    if let Some(stdout) = tool.take_stdout() {
        for line in BufReader::new(stdout).lines() {
            run = summary(&line.map_err(BenchError::process("rdkafka_performance"))?).or(run);
        }
    }
    ended_well(tool, "rdkafka_performance")?;
    run.ok_or_else(|| BenchError::Unreadable("rdkafka_performance ended without a summary".to_owned()))
}

/// CPU seconds of all processes that we have started and that have ended.
pub(crate) fn cpu_of_ended() -> f64 {
    Stat::of(std::process::id()).map_or(0.0, |stat| stat.children_ticks as f64 / proc::ticks_per_second())
}

/// A line such as `% 5 messages (9 bytes) consumed in 2ms: ...` or `% 5 messages produced (9 bytes), 5 delivered (...) in 2ms: ...`.
fn summary(line: &str) -> Option<ToolRun> {
    let words: Vec<&str> =
        line.strip_prefix("% ")?.split([' ', '(', ')', ',', ':']).filter(|word| !word.is_empty()).collect();
    let before = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    // What was delivered, not what was handed over.
    let records = before("delivered").or_else(|| words.contains(&"consumed").then(|| before("messages")).flatten())?;
    let millis = words.iter().skip_while(|word| **word != "in").nth(1)?.strip_suffix("ms")?.parse().ok()?;
    Some(ToolRun { records, bytes: before("bytes")?, took: Duration::from_millis(millis) })
}

/// What cargo says of the build scripts it ran ("External tools" in the Cargo book).
#[derive(Debug, Default)]
struct Built {
    client: Option<PathBuf>,
    search: Vec<PathBuf>,
}

impl Built {
    fn hear(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return };
        let texts =
            |name: &str| message.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let names = |text: &str| text.rsplit('=').next().is_some_and(|name| LIBRARIES.contains(&name));
        if !texts("linked_libs").any(names) {
            return;
        }
        self.search
            .extend(texts("linked_paths").map(|path| PathBuf::from(path.strip_prefix("native=").unwrap_or(path))));
        if texts("linked_libs").any(|library| library.ends_with("rdkafka")) {
            self.client = message.get("out_dir").and_then(Value::as_str).map(PathBuf::from);
        }
    }
}

fn ended_well(process: &Process, name: &str) -> Result<(), BenchError> {
    match process.wait_for(LONGEST) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(BenchError::Unreadable(format!("{name} ended with {status}: see what it said above"))),
        None => Err(BenchError::Unreadable(format!("{name} has not ended after {} s", LONGEST.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_a_consumer_is_read() {
        let line = "% 1000000 messages (420000123 bytes) consumed in 1234ms: 810372 msgs/s (340.35 MB/s)";
        let took = Duration::from_millis(1234);
        assert_eq!(summary(line), Some(ToolRun { records: 1_000_000, bytes: 420_000_123, took }));
    }

    #[test]
    fn the_summary_of_a_producer_counts_what_was_delivered() {
        let line = "% 500 messages produced (21000 bytes), 499 delivered (offset 83333, 1 failed) in 2345ms: 426439 msgs/s \
                    and 179.10 MB/s, 0 produce failures, 0 in queue, zstd compression";
        assert_eq!(summary(line), Some(ToolRun { records: 499, bytes: 21_000, took: Duration::from_millis(2345) }));
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "% Sending 500 messages of size 420 bytes",
            "% Consumer reached end of user_data [3] message queue at offset 83334",
            "% 12 backpressures for 500 produce calls: 2.400% backpressure rate",
            "% Average application fetch latency: 2us",
            "",
        ] {
            assert_eq!(summary(line), None, "{line}");
        }
    }

    #[test]
    fn the_folders_of_the_libraries_are_what_cargo_says() {
        let mut built = Built::default();
        built.hear(r#"{"reason":"build-script-executed","linked_libs":["static=rdkafka"],"linked_paths":["native=/a/src"],"out_dir":"/a"}"#);
        built.hear(r#"{"reason":"build-script-executed","linked_libs":["static=ssl","static=crypto"],"linked_paths":["native=/b"],"out_dir":"/x"}"#);
        built.hear(
            r#"{"reason":"build-script-executed","linked_libs":["other"],"linked_paths":["native=/c"],"out_dir":"/c"}"#,
        );
        built.hear("not JSON");
        assert_eq!(built.client, Some(PathBuf::from("/a")));
        assert_eq!(built.search, [PathBuf::from("/a/src"), PathBuf::from("/b")]);
    }
}
