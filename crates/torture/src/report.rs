//! What a run has seen and found: a table for people, JSON for everything else.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::census::Check;
use crate::diary::{Done, seconds};
use crate::failure::TortureError;
use crate::sight::{Recovery, Sight};

/// How long several things took, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Times {
    /// How many there were.
    pub count: u64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// Records in their places, as far as they were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// On `user_data`, visible to `read_committed`.
    pub published: u64,
    /// Those of them that a replay put there.
    pub replayed: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Distinct dead letters.
    pub dead_letters: u64,
    /// Dead letters that were told once more.
    pub repeated_dead_letters: u64,
    /// Those of the distinct ones that the run itself put on the DLQ, of healthy records.
    pub planted_dead_letters: u64,
    /// On the parked topic.
    pub parked: u64,
    /// Settled by all processors together, as they showed it; what one settled in its last half second may be missing.
    pub settled: u64,
    /// Settled more than once: `settled` less `published`.
    pub redelivered: u64,
}

/// See the module's page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The seed; it repeats the schedule.
    pub seed: u64,
    /// How long faults were done, seconds.
    pub duration_seconds: f64,
    /// True when the run was ended from outside: most checks were not made then.
    pub interrupted: bool,
    /// How often each kind of fault was done.
    pub faults: BTreeMap<String, u64>,
    /// Each fault in order.
    pub events: Vec<Done>,
    /// Records in their places.
    pub records: Records,
    /// Records that a processor had read and not committed when it was killed: they are read again. Refreshed by the
    /// processor once a second.
    pub read_again_after_sigkill: Vec<u64>,
    /// The longest time in which nothing was settled while the load went on, seconds.
    pub longest_pause_seconds: f64,
    /// From the end of an outage to the next settled record, by kind.
    pub recoveries: BTreeMap<String, Times>,
    /// Peak of resident memory by service, MiB.
    pub memory_peak_mib: BTreeMap<String, u64>,
    /// The promises.
    pub checks: Vec<Check>,
}

impl Report {
    /// What was seen so far; records and checks are still to come.
    pub(crate) fn new(seed: u64, duration: Duration, events: Vec<Done>, kills: Vec<u64>, sight: &Sight) -> Self {
        let mut faults = BTreeMap::new();
        for done in &events {
            *faults.entry(done.kind.clone()).or_default() += 1;
        }
        Self {
            seed,
            duration_seconds: seconds(duration),
            interrupted: false,
            faults,
            events,
            records: Records { settled: sight.settled(), ..Records::default() },
            read_again_after_sigkill: kills,
            longest_pause_seconds: seconds(sight.longest_pause()),
            recoveries: by_kind(sight.recoveries()),
            memory_peak_mib: sight
                .peaks()
                .into_iter()
                .map(|(service, bytes)| (service.program().to_owned(), bytes >> 20))
                .collect(),
            checks: Vec::new(),
        }
    }

