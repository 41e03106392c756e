//! How long after it was due a record's row is there.

use serde::Deserialize;

use crate::failure::BenchError;
use crate::latency::{Acknowledged, LatencyRun, Summary};
use crate::report::chart::Lines;
use crate::report::drain::STEAL;
use crate::report::markdown::{escaped, table};
use crate::report::section::Section;
use crate::report::source::Sources;

/// The shares of all records that are told.
const SHARES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// What was found out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Latencies {
    pub(crate) runs: Vec<LatencyRun>,
    failed: Vec<Failed>,
}

#[derive(Debug, Clone, Deserialize)]
struct Failed {
    contender: String,
    rate: u64,
    why: String,
}

fn shares(summary: Summary) -> [f64; 5] {
    [summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.p999_ms, summary.max_ms]
}

/// Each contender at each rate.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let Some(source) = sources.get("latency") else {
        section.unmeasured("latency --contender all");
        return Ok(section);
    };
    let mut found: Latencies = source.found()?;
    // Side by side, not in the order of the measurements.
    found.runs.sort_by_key(|run| run.options.rate);
    let mut names: Vec<&str> = Vec::new();
    let mut rates: Vec<u64> = Vec::new();
    for run in &found.runs {
        if !names.contains(&run.contender.as_str()) {
            names.push(&run.contender);
        }
        if !rates.contains(&run.options.rate) {
            rates.push(run.options.rate);
        }
    }
    rates.sort_unstable();
    let asked: Vec<String> = rates.iter().map(u64::to_string).collect();
    let of = |name: &str| source.setting(name).unwrap_or_default();
    let command = format!(
        "latency --contender {} --rates {} --seconds {} --warm-up {}",
        names.join(","),
        asked.join(","),
        of("seconds"),
        of("warm_up_seconds")
    );
    section.from(source, &command);
    section.add(&table(
        &["contender", "records/s", "measured", "p50 ms", "p90", "p99", "p99.9", "max", "never seen", "its cores"],
        &found.runs.iter().flat_map(rows).collect::<Vec<_>>(),
    ));
    section.add(&(remarks(&found) + &source.left_out()?));
    for rate in rates {
        let line = |run: &LatencyRun| {
            let points = (0..).zip(shares(run.visible?)).map(|(place, ms)| (f64::from(place), ms)).collect();
            Some((run.contender.clone(), points))
        };
        let lines = Lines {
            title: &format!("From when a record was due until its row was seen, {rate} records/s"),
            x: "share of the records",
            y: "ms, logarithmic (less is better)",
            names: &SHARES,
            is_logarithmic: true,
            series: found.runs.iter().filter(|run| run.options.rate == rate).filter_map(line).collect(),
        };
        section.plot(&format!("latency-{rate}"), &format!("latency at {rate} records a second"), lines.svg()?);
    }
    Ok(section)
}

fn rows(run: &LatencyRun) -> Vec<Vec<String>> {
    let row = |measured: &str, shares: [Option<f64>; 5], never: String| {
        let mut row = vec![run.contender.clone(), run.options.rate.to_string(), measured.to_owned()];
        row.extend(shares.map(|ms| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))));
        row.extend([never, format!("{:.2}", run.contender_cores)]);
        row
    };
    let visible = run.visible.map_or([None; 5], |visible| shares(visible).map(Some));
    let mut rows = vec![row("visible", visible, run.never_seen.to_string())];
    if let Some(Acknowledged { p50_ms, p90_ms, p99_ms, p999_ms, .. }) = run.acknowledged {
        rows.push(row("acknowledged", [p50_ms, p90_ms, p99_ms, p999_ms, None], "-".to_owned()));
    }
    rows
}

fn remarks(found: &Latencies) -> String {
    let failed =
        found.failed.iter().map(|Failed { contender, rate, why }| format!("{contender} at {rate} records/s: {why}"));
    let disturbed = found.runs.iter().filter(|run| run.steal_percent > STEAL).map(|run| {
        let LatencyRun { contender, options, steal_percent, .. } = run;
        format!("{contender} at {} records/s: the host took {steal_percent:.1} % of the machine's time.", options.rate)
    });
    failed.chain(disturbed).map(|remark| format!("- {}\n", escaped(&remark))).collect()
}
