//! `cargo xtask bench counts`: instructions of the pure parts, compared with those that were accepted.
//!
//! A count is the difference between a long and a short run under callgrind, for each record of the difference: what the
//! process does before its first round falls out. Counts depend on the compiler, which is pinned, and hardly on the machine:
//! callgrind hides all beyond AVX2, and whether the C library has that changes them by less than a hundredth.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use local_stack::Process;
use service::Exit;

use crate::failure::Failure;
use crate::programs::Programs;
use crate::{screen, table, workspace};

/// The program that is counted.
const PROGRAM: &str = "counts";
/// Rounds of the short run and of the long one.
const ROUNDS: (u64, u64) = (10, 110);
/// A count may grow by so much, percent.
const TOLERANCE: u64 = 5;

/// Arguments of `bench counts`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write what is counted now as the new baseline.
    #[arg(long)]
    accept: bool,
}

/// Instructions for each record, by case.
type Counts = BTreeMap<String, u64>;

/// Counts and compares. Blocks.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let built = Programs::build(&[PROGRAM], true)?;
    let program = built.path(PROGRAM)?;
    let counts = counted(program)?;
    let path = baseline();
    if arguments.accept {
        let text = serde_json::to_string_pretty(&counts).map_err(|error| Failure::System(error.into()))?;
        std::fs::write(&path, text + "\n").map_err(Failure::file(&path))?;
    }
    let text = std::fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let accepted: Counts = serde_json::from_str(&text).map_err(std::io::Error::from).map_err(Failure::file(&path))?;
    let lines: Vec<_> = compared(&counts, &accepted);
    let cells: Vec<_> = lines.iter().map(Line::cells).collect();
    let shown = table::plain(&["case", "instructions a record", "accepted", "change", ""], &cells);
    let all_fit = lines.iter().all(|line| line.verdict.fits());
    screen::print(&if all_fit {
        shown.to_string()
    } else {
        format!("{shown}\nmend what grew, or take it as it is with `cargo xtask bench counts --accept`")
    })?;
    Ok(if all_fit { Exit::Done } else { Exit::Failed })
}

fn baseline() -> PathBuf {
    workspace::root().join("bench").join("counts.json")
}

fn counted(program: &Path) -> Result<Counts, Failure> {
    let mut list = Command::new(program);
    list.stdout(Stdio::piped());
    let cases = output(list).map_err(Failure::System)?;
    let cases = cases.lines().filter_map(|line| line.split_once(' '));
    let mut counts = Counts::new();
    for (case, records) in cases {
        let records: u64 = records.parse().map_err(|_| Failure::NoCount { case: case.to_owned() })?;
        let (short, long) = (instructions(program, case, ROUNDS.0)?, instructions(program, case, ROUNDS.1)?);
        let count = per_record(short, long, records).ok_or_else(|| Failure::NoCount { case: case.to_owned() })?;
        counts.insert(case.to_owned(), count);
    }
    Ok(counts)
}

fn per_record(short: u64, long: u64, records: u64) -> Option<u64> {
    long.checked_sub(short)?.checked_div(records * (ROUNDS.1 - ROUNDS.0))
}

/// Instructions of a whole run.
fn instructions(program: &Path, case: &str, rounds: u64) -> Result<u64, Failure> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-fd=1"])
        .arg(program)
        .args([case, &rounds.to_string()])
        .stdout(Stdio::piped());
    let said = output(command).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound { Failure::NoValgrind } else { Failure::System(error) }
    })?;
    collected(&said).ok_or_else(|| Failure::NoCount { case: case.to_owned() })
}

/// The number in callgrind's line "==1234== Collected : 17575574".
fn collected(said: &str) -> Option<u64> {
    let number = said.lines().find_map(|line| line.split_once("Collected :"))?.1;
    number.trim().parse().ok()
}

