//! What the README tells of the benchmarks: tables and plots, made of the files of results alone.
//!
//! - [`source`] reads the files: of each command the newest that was done to its end.
//! - [`drain`], [`latency`], [`growth`], [`ceilings`], [`replay`], [`produce`], [`idle`], [`build`] make a [`section`] of theirs, and
//!   [`targets`] measures all of them by what was promised.
//! - [`markdown`] is how a table looks, [`chart`] how a plot does.
//!
//! One rule: the same files give the same bytes, so that it can be checked that nobody typed a figure.

mod build;
mod ceilings;
mod chart;
mod drain;
mod growth;
mod idle;
mod latency;
mod markdown;
mod produce;
mod replay;
mod section;
mod source;
mod targets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::BenchError;
use crate::report::section::Section;
use crate::report::source::Sources;

/// A section of the page, made of the files.
type Make = fn(&Sources) -> Result<Section, BenchError>;

/// The places of the page and what belongs there.
const SECTIONS: [(&str, Make); 10] = [
    ("targets", targets::section),
    ("drain", drain::section),
    ("latency", latency::section),
    ("growth", growth::growth),
    ("scale", growth::scale),
    ("ceilings", ceilings::section),
    ("produce", produce::section),
    ("replay", replay::section),
    ("idle", idle::section),
    ("build", build::section),
];

/// See the module's page.
#[derive(Debug, Clone)]
pub struct Report {
    folder: PathBuf,
    /// The names of the files that it is made of.
    pub taken: Vec<String>,
    /// The page with its tables, and the plots, by where they belong.
    files: BTreeMap<PathBuf, String>,
}

impl Report {
    /// Of the results in `folder`, for the page at `page`.
    ///
    /// # Errors
    /// A file cannot be read, or the page has no place for a table.
    pub fn of(folder: &Path, page: &Path) -> Result<Self, BenchError> {
        let sources = Sources::read(folder)?;
        let mut text = std::fs::read_to_string(page).map_err(BenchError::file(page))?;
        let mut files = BTreeMap::new();
        for (name, make) in SECTIONS {
            let section = make(&sources)?;
            text = markdown::placed(&text, name, &section.text)?;
            files.extend(section.plots.into_iter().map(|(name, svg)| (folder.join(name), svg)));
        }
        files.insert(page.to_owned(), text);
        let taken = sources.taken();
        Ok(Self { folder: folder.to_owned(), taken, files })
    }

