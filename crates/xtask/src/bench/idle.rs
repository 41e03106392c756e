//! `cargo xtask bench idle`.

use std::time::Duration;

use ::bench::table::mib;
use ::bench::{Idle, Services, idle};
use clap::Args;
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::Build;
use crate::failure::Failure;
use crate::table;

/// Arguments of `bench idle`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    build: Build,
    /// How long the services are watched without records, and again with ten a second.
    #[arg(long, value_name = "MINUTES", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

/// Measures it.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    stage.screen.say("building the services")?;
    let programs = arguments.build.programs()?;
    let services = Services {
        producer: programs.path("producer")?.to_owned(),
        processor: programs.path("stream-processor")?.to_owned(),
        replayer: programs.path("dlq-replayer")?.to_owned(),
    };
    let settings = json!({ "minutes": arguments.minutes, "build": arguments.build.name() });
    let (ground, results) = (stage.ground(), stage.results("idle", settings));
    let measured = stage
        .attend(async move |voice| {
            let ground = ground(&voice).await?;
            let watched = Duration::from_secs(arguments.minutes * 60);
            let services = idle(&ground, &services, watched, &voice).await?;
            ground.stop().await?;
            Ok(services)
        })
        .await?;
    let Some(services) = measured else { return Ok(Exit::Failed) };
    stage.finish(told(&services), &results(json!({ "services": services })))?;
    Ok(Exit::Done)
}

fn told(services: &[Idle]) -> String {
    let row = |idle: &Idle| {
        let size = |bytes: f64| format!("{:.1}", mib(bytes));
        let cells = [
            idle.service.to_string(),
            idle.records_per_second.to_string(),
            format!("{:.2}", idle.core_percent),
            size(idle.resident_bytes as f64),
            size(idle.growth_bytes_per_hour),
            format!("{:.0}", idle.wake_ups_per_second),
        ];
        cells.map(Some).to_vec()
    };
    let columns = ["service", "records/s", "% of a core", "MiB", "growth MiB/h", "wake-ups/s"];
    table::plain(&columns, &services.iter().map(row).collect::<Vec<_>>()).to_string()
}
