//! How fast dead letters come home.

use serde::Deserialize;

use crate::failure::BenchError;
use crate::report::markdown::table;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::statistics::Spread;
use crate::table::ranged;

#[derive(Debug, Clone, Deserialize)]
struct Replays {
    runs: Vec<Replayed>,
}

#[derive(Debug, Clone, Deserialize)]
struct Replayed {
    round: u32,
    passed: bool,
    letters_per_second: f64,
    replayer_us: f64,
    processor_us: f64,
    kafka_us: f64,
    cassandra_us: f64,
    peak_resident_mib: f64,
}

/// All rounds but the one that warmed the servers up.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let Some(source) = sources.get("replay") else {
        section.unmeasured("replay");
        return Ok(section);
    };
    let Replays { runs } = source.found()?;
    let of = |name: &str| source.setting(name).unwrap_or_default();
    section.from(source, &format!("replay --letters {} --rounds {}", of("letters"), of("rounds")));
    let counted = || runs.iter().filter(|run| run.round > 0);
    let passed = |figure: fn(&Replayed) -> f64, digits| {
        ranged(Spread::of(counted().filter(|run| run.passed).map(figure)), digits)
    };
    section.add(&table(
        &["letters/s", "replayer, us a letter", "processor", "Kafka", "Cassandra", "peak MiB", "runs, failed"],
        &[vec![
            passed(|run| run.letters_per_second, 0),
            passed(|run| run.replayer_us, 1),
            passed(|run| run.processor_us, 1),
            passed(|run| run.kafka_us, 1),
            passed(|run| run.cassandra_us, 1),
            passed(|run| run.peak_resident_mib, 0),
            format!("{}, {}", counted().count(), counted().filter(|run| !run.passed).count()),
        ]],
    ));
    Ok(section)
}