    /// Writes the page and the plots; plots that belong to no file of results any more go.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self) -> Result<(), BenchError> {
        for (path, text) in &self.files {
            std::fs::write(path, text).map_err(BenchError::file(path))?;
        }
        for path in self.left_over()? {
            std::fs::remove_file(&path).map_err(BenchError::file(&path))?;
        }
        Ok(())
    }

    /// Files that are not as they would be written.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn differing(&self) -> Result<Vec<PathBuf>, BenchError> {
        let differs = |(path, text): &(&PathBuf, &String)| std::fs::read_to_string(path).ok().as_ref() != Some(*text);
        let changed = self.files.iter().filter(differs).map(|(path, _)| path.clone());
        Ok(changed.chain(self.left_over()?).collect())
    }

    /// Plots in the folder that are none of these.
    fn left_over(&self) -> Result<Vec<PathBuf>, BenchError> {
        let plots = source::files(&self.folder, "svg")?;
        Ok(plots.into_iter().filter(|path| !self.files.contains_key(path)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::comparison::compare;
    use crate::run::{CpuPerRecord, Run};

    const PAGE: &str = "README.md";

    fn head(command: &str, settings: &Value, found: Value) -> Value {
        let mut whole = json!({
            "command": command, "is_complete": true, "began": "2026-01-02T03:04:05Z", "settings": settings,
            "machine": { "processor": "p", "cores": 2, "memory_mib": 4096, "kernel": "6", "rustc": "rustc 1", "java": "17" },
            "revision": { "commit": "0123456789abcdef", "is_dirty": false },
        });
        whole.as_object_mut().unwrap().extend(found.as_object().unwrap().clone());
        whole
    }

    fn run(case: &str, round: u32, rate: f64, cpu: f64) -> Run {
        Run {
            case: case.to_owned(),
            round,
            passed: true,
            records_per_second: Some(rate * 0.9),
            steady_rows_per_second: Some(rate),
            first_row_seconds: Some(12.0 / rate),
            peak_resident_mib: 10.0 * cpu,
            cpu_us_per_record: CpuPerRecord { contender: cpu, kafka: 1.0, cassandra: 20.0 },
            steady_cpu_us_per_record: Some(CpuPerRecord { contender: cpu, kafka: 1.0, cassandra: 20.0 }),
            ..Run::default()
        }
    }

    fn contest(command: &str, runs: &[Run]) -> Value {
        let lines = compare(runs);
        let case = |name: &str| json!({ "name": name, "contender": { "versions": "1 | 2", "settings": "<none>" } });
        let cases: Vec<Value> = lines.iter().map(|line| case(&line.case)).collect();
        let settings = json!({ "records": 1_000_000, "partitions": 12, "rounds": 5, "most": 4_000_000 });
        head(command, &settings, json!({ "cases": cases, "comparison": lines, "runs": runs }))
    }

    fn drain(ours: f64) -> Value {
        let rounds = 1..=5;
        let pair = |round| {
            [
                run("sluice", round, ours, 2.5),
                run("spark/tuned", round, 10_000.0, 200.0),
                run("bento/tuned", round, 15_000.0, 50.0),
            ]
        };
        contest("drain", &rounds.flat_map(pair).collect::<Vec<_>>())
    }

    /// A folder with a page and these results.
    fn folder(results: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let places: String =
            SECTIONS.iter().map(|(name, _)| format!("<!-- bench:{name} -->\n<!-- /bench -->\n")).collect();
        std::fs::write(folder.path().join(PAGE), places).unwrap();
        for (name, value) in results {
            std::fs::write(folder.path().join(name), value.to_string()).unwrap();
        }
        folder
    }

    fn of(folder: &tempfile::TempDir) -> Report {
        Report::of(folder.path(), &folder.path().join(PAGE)).unwrap()
    }

    fn page(folder: &tempfile::TempDir) -> String {
        of(folder).write().unwrap();
        std::fs::read_to_string(folder.path().join(PAGE)).unwrap()
    }

    /// The line of the table of targets that begins so.
    fn target(page: &str, what: &str) -> String {
        page.lines().find(|line| line.starts_with(&format!("| {what} |"))).unwrap().to_owned()
    }

    #[test]
    fn a_page_is_what_the_files_give_until_somebody_edits_it() {
        let folder = folder(&[("drain-a.json", drain(40_000.0))]);
        assert!(of(&folder).differing().unwrap().len() > 1);
        let written = page(&folder);
        assert_eq!(of(&folder).differing().unwrap(), Vec::<PathBuf>::new());
        assert_eq!(page(&folder), written);

        let path = folder.path().join(PAGE);
        std::fs::write(&path, written.replace("40000", "50000")).unwrap();
        assert_eq!(of(&folder).differing().unwrap(), [path]);
        of(&folder).write().unwrap();

        let plot = folder.path().join("drain-rate.svg");
        std::fs::write(&plot, "<svg/>").unwrap();
        let stranger = folder.path().join("latency-7.svg");
        std::fs::write(&stranger, "<svg/>").unwrap();
        assert_eq!(of(&folder).differing().unwrap(), [plot, stranger.clone()]);
        of(&folder).write().unwrap();
        assert!(of(&folder).differing().unwrap().is_empty() && !stranger.exists());
    }

    #[test]
    fn targets_are_judged_against_the_peer_that_does_best() {
        let fast = page(&folder(&[("drain-a.json", drain(40_000.0))]));
        assert_eq!(
            target(&fast, "rows a second, steady, over Spark's"),
            "| rows a second, steady, over Spark's | at least 4 | 4.00 (4.00..4.00), spark/tuned | yes |"
        );
        assert!(
            target(&fast, "rows a second, steady, over the best peer's")
                .ends_with("| 2.67 (2.67..2.67), bento/tuned | yes |")
        );
        assert!(target(&fast, "CPU time of a record over Spark's").contains("| at most 1/50 | 1/80.0"));
        assert!(
            target(&fast, "CPU time of a record, servers included, over the least of all peers").ends_with("yes |")
        );
        assert!(target(&fast, "peak memory").ends_with("| 25.0 (25.0..25.0) | yes |"));
        assert!(target(&fast, "p50 at 1000 records/s").ends_with("| - | not measured |"));
        assert!(fast.contains("1 \\| 2") && fast.contains("&lt;none>"));
        let slow = page(&folder(&[("drain-a.json", drain(20_000.0))]));
        assert!(target(&slow, "rows a second, steady, over the best peer's").ends_with("| no |"));
        let dear = contest("drain", &[run("sluice", 1, 10_000.0, 100.0), run("bento", 1, 10_000.0, 50.0)]);
        let dear = page(&folder(&[("drain-a.json", dear)]));
        assert!(
            target(&dear, "CPU time of a record over Redpanda Connect's or its fork's")
                .ends_with("| 2.00, bento | no |")
        );
    }

    #[test]
    fn a_run_of_ours_that_lost_rows_keeps_every_promise_from_being_met() {
        let mut runs =
            vec![run("sluice", 1, 40_000.0, 2.5), run("spark", 1, 10_000.0, 200.0), run("sluice", 2, 40_000.0, 2.5)];
        runs[2].passed = false;
        runs[2].census.missing = 3;
        let text = page(&folder(&[("drain-a.json", contest("drain", &runs))]));
        assert!(target(&text, "CPU time of a record").ends_with("and 1 of our runs failed | no |"));
        assert!(text.contains("- sluice, round 2: done, 3 missing, 0 unexpected; its figures are left out."));
    }

    #[test]
    fn who_did_not_take_part_is_told_with_the_reason() {
        let mut drain = drain(40_000.0);
        drain["settings"]["left_out"] = json!([{ "peer": "flume", "why": "set FLUME_BIN" }]);
        assert!(page(&folder(&[("drain-a.json", drain)])).contains("\n- without flume: set FLUME_BIN\n"));
    }

    #[test]
    fn flat_is_judged_when_both_ends_were_measured() {
        let name = "CPU time of a record while steady, 10 000 to 4 000 000 records";
        let backlog =
            |most: &str, cpu| contest("growth-backlog", &[run("10000 records", 1, 1e4, 2.0), run(most, 1, 1e4, cpu)]);
        let judged = |most, cpu| target(&page(&folder(&[("b.json", backlog(most, cpu))])), name);
        assert!(
            judged("4000000 records", 2.08)
                .contains("| 4.0 %: 2.00 us (10000 records) to 2.08 us (4000000 records) | yes |")
        );
        assert!(judged("4000000 records", 2.2).ends_with("| no |"));
        assert!(judged("1000000 records", 2.0).ends_with("| not measured |"));
    }

    #[test]
    fn every_other_command_has_its_table() {
        let summary =
            json!({ "samples": 9, "p50_ms": 2.0, "p90_ms": 3.0, "p99_ms": 30.0, "p999_ms": 40.0, "max_ms": 50.0 });
        let latency = |contender: &str, rate: u64| {
            json!({
                "contender": contender, "rate": rate, "warm_up_seconds": 1, "seconds": 2, "first_row_seconds": 0.1, "records": 9,
                "sent_late": null, "visible": summary, "never_seen": 0, "acknowledged": null, "contender_cores": 0.1,
                "kafka_cores": 0.1, "cassandra_cores": 0.1, "peak_resident_bytes": 1, "steal_percent": 0.0, "idle_percent": 1.0,
            })
        };
        let found = json!({ "runs": [latency("sluice", 1000), latency("spark", 1000)], "failed": [{ "contender": "bento", "rate": 1000, "why": "no" }] });
        let publishing = json!({ "records": 9, "seconds": 1.0, "records_per_second": 9.0, "client_cpu_us": 1.0, "kafka_cpu_us": 1.0, "steal_percent": 0.0, "idle_percent": 0.0 });
        let pair = json!({ "tool": publishing, "ours": publishing, "rate_ratio": 0.95, "cpu_ratio": 1.0 });
        let push = json!({ "rows_per_request": 50, "in_flight": 4, "rows": 9, "seconds": 1.0, "rows_per_second": 5e4, "client_cpu_us": 1.0, "cassandra_cpu_us": 25.0, "idle_percent": 0.0, "steal_percent": 0.0, "at_rest": true });
        let both = json!({ "records": 9, "seconds": 1.0, "records_per_second": 36_000.0, "read_seconds": 1.0, "written_seconds": 1.0, "clients_cpu_us": 1.0, "kafka_cpu_us": 1.0, "cassandra_cpu_us": 1.0, "steal_percent": 0.0, "idle_percent": 0.0 });
        let idle = |rate: u64, percent: f64| json!({ "service": "producer", "records_per_second": rate, "seconds": 3600.0, "core_percent": percent, "resident_bytes": 10_485_760, "growth_bytes_per_hour": 20_971.52, "wake_ups_per_second": 3.0 });
        let none = json!({});
        let text = page(&folder(&[
            ("drain.json", drain(40_000.0)),
            ("latency.json", head("latency", &none, found)),
            (
                "produce.json",
                head(
                    "produce",
                    &none,
                    json!({ "pairs": [pair], "producer": [], "api": [{ "users": 1, "users_per_second": 7.0 }] }),
                ),
            ),
            (
                "ceilings.json",
                head(
                    "ceilings",
                    &none,
                    json!({ "finals": [push], "best": { "rows_per_request": 50, "in_flight": 4 }, "consumer": [], "both": [both], "drains": [run("sluice", 1, 38_000.0, 2.5)] }),
                ),
            ),
            ("idle.json", head("idle", &none, json!({ "services": [idle(0, 0.3), idle(10, 0.9)] }))),
            (
                "replay.json",
                head(
                    "replay",
                    &none,
                    json!({ "runs": [{ "round": 1, "passed": true, "letters_per_second": 1612.0, "replayer_us": 1.0, "processor_us": 1.0, "kafka_us": 1.0, "cassandra_us": 1.0, "peak_resident_mib": 50.0 }] }),
                ),
            ),
        ]));
        assert!(target(&text, "p50 at 1000 records/s").ends_with("| 2.0 ms | yes |"));
        assert!(target(&text, "p99 at 1000 records/s").ends_with("| 30.0 ms | no |"));
        assert!(target(&text, "p50 at 1000 records/s over Spark's").ends_with("| 1/1.0, spark | no |"));
        assert!(target(&text, "records a second published over librdkafka's own tool's").ends_with("| 0.95 | yes |"));
        assert!(
            target(&text, "records a second over the ceiling of both servers, each from start to end")
                .contains("| 0.95 |")
        );
        assert!(target(&text, "CPU of each service at rest").ends_with("| 0.30 %, producer | yes |"));
        assert!(
            target(&text, "growth of each service's memory, watched for an hour")
                .ends_with("| +0.20 % (+0.02 MiB), producer | yes |")
        );
        for line in [
            "| 1612 |",
            "50 a request, 4 under way, the best | 50000",
            "a drain by ours | 34200",
            "- bento at 1000 records/s: no",
            "latency-1000.svg",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn without_files_every_section_names_its_command() {
        let text = page(&folder(&[]));
        for command in [
            "drain --contender all",
            "latency --contender all",
            "growth --what payload",
            "scale",
            "ceilings",
            "produce",
            "replay",
            "idle --minutes 60",
        ] {
            assert!(text.contains(&format!("`cargo xtask bench {command}` makes one")), "{command}");
        }
    }
}
