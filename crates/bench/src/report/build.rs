//! What building costs, and what comes out of it.

use crate::build::{Built, Layer};
use crate::failure::BenchError;
use crate::report::markdown::table;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::table::mib;

/// Each service's program, and the time of a cold build.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let Some(source) = sources.get("build") else {
        section.unmeasured("build");
        return Ok(section);
    };
    let built: Built = source.found()?;
    section.from(source, "build");
    let row = |layer: &Layer| {
        let of = |bytes: u64| format!("{:.1}", mib(bytes as f64));
        vec![layer.service.clone(), of(layer.bytes), of(layer.compressed_bytes)]
    };
    let header = ["service", "its layer, MiB", "compressed, MiB"];
    section.add(&table(&header, &built.layers.iter().map(row).collect::<Vec<_>>()));
    section.add(&format!(
        "All programs of the workspace, in release, from nothing but downloaded sources: {:.1} minutes.",
        built.workspace_seconds / 60.0
    ));
    Ok(section)
}
