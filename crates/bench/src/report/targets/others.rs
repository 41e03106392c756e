//! What was promised beside drains.

use crate::build::Built;
use crate::failure::BenchError;
use crate::report::drain::Contest;
use crate::report::idle::Rest;
use crate::report::latency::Latencies;
use crate::report::produce::Published;
use crate::report::source::Sources;
use crate::report::targets::{Bound, OURS, REDPANDA, Target};
use crate::statistics::Spread;
use crate::table::mib;

/// The rate that the targets speak of, records a second.
const RATE: u64 = 1_000;
const HOUR_SECONDS: f64 = 3_600.0;
/// A slope below this share of the resident memory in an hour is no growth, percent.
const NO_GROWTH: f64 = 1.0;
/// The ends of what has to be flat; what is measured between them has to be too.
const BACKLOGS: [&str; 2] = ["10000 records", "4000000 records"];
const PROCESSES: [&str; 2] = ["1 process", "4 processes"];

/// All of them.
pub(crate) fn targets(sources: &Sources) -> Result<Vec<Target>, BenchError> {
    let latencies: Option<Latencies> = sources.get("latency").map(|source| source.found()).transpose()?;
    let backlog: Option<Contest> = sources.get("growth-backlog").map(|source| source.found()).transpose()?;
    let scale: Option<Contest> = sources.get("scale").map(|source| source.found()).transpose()?;
    let published: Option<Published> = sources.get("produce").map(|source| source.found()).transpose()?;
    let rest: Option<Rest> = sources.get("idle").map(|source| source.found()).transpose()?;
    let built: Option<Built> = sources.get("build").map(|source| source.found()).transpose()?;

    let mut targets = prompt(latencies.as_ref());
    let flat = |what, percent, contest: Option<&Contest>, ends| {
        let measured = contest.and_then(|contest| unevenness(contest, ends));
        Target::judged(what, Bound::AtMost(percent), " % apart", measured)
    };
    targets.push(flat(
        "CPU time of a record while steady, 10 000 to 4 000 000 records",
        5.0,
        backlog.as_ref(),
        BACKLOGS,
    ));
    targets.push(flat("CPU time of a record while steady, 1 to 4 processes", 10.0, scale.as_ref(), PROCESSES));
    let ratio = published.and_then(|published| Spread::of(published.pairs.iter().map(|pair| pair.rate_ratio)));
    targets.push(Target::of_spread(
        "records a second published over librdkafka's own tool's",
        Bound::AtLeast(0.9),
        "",
        2,
        ratio,
    ));
    targets.extend(resting(rest.as_ref()));
    targets.extend(building(built.as_ref()));
    Ok(targets)
}

fn prompt(latencies: Option<&Latencies>) -> Vec<Target> {
    let runs = || latencies.into_iter().flat_map(|found| &found.runs).filter(|run| run.options.rate == RATE);
    let ours = runs().find(|run| run.contender == OURS);
    let visible = ours.and_then(|run| run.visible);
    let never = ours.map_or(0, |run| run.never_seen);
    let told = |ms: f64| (ms, format!("{ms:.1} ms"));
    let over = |what, families: &[&str], bound| {
        let p50 = |family: &&str| {
            let of = runs().filter(|run| run.contender.split('/').next() == Some(family));
            of.filter_map(|run| Some((run.visible?.p50_ms, run.contender.as_str()))).collect::<Vec<_>>()
        };
        let best = families.iter().flat_map(p50).min_by(|one, other| one.0.total_cmp(&other.0));
        let measured = visible.zip(best).map(|(ours, (theirs, name))| {
            let share = ours.p50_ms / theirs.max(f64::MIN_POSITIVE);
            (share, format!("1/{:.1}, {name}", 1.0 / share.max(f64::MIN_POSITIVE)))
        });
        Target::judged(what, bound, "", measured)
    };
    let mut targets = vec![
        Target::judged("p50 at 1000 records/s", Bound::AtMost(5.0), " ms", visible.map(|visible| told(visible.p50_ms))),
        Target::judged(
            "p99 at 1000 records/s",
            Bound::AtMost(25.0),
            " ms",
            visible.map(|visible| told(visible.p99_ms)),
        ),
        over("p50 at 1000 records/s over Redpanda Connect's or its fork's", &REDPANDA, Bound::AtMost(1.0 / 4.0)),
        over("p50 at 1000 records/s over Spark's", &["spark"], Bound::AtMost(1.0 / 300.0)),
    ];
    for (told, met) in targets.iter_mut().filter_map(|target| target.measured.as_mut()).filter(|_| never > 0) {
        told.push_str(&format!(", and {never} rows were never seen"));
        *met = false;
    }
    targets
}