/// What a program that ends well prints.
fn output(mut command: Command) -> std::io::Result<String> {
    let mut process = Process::spawn({
        command.stdin(Stdio::null());
        command
    })?;
    let mut text = String::new();
    if let Some(stdout) = process.take_stdout() {
        BufReader::new(stdout).read_to_string(&mut text)?;
    }
    loop {
        match process.wait_for(Duration::from_secs(60)) {
            Some(status) if status.success() => return Ok(text),
            Some(status) => return Err(std::io::Error::other(format!("{status}: {text}"))),
            None => {}
        }
    }
}

/// What is to be said of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Grown,
    Shrunk,
    New,
    Gone,
}

impl Verdict {
    fn fits(self) -> bool {
        match self {
            Self::Same | Self::Shrunk => true,
            Self::Grown | Self::New | Self::Gone => false,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Grown => "more than 5 % above",
            Self::Shrunk => "worth accepting",
            Self::New => "not in the baseline",
            Self::Gone => "not counted any more",
        }
    }
}

struct Line {
    case: String,
    count: Option<u64>,
    accepted: Option<u64>,
    percent: Option<f64>,
    verdict: Verdict,
}

impl Line {
    fn cells(&self) -> Vec<Option<String>> {
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        let percent = self.percent.map_or_else(String::new, |percent| format!("{percent:+.1} %"));
        let words = self.verdict.words().to_owned();
        [self.case.clone(), number(self.count), number(self.accepted), percent, words].map(Some).to_vec()
    }
}

fn compared(counts: &Counts, accepted: &Counts) -> Vec<Line> {
    let mut cases: Vec<&String> = counts.keys().chain(accepted.keys()).collect();
    cases.sort_unstable();
    cases.dedup();
    let line = |case: &String| {
        let (count, accepted) = (counts.get(case).copied(), accepted.get(case).copied());
        let percent = count.zip(accepted).map(|(count, accepted)| (count as f64 / accepted as f64 - 1.0) * 100.0);
        let verdict = match (count, accepted) {
            (None, _) => Verdict::Gone,
            (Some(_), None) => Verdict::New,
            (Some(count), Some(accepted)) if count * 100 > accepted * (100 + TOLERANCE) => Verdict::Grown,
            (Some(count), Some(accepted)) if count * 100 < accepted * (100 - TOLERANCE) => Verdict::Shrunk,
            (Some(_), Some(_)) => Verdict::Same,
        };
        Line { case: case.clone(), count, accepted, percent, verdict }
    };
    cases.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(case, count)| ((*case).to_owned(), *count)).collect()
    }

    #[test]
    fn a_count_that_grew_by_more_than_a_twentieth_does_not_fit() {
        let accepted = counts(&[("gone", 1), ("grown", 1_000), ("same", 1_000), ("shrunk", 1_000)]);
        let now = counts(&[("grown", 1_051), ("new", 7), ("same", 1_050), ("shrunk", 900)]);
        let lines = compared(&now, &accepted);
        let verdicts: Vec<_> = lines.iter().map(|line| (line.case.as_str(), line.verdict)).collect();
        let (gone, grown, new) = (Verdict::Gone, Verdict::Grown, Verdict::New);
        let expected =
            [("gone", gone), ("grown", grown), ("new", new), ("same", Verdict::Same), ("shrunk", Verdict::Shrunk)];
        assert_eq!(verdicts, expected);
        let fitting: Vec<_> = lines.iter().filter(|line| line.verdict.fits()).map(|line| &line.case).collect();
        assert_eq!(fitting, ["same", "shrunk"]);
    }

    #[test]
    fn a_count_is_that_of_the_rounds_between() {
        let said = "==7== Events    : Ir\n==7== Collected : 17575574\n==7==\n";
        assert_eq!(collected(said), Some(17_575_574));
        assert_eq!(collected("==7== Collected : \n"), None);
        assert_eq!(per_record(2_897_144, 17_575_574, 10), Some(14_678));
        assert_eq!(per_record(2, 1, 10), None);
    }

    #[test]
    fn the_baseline_can_be_read() {
        let accepted: Counts = serde_json::from_str(&std::fs::read_to_string(baseline()).unwrap()).unwrap();
        assert!(accepted.values().all(|count| *count > 0), "{accepted:?}");
    }
}
