//! Contenders side by side on one topic.

use serde::Deserialize;

use crate::comparison::Line;
use crate::curve::Curve;
use crate::failure::BenchError;
use crate::report::chart::{Bar, Bars, Lines};
use crate::report::markdown::{escaped, table, words};
use crate::report::section::Section;
use crate::report::source::{Source, Sources};
use crate::run::CpuPerRecord;
use crate::statistics::Spread;
use crate::table::{median, ranged};

/// Parts of a record's CPU time.
const PARTS: [&str; 3] = ["contender", "Kafka", "Cassandra"];
/// The host took more than that, percent: the figures are disturbed.
pub(crate) const STEAL: f64 = 2.0;

/// What a contest found out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Contest {
    pub(crate) cases: Vec<Case>,
    pub(crate) comparison: Vec<Line>,
    pub(crate) runs: Vec<Drained>,
}

/// One of its cases.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    contender: Settings,
}

#[derive(Debug, Clone, Deserialize)]
struct Settings {
    versions: String,
    settings: String,
}

/// One of its runs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Drained {
    pub(crate) case: String,
    pub(crate) round: u32,
    pub(crate) is_warm_up: bool,
    pub(crate) passed: bool,
    end: String,
    pub(crate) first_row_seconds: Option<f64>,
    pub(crate) records_per_second: Option<f64>,
    pub(crate) steady_rows_per_second: Option<f64>,
    pub(crate) cpu_us_per_record: CpuPerRecord,
    pub(crate) peak_resident_mib: f64,
    steal_percent: f64,
    census: Census,
    curve: Curve,
}

#[derive(Debug, Clone, Deserialize)]
struct Census {
    missing: u64,
    unexpected: u64,
}

impl Contest {
    /// The figures of a case.
    pub(crate) fn line(&self, case: &str) -> Option<&Line> {
        self.comparison.iter().find(|line| line.case == case)
    }

    /// What went wrong and what disturbed it, a line each.
    pub(crate) fn remarks(&self) -> String {
        let mut remarks = String::new();
        let mut remark = |text: String| remarks.push_str(&format!("- {}\n", escaped(&text)));
        for run in self.runs.iter().filter(|run| !run.is_warm_up) {
            let Drained { case, round, end, census: Census { missing, unexpected }, .. } = run;
            if !run.passed {
                remark(format!(
                    "{case}, round {round}: {end}, {missing} missing, {unexpected} unexpected; its figures are left out."
                ));
            }
            if run.steal_percent > STEAL {
                remark(format!(
                    "{case}, round {round}: the host took {:.1} % of the machine's time.",
                    run.steal_percent
                ));
            }
        }
        for line in self.comparison.iter().filter(|line| !line.differing_columns.is_empty()) {
            remark(format!("{}: {} not always as the record says.", line.case, line.differing_columns.join(", ")));
        }
        remarks
    }

    /// The run of a case in the middle, by its steady rate.
    fn typical(&self, case: &str) -> Option<&Drained> {
        let mut runs: Vec<&Drained> =
            self.runs.iter().filter(|run| run.case == case && run.passed && !run.is_warm_up).collect();
        runs.sort_by(|one, other| {
            let rate = |run: &Drained| run.steady_rows_per_second.unwrap_or_default();
            rate(one).total_cmp(&rate(other))
        });
        runs.get(runs.len().saturating_sub(1) / 2).copied()
    }
}

/// The usual records, and beside them the other kinds.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    match sources.get("drain") {
        Some(source) => usual(&mut section, source)?,
        None => section.unmeasured("drain --contender all"),
    }
    for (subject, what, option, usual) in [
        ("drain-hot", "One record in a hundred has one of a hundred keys:", " --hot", "--contender all --hot"),
        ("drain-full", "Whole documents, `user/1`, which only ours takes:", " --document full", "--document full"),
    ] {
        match sources.get(subject) {
            Some(source) => {
                let contest: Contest = source.found()?;
                section.add(what);
                section.add(&figures(&contest));
                section.add(&contest.remarks());
                section.from(source, &command(&contest, source, option));
            }
            None => section.add(&format!("{what} not measured yet, `cargo xtask bench drain {usual}` does.")),
        }
    }
    Ok(section)
}

