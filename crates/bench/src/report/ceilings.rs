//! What the servers and the machine give at most.

use serde::Deserialize;

use crate::ceiling::{Both, Consumption, Push, PushPoint};
use crate::failure::BenchError;
use crate::report::drain::Drained;
use crate::report::markdown::table;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::statistics::Spread;
use crate::table::ranged;

/// What was found out, less the sweep.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Limits {
    finals: Vec<Push>,
    best: PushPoint,
    consumer: Vec<Consumption>,
    both: Vec<Both>,
    #[serde(default)]
    drains: Vec<Drained>,
    #[serde(default)]
    working: Vec<Push>,
}

impl Limits {
    /// What a drain of ours makes of what both give at once, each from start to end, by pairs of a round.
    pub(crate) fn share(&self) -> Option<Spread> {
        let pairs = self.both.iter().zip(&self.drains).filter(|(_, drain)| drain.passed);
        Spread::of(pairs.filter_map(|(both, drain)| Some(drain.records_per_second? / both.records_per_second)))
    }
}

/// Reading, writing, and both.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let Some(source) = sources.get("ceilings") else {
        section.unmeasured("ceilings");
        return Ok(section);
    };
    let Limits { finals, best, consumer, both, drains, working } = source.found()?;
    let rounds = both.len();
    section.from(
        source,
        &format!("ceilings --records {} --rounds {rounds}", source.setting("records").unwrap_or_default()),
    );
    let mut points: Vec<PushPoint> = Vec::new();
    for push in &finals {
        if !points.contains(&push.point) {
            points.push(push.point);
        }
    }
    let of = |figures: &mut dyn Iterator<Item = f64>, digits| ranged(Spread::of(figures), digits);
    let mut rows = vec![vec![
        "librdkafka's own consumer alone".to_owned(),
        of(&mut consumer.iter().map(|run| run.records_per_second), 0),
        of(&mut consumer.iter().map(|run| run.client_cpu_us), 2),
        of(&mut consumer.iter().map(|run| run.kafka_cpu_us), 2),
        "-".to_owned(),
    ]];
    let pushed = |pushes: &[&Push], mark: &str| {
        let PushPoint { rows_per_request, in_flight } = pushes.first()?.point;
        Some(vec![
            format!("rows pushed, {rows_per_request} a request, {in_flight} under way{mark}"),
            of(&mut pushes.iter().map(|push| push.rows_per_second), 0),
            of(&mut pushes.iter().map(|push| push.client_cpu_us), 2),
            "-".to_owned(),
            of(&mut pushes.iter().map(|push| push.cassandra_cpu_us), 1),
        ])
    };
    for point in points {
        let pushes: Vec<&Push> = finals.iter().filter(|push| push.point == point).collect();
        rows.extend(pushed(&pushes, if point == best { ", the best" } else { "" }));
    }
    rows.push(vec![
        "both at once".to_owned(),
        of(&mut both.iter().map(|run| run.records_per_second), 0),
        of(&mut both.iter().map(|run| run.clients_cpu_us), 2),
        of(&mut both.iter().map(|run| run.kafka_cpu_us), 2),
        of(&mut both.iter().map(|run| run.cassandra_cpu_us), 1),
    ]);
    if !drains.is_empty() {
        let passed = || drains.iter().filter(|drain| drain.passed);
        rows.push(vec![
            "a drain by ours".to_owned(),
            of(&mut passed().filter_map(|drain| drain.records_per_second), 0),
            of(&mut passed().map(|drain| drain.cpu_us_per_record.contender), 2),
            of(&mut passed().map(|drain| drain.cpu_us_per_record.kafka), 2),
            of(&mut passed().map(|drain| drain.cpu_us_per_record.cassandra), 1),
        ]);
    }
    rows.extend(pushed(&working.iter().collect::<Vec<_>>(), ", by a client that computes as long as ours"));
    section.add(&table(&["", "records/s", "clients, us a record", "Kafka", "Cassandra"], &rows));
    Ok(section)
}
