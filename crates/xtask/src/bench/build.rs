//! `cargo xtask bench build`.

use std::time::Instant;

use ::bench::table::mib;
use ::bench::{Built, Layer};
use serde_json::{Value, json};
use service::Exit;

use super::Stage;
use crate::failure::Failure;
use crate::programs::Programs;
use crate::table;

/// Those that have an image.
const SERVICES: [&str; 3] = ["producer", "stream-processor", "dlq-replayer"];

/// Builds and measures.
pub(crate) fn run(stage: &mut Stage) -> Result<Exit, Failure> {
    let results = stage.results("build", Value::Null);
    stage.screen.say("building the workspace from nothing")?;
    let folder = stage.folder.join("build");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Failure::file(&folder))?;
    }
    Programs::download()?;
    let began = Instant::now();
    Programs::workspace_into(&folder)?;
    let workspace_seconds = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&folder).map_err(Failure::file(&folder))?;

    stage.screen.say("building the services as the images have them")?;
    let programs = Programs::as_in_images(&SERVICES)?;
    let layer = |name| Ok(Layer::of(name, programs.path(name)?)?);
    let layers = SERVICES.into_iter().map(layer).collect::<Result<Vec<_>, Failure>>()?;
    let built = Built { workspace_seconds, layers };
    let told = told(&built);
    stage.finish(told, &results(json!(built)))?;
    Ok(Exit::Done)
}

fn told(built: &Built) -> String {
    let size = |bytes: u64| Some(format!("{:.1}", mib(bytes as f64)));
    let row = |layer: &Layer| vec![Some(layer.service.clone()), size(layer.bytes), size(layer.compressed_bytes)];
    let rows: Vec<_> = built.layers.iter().map(row).collect();
    let layers = table::plain(&["service", "layer MiB", "compressed MiB"], &rows);
    format!("{layers}\nthe workspace, cold, in release: {:.0} s", built.workspace_seconds)
}
