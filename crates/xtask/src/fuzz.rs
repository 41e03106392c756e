//! `cargo xtask fuzz`: inputs that break a promise of a decoder, looked for with libFuzzer.
//!
//! libFuzzer, because its library builds with the stable toolchain and the C++ compiler that the other crates need anyway; it
//! is guided by coverage that the compiler adds to this workspace's own crates (`tests/fuzz/instrumented-rustc`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use clap::Args;
use local_stack::Process;
use service::Exit;

use crate::failure::Failure;
use crate::programs::Programs;
use crate::{screen, table, workspace};

/// Those of `tests/fuzz`, each with a folder of the corpus.
const TARGETS: [&str; 5] = ["record", "dead_letter", "page", "settings", "text"];

/// Limits of one process of libFuzzer: bytes of an input, seconds for it, megabytes of the whole process.
const LIMITS: [&str; 3] = ["-max_len=16384", "-timeout=20", "-rss_limit_mb=1024"];

/// What the corpus takes of an input: that it reaches new code, not how often or with which numbers, and in few bytes.
const SMALL: [&str; 3] = ["-use_counters=0", "-use_cmp=0", "-max_len=1024"];

/// How many found inputs the corpus keeps of a target, beside those that a person named: a test decodes all of them each time.
const KEPT: usize = 35;

/// What a process may take beyond its time, to read the corpus and to end.
const BEYOND: Duration = Duration::from_secs(120);

/// Arguments of `fuzz`.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Kinds of input; all of them unless some are named.
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many targets run at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Choose anew what the corpus of the repository keeps of all that was found: of the fewest inputs that reach what those
    /// that a person named do not, the 35 smallest of each target.
    #[arg(long)]
    keep: bool,
}

/// Runs the targets and tells what each found.
pub(crate) async fn run(fuzz: Fuzz) -> Result<Exit, Failure> {
    let work = tokio::task::spawn_blocking(move || look(&fuzz));
    work.await.map_err(|error| Failure::System(error.into()))?
}

fn look(fuzz: &Fuzz) -> Result<Exit, Failure> {
    let programs =
        Programs::instrumented("fuzz", "libfuzzer", &workspace::root().join("tests/fuzz/instrumented-rustc"))?;
    let program = programs.path("fuzz")?;
    let asked = |name: &&'static str| fuzz.targets.is_empty() || fuzz.targets.iter().any(|target| target == name);
    let targets = TARGETS.into_iter().filter(asked).map(Target::at).collect::<Result<Vec<_>, _>>()?;
    let outcomes = in_turn(&targets, fuzz.jobs.into(), |target| target.fuzz(program, fuzz.seconds))?;
    let mut rows = Vec::new();
    let mut findings = String::new();
    for (target, outcome) in targets.iter().zip(outcomes) {
        if fuzz.keep && outcome.passed {
            target.keep(program)?;
        }
        if !outcome.passed {
            findings.push_str(&target.told(program, &outcome));
        }
        rows.push(outcome.row(target.name));
    }
    let columns = ["target", "executions", "per second", "edges", "inputs", "peak MB", "result"];
    screen::print(&format!("{}{findings}", table::plain(&columns, &rows)))?;
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Failed })
}

/// `work` for each of the targets, so many at once, the outcomes in the order of the targets.
fn in_turn<T: Send>(
    targets: &[Target],
    jobs: usize,
    work: impl Fn(&Target) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let mut outcomes = Vec::with_capacity(targets.len());
    for chunk in targets.chunks(jobs.max(1)) {
        std::thread::scope(|scope| {
            let threads: Vec<_> = chunk.iter().map(|target| scope.spawn(|| work(target))).collect();
            for thread in threads {
                let outcome = thread.join().map_err(|_| Failure::System(io::Error::other("a thread panicked")))?;
                outcomes.push(outcome?);
            }
            Ok::<(), Failure>(())
        })?;
    }
    Ok(outcomes)
}

/// One target and its places.
struct Target {
    name: &'static str,
    /// What the repository keeps.
    corpus: PathBuf,
    /// What earlier runs on this machine found beyond it.
    inputs: PathBuf,
    /// What broke a promise.
    findings: PathBuf,
    /// What libFuzzer says.
    log: PathBuf,
}

