//! What doing nothing costs.

use serde::Deserialize;

use crate::failure::BenchError;
use crate::idle::Idle;
use crate::report::markdown::table;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::table::mib;

/// What was found out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rest {
    pub(crate) services: Vec<Idle>,
}

/// Each service without records, and with a few.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let Some(source) = sources.get("idle") else {
        section.unmeasured("idle --minutes 60");
        return Ok(section);
    };
    let Rest { services } = source.found()?;
    section.from(source, &format!("idle --minutes {}", source.setting("minutes").unwrap_or_default()));
    let row = |idle: &Idle| {
        vec![
            idle.service.to_string(),
            idle.records_per_second.to_string(),
            format!("{:.2}", idle.core_percent),
            format!("{:.1}", mib(idle.resident_bytes as f64)),
            format!("{:+.2}", mib(idle.growth_bytes_per_hour)),
            format!("{:.0}", idle.wake_ups_per_second),
        ]
    };
    let header = ["service", "records/s meanwhile", "% of a core", "resident MiB", "growth, MiB an hour", "wake-ups/s"];
    section.add(&table(&header, &services.iter().map(row).collect::<Vec<_>>()));
    Ok(section)
}