/// How much dearer the dearest case is than the cheapest, percent; none where an end was not measured.
fn unevenness(contest: &Contest, ends: [&str; 2]) -> Option<(f64, String)> {
    let [first, _] = ends;
    let unit = first.split(' ').next_back()?;
    let is_measured =
        |end: &&str| contest.line(end).is_some_and(|line| line.spread("steady_cpu_us_per_record").is_some());
    if !ends.iter().all(is_measured) {
        return None;
    }
    let lines = contest.comparison.iter().filter(|line| line.case.contains(unit));
    let costs: Vec<(f64, &str)> =
        lines.filter_map(|line| Some((line.spread("steady_cpu_us_per_record")?.median, line.case.as_str()))).collect();
    let by = |one: &&(f64, &str), other: &&(f64, &str)| one.0.total_cmp(&other.0);
    let (least, most) = (costs.iter().min_by(by)?, costs.iter().max_by(by)?);
    let percent = (most.0 / least.0.max(f64::MIN_POSITIVE) - 1.0) * 100.0;
    let told = format!("{percent:.1} %: {:.2} us ({}) to {:.2} us ({})", least.0, least.1, most.0, most.1);
    let failed: usize = contest.comparison.iter().map(|line| line.failed).sum();
    Some(if failed > 0 { (f64::INFINITY, format!("{told}, and {failed} runs failed")) } else { (percent, told) })
}

fn resting(rest: Option<&Rest>) -> [Target; 2] {
    let services: Vec<_> =
        rest.into_iter().flat_map(|rest| &rest.services).filter(|idle| idle.records_per_second == 0).collect();
    let busiest = services.iter().max_by(|one, other| one.core_percent.total_cmp(&other.core_percent));
    let growth = |bytes: f64, resident: u64| bytes * 100.0 / (resident as f64).max(1.0);
    let growing = services
        .iter()
        .filter(|idle| idle.seconds >= HOUR_SECONDS - 1.0)
        .map(|idle| (growth(idle.growth_bytes_per_hour, idle.resident_bytes), idle))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    [
        Target::judged(
            "CPU of each service at rest",
            Bound::Below(0.5),
            " % of a core",
            busiest.map(|idle| (idle.core_percent, format!("{:.2} %, {}", idle.core_percent, idle.service))),
        ),
        Target::judged(
            "growth of each service's memory, watched for an hour",
            Bound::Below(NO_GROWTH),
            " % an hour",
            growing.map(|(percent, idle)| {
                (percent, format!("{percent:+.2} % ({:+.2} MiB), {}", mib(idle.growth_bytes_per_hour), idle.service))
            }),
        ),
    ]
}

fn building(built: Option<&Built>) -> [Target; 2] {
    let largest = built.and_then(|built| built.layers.iter().max_by_key(|layer| layer.compressed_bytes));
    let minutes = built.map(|built| built.workspace_seconds / 60.0);
    [
        Target::judged(
            "a service's own layers in its image, compressed",
            Bound::Below(12.0),
            " MiB",
            largest.map(|layer| {
                let size = mib(layer.compressed_bytes as f64);
                (size, format!("{size:.1} MiB, {}", layer.service))
            }),
        ),
        Target::judged(
            "build of the workspace from nothing, release, 2 cores",
            Bound::Below(5.0),
            " minutes",
            minutes.map(|minutes| (minutes, format!("{minutes:.1}"))),
        ),
    ]
}