impl Target {
    fn at(name: &'static str) -> Result<Self, Failure> {
        let work = workspace::root().join("target/fuzz").join(name);
        let target = Self {
            name,
            corpus: workspace::root().join("tests/fuzz/corpus").join(name),
            inputs: work.join("inputs"),
            findings: work.join("findings"),
            log: work.join("log"),
        };
        for folder in [&target.inputs, &target.findings] {
            std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        }
        Ok(target)
    }

    /// Looks for new inputs for so many seconds.
    fn fuzz(&self, program: &Path, seconds: u64) -> Result<Outcome, Failure> {
        let mut command = Command::new(program);
        command.args(LIMITS).arg("-print_final_stats=1").arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-artifact_prefix={}/", self.findings.display())).args([&self.inputs, &self.corpus]);
        let status = self.driven(command, Duration::from_secs(seconds) + BEYOND)?;
        let said = std::fs::read(&self.log).map_err(Failure::file(&self.log))?;
        Ok(Outcome {
            passed: status.is_some_and(|status| status.success()),
            said: String::from_utf8_lossy(&said).into(),
        })
    }

    /// Chooses anew what the corpus has beside the inputs that a person named: the fewest inputs that reach what those do not,
    /// and of these at most [`KEPT`]. What was chosen before stays at hand among the inputs of this machine.
    fn keep(&self, program: &Path) -> Result<(), Failure> {
        for name in found(&self.corpus)?.into_keys() {
            let (from, to) = (self.corpus.join(&name), self.inputs.join(&name));
            std::fs::copy(&from, &to).map_err(Failure::file(&to))?;
            std::fs::remove_file(&from).map_err(Failure::file(&from))?;
        }
        let mut command = Command::new(program);
        command.args(LIMITS).args(SMALL).arg("-set_cover_merge=1").args([&self.corpus, &self.inputs]);
        match self.driven(command, BEYOND)? {
            Some(status) if status.success() => {}
            Some(_) | None => return Err(Failure::Merge { log: self.log.clone() }),
        }
        for name in beyond(found(&self.corpus)?, KEPT) {
            let path = self.corpus.join(name);
            std::fs::remove_file(&path).map_err(Failure::file(&path))?;
        }
        Ok(())
    }

    /// Runs libFuzzer to its end; `None` where it had to be killed.
    fn driven(&self, mut command: Command, most: Duration) -> Result<Option<ExitStatus>, Failure> {
        let log = File::create(&self.log).map_err(Failure::file(&self.log))?;
        let start = |source| Failure::Start { name: "libFuzzer", source };
        command.arg(format!("--target={}", self.name));
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(start)?).stderr(log);
        let process = Process::spawn(command).map_err(start)?;
        let status = process.wait_for(most);
        if status.is_none() {
            process.kill().map_err(Failure::System)?;
        }
        Ok(status)
    }

    /// What a person needs who wants to mend it.
    fn told(&self, program: &Path, outcome: &Outcome) -> String {
        let Some(reproducer) = outcome.after("Test unit written to ") else {
            return format!(
                "\n{}: libFuzzer failed without an input; its words are in {}",
                self.name,
                self.log.display()
            );
        };
        format!(
            "\n{name}: {reproducer} breaks a promise:\n{words}  its bytes: {input}\n  all that libFuzzer said: {log}\n  again: \
             {program} --target={name} {reproducer}\n  mend it, then keep the input in tests/fuzz/corpus/{name}/ under a name \
             that says what it is",
            name = self.name,
            words = outcome.panic(),
            input = shown(Path::new(reproducer)),
            log = self.log.display(),
            program = program.display(),
        )
    }
}

/// An input as a byte string of Rust has it, for who has only the screen.
fn shown(input: &Path) -> String {
    match std::fs::read(input) {
        Ok(bytes) => bytes.escape_ascii().to_string(),
        Err(error) => format!("unreadable, {error}"),
    }
}

/// The inputs of a folder that libFuzzer found, which it names by their hash, with their lengths; not those that a person named.
fn found(folder: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let failed = Failure::file(folder);
    let entries = || {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|name| is_hash(name)) {
                found.insert(name.to_owned(), entry.metadata()?.len());
            }
        }
        Ok(found)
    };
    entries().map_err(failed)
}