fn usual(section: &mut Section, source: &Source) -> Result<(), BenchError> {
    let contest: Contest = source.found()?;
    section.from(source, &command(&contest, source, ""));
    section.add(&figures(&contest));
    section.add(&(contest.remarks() + &source.left_out()?));
    section.plot("drain-rate", "rows a second by contender", rates(&contest).svg()?);
    section.plot("drain-cpu", "CPU time of a record by contender, with that of the servers", costs(&contest).svg()?);
    section.plot("drain-rows", "rows over time by contender", ways(&contest).svg()?);
    let settings =
        |case: &Case| vec![case.name.clone(), case.contender.versions.clone(), case.contender.settings.clone()];
    section
        .add(&words(&["contender", "versions", "settings"], &contest.cases.iter().map(settings).collect::<Vec<_>>()));
    Ok(())
}

fn command(contest: &Contest, source: &Source, option: &str) -> String {
    let names: Vec<&str> = contest.cases.iter().map(|case| case.name.as_str()).collect();
    let of = |name: &str| source.setting(name).unwrap_or_default();
    let (records, partitions, rounds) = (of("records"), of("partitions"), of("rounds"));
    let names = names.join(",");
    format!("drain --contender {names} --records {records} --partitions {partitions} --rounds {rounds}{option}")
}

fn figures(contest: &Contest) -> String {
    let header = [
        "contender",
        "rows/s, steady",
        "of the first's",
        "records/s, start to end",
        "its CPU, us a record",
        "Kafka's",
        "Cassandra's",
        "all three",
        "peak MiB",
        "first row, s",
        "duplicates",
        "runs, failed",
    ];
    let row = |line: &Line| {
        vec![
            line.case.clone(),
            ranged(line.spread("steady_rows_per_second"), 0),
            ranged(line.over_first("steady_rows_per_second"), 2),
            median(line.spread("records_per_second"), 0),
            ranged(line.spread("cpu_us_per_record"), 1),
            median(line.spread("kafka_us_per_record"), 1),
            median(line.spread("cassandra_us_per_record"), 1),
            ranged(line.spread("total_us_per_record"), 1),
            ranged(line.spread("peak_resident_mib"), 0),
            ranged(line.spread("first_row_seconds"), 2),
            median(line.spread("duplicates"), 0),
            format!("{}, {}", line.runs, line.failed),
        ]
    };
    table(&header, &contest.comparison.iter().map(row).collect::<Vec<_>>())
}

fn rates(contest: &Contest) -> Bars<'static> {
    let bar = |line: &Line| {
        let steady = line.spread("steady_rows_per_second")?;
        Some(single(&line.case, &steady, 0))
    };
    Bars {
        title: "Rows a second while steady: median, smallest and largest run",
        unit: "rows/s (more is better)",
        parts: &[],
        bars: contest.comparison.iter().filter_map(bar).collect(),
    }
}

/// The bar of one figure.
pub(crate) fn single(name: &str, spread: &Spread, digits: usize) -> Bar {
    Bar {
        name: name.to_owned(),
        parts: vec![spread.median],
        ends: (spread.count > 1).then_some((spread.min, spread.max)),
        label: format!("{:.digits$}", spread.median),
    }
}

fn costs(contest: &Contest) -> Bars<'static> {
    let bar = |line: &Line| {
        let of = |figure| Some(line.spread(figure)?.median);
        let parts = [of("cpu_us_per_record")?, of("kafka_us_per_record")?, of("cassandra_us_per_record")?];
        let label = parts.map(|part| format!("{part:.1}")).join(" + ");
        Some(Bar { name: line.case.clone(), parts: parts.into(), ends: None, label })
    };
    Bars {
        title: "CPU time of a record: medians",
        unit: "us a record (less is better)",
        parts: &PARTS,
        bars: contest.comparison.iter().filter_map(bar).collect(),
    }
}

fn ways(contest: &Contest) -> Lines<'static> {
    let way = |line: &Line| {
        let run = contest.typical(&line.case)?;
        let points = run.curve.points().iter().map(|point| (point.seconds, point.rows));
        Some((line.case.clone(), points.collect()))
    };
    Lines {
        title: "Rows in the table, the run in the middle",
        x: "seconds since the start of the process",
        y: "rows",
        names: &[],
        is_logarithmic: false,
        series: contest.comparison.iter().filter_map(way).collect(),
    }
}
