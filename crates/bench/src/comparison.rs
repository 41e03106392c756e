//! Runs side by side: each case's figures, and in pairs of one round its distance to the first case.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::statistics::Spread;

type Figure = fn(&Run) -> Option<f64>;

/// What is compared, by the names that results have for it.
const FIGURES: [(&str, Figure); 12] = [
    ("steady_rows_per_second", |run| run.steady_rows_per_second),
    ("records_per_second", |run| run.records_per_second),
    ("cpu_us_per_record", |run| Some(run.cpu_us_per_record.contender)),
    ("cassandra_us_per_record", |run| Some(run.cpu_us_per_record.cassandra)),
    ("kafka_us_per_record", |run| Some(run.cpu_us_per_record.kafka)),
    ("total_us_per_record", |run| Some(run.cpu_us_per_record.total())),
    ("steady_cpu_us_per_record", |run| run.steady_cpu_us_per_record.map(|cpu| cpu.contender)),
    ("steady_total_us_per_record", |run| run.steady_cpu_us_per_record.map(|cpu| cpu.total())),
    ("peak_resident_mib", |run| Some(run.peak_resident_mib)),
    ("first_row_seconds", |run| run.first_row_seconds),
    ("duplicates", |run| Some(run.duplicates as f64)),
    ("steal_percent", |run| Some(run.steal_percent)),
];

/// A figure of all runs of a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The figure itself.
    #[serde(flatten)]
    pub spread: Spread,
    /// The figure over that of the first case in the same round.
    pub over_first: Option<Spread>,
}

/// One case in all of its rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub case: String,
    /// Runs that count.
    pub runs: usize,
    /// Those of them that lost rows, or did not come to their end. Their figures are left out.
    pub failed: usize,
    /// The others' figures by name.
    pub figures: BTreeMap<Cow<'static, str>, Compared>,
    /// Columns that did not hold what the records say in some run.
    pub differing_columns: Vec<Cow<'static, str>>,
}

impl Line {
    /// The figure of that name.
    #[must_use]
    pub fn spread(&self, figure: &str) -> Option<Spread> {
        self.figures.get(figure).map(|compared| compared.spread)
    }

    /// The same over that of the first case.
    #[must_use]
    pub fn over_first(&self, figure: &str) -> Option<Spread> {
        self.figures.get(figure)?.over_first
    }
}

/// Compares; a warm-up counts for nothing.
#[must_use]
pub fn compare(runs: &[Run]) -> Vec<Line> {
    let counted: Vec<&Run> = runs.iter().filter(|run| !run.is_warm_up).collect();
    let mut names: Vec<&str> = Vec::new();
    for run in &counted {
        if !names.contains(&run.case.as_str()) {
            names.push(&run.case);
        }
    }
    let first = names.first().copied().unwrap_or_default();
    names.iter().map(|name| line(name, first, &counted)).collect()
}

fn line(name: &str, first: &str, runs: &[&Run]) -> Line {
    let of = |name: &str| runs.iter().copied().filter(|run| run.case == name).collect::<Vec<&Run>>();
    let (own, firsts) = (of(name), of(first));
    let compared = |figure: Figure| {
        let good = || own.iter().filter(|run| run.passed);
        let ratio = |run: &&Run| {
            let pair = firsts.iter().find(|first| first.round == run.round && first.passed)?;
            let over = figure(pair).filter(|over| *over > 0.0)?;
            Some(figure(run)? / over)
        };
        let spread = Spread::of(good().filter_map(|run| figure(run)))?;
        Some(Compared { spread, over_first: Spread::of(good().filter_map(ratio)) })
    };
    let mut differing_columns: Vec<Cow<'static, str>> =
        own.iter().flat_map(|run| run.census.differing_columns.iter().copied().map(Cow::Borrowed)).collect();
    differing_columns.sort_unstable();
    differing_columns.dedup();
    Line {
        case: name.to_owned(),
        runs: own.len(),
        failed: own.iter().filter(|run| !run.passed).count(),
        figures: FIGURES.iter().filter_map(|(name, figure)| Some((Cow::Borrowed(*name), compared(*figure)?))).collect(),
        differing_columns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(case: &str, round: u32, rate: f64) -> Run {
        Run {
            case: case.to_owned(),
            round,
            is_warm_up: round == 0,
            passed: true,
            steady_rows_per_second: Some(rate),
            ..Run::default()
        }
    }

    #[test]
    fn ratios_are_of_pairs_of_one_round_and_the_warm_up_does_not_count() {
        // The machine was twice as fast in the second round: the figures differ, the ratios do not.
        let runs = [run("a", 0, 1.0), run("a", 1, 100.0), run("b", 1, 50.0), run("b", 2, 100.0), run("a", 2, 200.0)];
        let lines = compare(&runs);
        assert_eq!(lines.iter().map(|line| (line.case.as_str(), line.runs)).collect::<Vec<_>>(), [("a", 2), ("b", 2)]);
        let steady = "steady_rows_per_second";
        assert_eq!(lines[1].spread(steady).unwrap().median, 75.0);
        let ratio = lines[1].over_first(steady).unwrap();
        assert_eq!((ratio.min, ratio.max), (0.5, 0.5));
    }

    #[test]
    fn a_failed_run_is_counted_and_its_figures_are_not() {
        let failed = Run { passed: false, ..run("b", 2, 9_999.0) };
        let lines = compare(&[run("a", 1, 100.0), run("b", 1, 50.0), failed]);
        assert_eq!(
            (lines[1].runs, lines[1].failed, lines[1].spread("steady_rows_per_second").unwrap().max),
            (2, 1, 50.0)
        );
    }
}