fn is_hash(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// All but the `most` smallest inputs: a small one says more about what it reaches.
fn beyond(inputs: BTreeMap<String, u64>, most: usize) -> Vec<String> {
    let mut inputs: Vec<_> = inputs.into_iter().map(|(name, length)| (length, name)).collect();
    inputs.sort();
    inputs.into_iter().skip(most).map(|(_, name)| name).collect()
}

/// How a run of libFuzzer ended.
struct Outcome {
    passed: bool,
    /// All its lines.
    said: String,
}

impl Outcome {
    fn row(&self, name: &str) -> Vec<Option<String>> {
        let told = |label: &str| Some(self.after(label).unwrap_or("?").to_owned());
        vec![
            Some(name.to_owned()),
            told("stat::number_of_executed_units:"),
            told("stat::average_exec_per_sec:"),
            told(" cov:"),
            told(" corp:"),
            told("stat::peak_rss_mb:"),
            Some(if self.passed { "passed" } else { "FAILED" }.to_owned()),
        ]
    }

    /// The lines with which the target panicked, the promise among them; none where it took too long or too much.
    fn panic(&self) -> String {
        let lines = self.said.lines().skip_while(|line| !line.contains(" panicked at "));
        let lines = lines.take_while(|line| !line.starts_with("note: ") && !line.starts_with("=="));
        lines.fold(String::new(), |told, line| told + "    " + line + "\n")
    }

    /// The word after the last `label`.
    fn after(&self, label: &str) -> Option<&str> {
        let (_, rest) = self.said.rsplit_once(label)?;
        rest.split_whitespace().next()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_libfuzzer_says_becomes_a_row() {
        let said = "#2\tINITED cov: 12 ft: 13 corp: 1/1b\n#64\tDONE   cov: 1120 ft: 3001 corp: 57/4096b lim: 1 exec/s: 9 rss: 40Mb\n\
                    stat::number_of_executed_units: 64\nstat::average_exec_per_sec:     9\nstat::peak_rss_mb:              41\n";
        let outcome = Outcome { passed: true, said: said.to_owned() };
        let row: Vec<_> = outcome.row("text").into_iter().flatten().collect();
        assert_eq!(row, ["text", "64", "9", "1120", "57/4096b", "41", "passed"]);
    }

    #[test]
    fn a_finding_names_the_input_and_how_to_run_it_again() {
        let target = Target {
            name: "text",
            corpus: PathBuf::new(),
            inputs: PathBuf::new(),
            findings: PathBuf::new(),
            log: "/t/log".into(),
        };
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("crash-1");
        std::fs::write(&input, b"A: \xff\n").unwrap();
        let said = format!(
            "#2\tINITED cov: 12\n\nthread '<unnamed>' panicked at tests/fuzz/src/text.rs:9:5:\na promise\nnote: run with\n\
             ==7== ERROR: libFuzzer: deadly signal\nartifact_prefix='/t/'; Test unit written to {0}\nBase64: Cg==\n",
            input.display()
        );
        let told = target.told(Path::new("/t/fuzz"), &Outcome { passed: false, said });
        assert!(told.contains(&format!("again: /t/fuzz --target=text {}\n", input.display())), "{told}");
        assert!(told.contains("text.rs:9:5:\n    a promise\n  its bytes: A: \\xff\\n\n"), "{told}");
    }

    #[test]
    fn what_the_corpus_keeps_is_bounded_and_never_costs_an_input_that_a_person_named() {
        let corpus = tempfile::tempdir().unwrap();
        let hash = |digit: char| digit.to_string().repeat(40);
        for (name, length) in [("a-leap-second".to_owned(), 9_000), (hash('a'), 30), (hash('b'), 10), (hash('c'), 20)] {
            std::fs::write(corpus.path().join(name), vec![0; length]).unwrap();
        }
        let found = found(corpus.path()).unwrap();
        assert_eq!(found, BTreeMap::from([(hash('a'), 30), (hash('b'), 10), (hash('c'), 20)]));
        assert_eq!(beyond(found.clone(), 3), [""; 0]);
        assert_eq!(beyond(found, 1), [hash('c'), hash('a')]);
    }

    #[test]
    fn the_targets_are_those_that_have_a_corpus() {
        let folders = std::fs::read_dir(workspace::root().join("tests/fuzz/corpus")).unwrap();
        let folders: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(folders, TARGETS.map(str::to_owned).into());
    }
}