    /// Whether the run went to its end and every promise was kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.interrupted && !self.checks.is_empty() && self.checks.iter().all(|check| check.passed)
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TortureError> {
        let failed = TortureError::file(path);
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other);
        text.and_then(|text| std::fs::write(path, text + "\n")).map_err(failed)
    }

    /// The tables.
    #[must_use]
    pub fn table(&self) -> String {
        let mut parts = vec![self.figures()];
        if !self.faults.is_empty() {
            let recovery = |kind| self.recoveries.get(kind).map_or(String::new(), |times| format!("{:.1}", times.max));
            let took = |kind: &str| {
                let times = self.events.iter().filter(|done| done.kind == kind).map(|done| done.took_seconds);
                format!("{:.1}", times.fold(0.0, f64::max))
            };
            let faults = self.faults.iter();
            let faults = faults.map(|(kind, count)| vec![kind.clone(), count.to_string(), took(kind), recovery(kind)]);
            parts.push(table(&["fault", "times", "took, s, at most", "moves again after, s, at most"], faults));
        }
        if !self.checks.is_empty() {
            let word = |passed| if passed { "ok" } else { "FAILED" };
            let checks = self.checks.iter();
            let checks =
                checks.map(|check| vec![check.name.to_owned(), word(check.passed).to_owned(), check.detail.clone()]);
            parts.push(table(&["promise", "kept", ""], checks));
        }
        for check in self.checks.iter().filter(|check| !check.passed) {
            parts.push(format!("FAILED: {}", check.name));
            parts.extend(check.examples.iter().map(|example| format!("  {example}")));
        }
        parts.join("\n")
    }

    fn figures(&self) -> String {
        let records = &self.records;
        let kills = &self.read_again_after_sigkill;
        let mean = kills.iter().sum::<u64>().checked_div(kills.len() as u64).unwrap_or(0);
        let memory: Vec<_> = self.memory_peak_mib.iter().map(|(name, mib)| format!("{name} {mib}")).collect();
        let rows = [
            ("seed", self.seed.to_string()),
            ("faults, in s", format!("{} in {}", self.events.len(), self.duration_seconds)),
            ("records published", format!("{}, {} of them by replays", records.published, records.replayed)),
            ("rows", records.rows.to_string()),
            ("dead letters", format!("{}, {} told again", records.dead_letters, records.repeated_dead_letters)),
            ("parked", records.parked.to_string()),
            ("settled, redelivered", format!("{}, {}", records.settled, records.redelivered)),
            (
                "read again after SIGKILL",
                format!("at most {}, mean {mean}, of {} kills", kills.iter().max().unwrap_or(&0), kills.len()),
            ),
            ("longest pause, s", self.longest_pause_seconds.to_string()),
            ("peak of memory, MiB", memory.join(", ")),
        ];
        table(&["torture", ""], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
    }
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

fn by_kind(recoveries: &[Recovery]) -> BTreeMap<String, Times> {
    let mut kinds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for Recovery { kind, took } in recoveries {
        kinds.entry(kind.clone()).or_default().push(took.as_secs_f64());
    }
    let tenth = |time: f64| (time * 10.0).round() / 10.0;
    let times = |taken: Vec<f64>| Times {
        count: taken.len() as u64,
        max: tenth(taken.iter().copied().fold(0.0, f64::max)),
        mean: tenth(taken.iter().sum::<f64>() / taken.len().max(1) as f64),
    };
    kinds.into_iter().map(|(kind, taken)| (kind, times(taken))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let done = |kind: &str| Done {
            at_seconds: 1.0,
            kind: kind.to_owned(),
            fault: format!("{kind}, 1 s"),
            took_seconds: 1.2,
        };
        let events = vec![done("SIGKILL kafka"), done("replay"), done("SIGKILL kafka")];
        let mut report = Report::new(7, Duration::from_secs(60), events, vec![10, 30], &Sight::default());
        report.checks = vec![Check::of("all is well", "3 things".to_owned(), Vec::new())];
        report
    }

    #[test]
    fn a_run_passes_only_when_it_ended_and_every_check_did() {
        assert!(report().passed());
        assert!(!Report { interrupted: true, ..report() }.passed());
        assert!(!Report { checks: Vec::new(), ..report() }.passed());
        let mut failed = report();
        failed.checks.push(Check::of("more is well", "2 things".to_owned(), vec!["one is not".to_owned()]));
        assert!(!failed.passed());
        let text = failed.table();
        for part in ["FAILED", "1 wrong; 2 things", "one is not", "SIGKILL kafka", "at most 30, mean 20, of 2 kills"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn the_json_holds_what_a_machine_wants_to_compare() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["faults"]["SIGKILL kafka"], 2);
        assert_eq!(json["events"][1]["kind"], "replay");
        assert_eq!(json["checks"][0]["passed"], true);
        assert_eq!(json["records"]["redelivered"], 0);
    }

    #[test]
    fn recoveries_are_told_by_kind() {
        let took = |kind: &str, millis| Recovery { kind: kind.to_owned(), took: Duration::from_millis(millis) };
        let times = by_kind(&[took("a", 1_000), took("a", 3_000), took("b", 500)]);
        assert_eq!(times["a"], Times { count: 2, max: 3.0, mean: 2.0 });
        assert_eq!(times["b"].count, 1);
    }
}
