//! What was promised of drains.

use crate::failure::BenchError;
use crate::report::ceilings::Limits;
use crate::report::drain::{Contest, Drained};
use crate::report::source::Sources;
use crate::report::targets::{Bound, OURS, REDPANDA, Target};
use crate::statistics::Spread;
use crate::table::ranged;

/// What the targets ask for.
const RECORDS: u64 = 1_000_000;
const ROUNDS: u64 = 5;
/// The peers that run in a Java virtual machine.
const JVM: [&str; 2] = ["spark", "kafka-connect"];
const FOUR_MILLIONS: &str = "4000000 records";

type Figure = fn(&Drained) -> Option<f64>;

const STEADY: Figure = |run| run.steady_rows_per_second;
const CPU: Figure = |run| Some(run.cpu_us_per_record.contender);
const ALL_CPU: Figure = |run| Some(run.cpu_us_per_record.total());
const MEMORY: Figure = |run| Some(run.peak_resident_mib);
const FIRST_ROW: Figure = |run| run.first_row_seconds;

/// That the file holds less than the targets are about.
pub(crate) fn smaller(sources: &Sources) -> Option<String> {
    let source = sources.get("drain")?;
    let setting = |name: &str| source.setting(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let (records, rounds) = (setting("records"), setting("rounds"));
    (records < RECORDS || rounds < ROUNDS).then(|| {
        format!("The drain is smaller than the targets ask for: records {records} of {RECORDS}, rounds {rounds} of {ROUNDS}.")
    })
}

/// All of them.
pub(crate) fn targets(sources: &Sources) -> Result<Vec<Target>, BenchError> {
    let drain: Option<Contest> = sources.get("drain").map(|source| source.found()).transpose()?;
    let limits: Option<Limits> = sources.get("ceilings").map(|source| source.found()).transpose()?;
    let backlog: Option<Contest> = sources.get("growth-backlog").map(|source| source.found()).transpose()?;
    let drain = drain.as_ref();
    let family = |what, families: &[&str], bound, figure| {
        let measured = drain.and_then(|contest| against(contest, families, bound, figure));
        Target::judged(what, bound, "", measured)
    };
    let own = |figure: &str| drain?.line(OURS)?.spread(figure);
    let most = |contest: Option<&Contest>, case: &str| {
        let spread = contest?.line(case)?.spread("peak_resident_mib")?;
        Some((spread.max, ranged(Some(spread), 1)))
    };
    let mut targets = vec![
        family("rows a second, steady, over Spark's", &["spark"], Bound::AtLeast(4.0), STEADY),
        family("rows a second, steady, over the best peer's", &[], Bound::AtLeast(2.5), STEADY),
        Target::of_spread(
            "records a second over the ceiling of both servers, each from start to end",
            Bound::AtLeast(0.95),
            "",
            2,
            limits.and_then(|limits| limits.share()),
        ),
        Target::of_spread("CPU time of a record", Bound::AtMost(3.0), " us", 2, own("cpu_us_per_record")),
        family("CPU time of a record over Spark's", &["spark"], Bound::AtMost(1.0 / 50.0), CPU),
        family("CPU time of a record over Kafka Connect's", &["kafka-connect"], Bound::AtMost(1.0 / 50.0), CPU),
        family("CPU time of a record over Redpanda Connect's or its fork's", &REDPANDA, Bound::AtMost(1.0 / 15.0), CPU),
        family("CPU time of a record, servers included, over the least of all peers", &[], Bound::AtMost(0.5), ALL_CPU),
        Target::judged("peak memory", Bound::AtMost(40.0), " MiB", most(drain, OURS)),
        Target::judged(
            "peak memory, 4 000 000 records",
            Bound::AtMost(40.0),
            " MiB",
            most(backlog.as_ref(), FOUR_MILLIONS),
        ),
        family("peak memory over the smaller JVM's", &JVM, Bound::AtMost(1.0 / 15.0), MEMORY),
        family("peak memory over Redpanda Connect's or its fork's", &REDPANDA, Bound::AtMost(1.0 / 3.0), MEMORY),
        Target::of_spread(
            "from the start of the process to the first row",
            Bound::Below(0.3),
            " s",
            3,
            own("first_row_seconds"),
        ),
        family("from start to first row over Spark's", &["spark"], Bound::AtMost(1.0 / 50.0), FIRST_ROW),
    ];
    let failed = drain.and_then(|contest| contest.line(OURS)).map_or(0, |line| line.failed);
    for (told, met) in targets.iter_mut().filter_map(|target| target.measured.as_mut()).filter(|_| failed > 0) {
        // A figure that was reached by losing rows is no figure.
        told.push_str(&format!(", and {failed} of our runs failed"));
        *met = false;
    }
    Ok(targets)
}

/// Ours over each variant of the families, all peers' where none is named, and of these ratios the one that is hardest on us:
/// its median, and how it is told.
fn against(contest: &Contest, families: &[&str], bound: Bound, figure: Figure) -> Option<(f64, String)> {
    let is_peer = |name: &str| {
        let family = name.split('/').next().unwrap_or_default();
        family != OURS && (families.is_empty() || families.contains(&family))
    };
    let peers = contest.cases.iter().filter(|case| is_peer(&case.name));
    let ratios = peers.filter_map(|case| Some((case.name.as_str(), ratio(contest, &case.name, figure)?)));
    let sign = if matches!(bound, Bound::AtLeast(_)) { -1.0 } else { 1.0 };
    let (name, ratio) = ratios.max_by(|one, other| (sign * one.1.median).total_cmp(&(sign * other.1.median)))?;
    let told = match bound {
        Bound::AtLeast(_) => ranged(Some(ratio), 2),
        Bound::AtMost(_) | Bound::Below(_) if ratio.median > 1.0 => ranged(Some(ratio), 2),
        // Turned round, the smallest is the largest.
        Bound::AtMost(_) | Bound::Below(_) => {
            let parts = |share: f64| 1.0 / share.max(f64::MIN_POSITIVE);
            let Spread { median, min, max, count } = ratio;
            let turned = Spread { median: parts(median), min: parts(max), max: parts(min), count };
            format!("1/{}", ranged(Some(turned), 1))
        }
    };
    Some((ratio.median, format!("{told}, {name}")))
}

/// Ours over a peer's in each round in which both passed.
fn ratio(contest: &Contest, peer: &str, figure: Figure) -> Option<Spread> {
    let passed = |case: &str| {
        contest.runs.iter().filter(move |run| run.case == case && run.passed && !run.is_warm_up).collect::<Vec<_>>()
    };
    let (ours, theirs) = (passed(OURS), passed(peer));
    let ratio = |run: &&Drained| {
        let pair = theirs.iter().find(|other| other.round == run.round)?;
        Some(figure(run)? / figure(pair).filter(|over| *over > 0.0)?)
    };
    Spread::of(ours.iter().filter_map(ratio))
}
