//! `cargo xtask bench ceilings`.

use ::bench::{CeilingOptions, Ceilings, ClientTool, Contender, PARTITIONS, Push, PushPoint, Recipe, ceilings};
use clap::Args;
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::{Build, PROCESSOR};
use crate::failure::Failure;
use crate::{table, workspace};

/// Arguments of `bench ceilings`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many records are on the topic, and rows in the last measurements.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Rows written at each point of the sweep.
    #[arg(long, default_value_t = 200_000)]
    sweep_rows: usize,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    build: Build,
}

/// Measures them. A drain of ours that failed makes it fail, after everything was measured.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    let options = CeilingOptions { sweep_rows: arguments.sweep_rows, rounds: arguments.rounds };
    stage.screen.say("building the client library's own tool")?;
    let tool = ClientTool::build(workspace::root(), &stage.folder)?;
    stage.screen.say("building the services")?;
    let ours = Contender::ours("sluice", arguments.build.programs()?.path(PROCESSOR)?, &[]);
    let settings = json!({
        "records": arguments.records, "partitions": PARTITIONS, "options": options, "build": arguments.build.name(),
    });
    let (ground, results) = (stage.ground(), stage.results("ceilings", settings));
    let measured = stage
        .attend(async move |voice| {
            let ground = ground(&voice).await?;
            let loaded = ground.load(Recipe::default(), arguments.records, PARTITIONS, &voice).await?;
            let ceilings = ceilings(&ground, loaded, tool, ours, options, &voice).await?;
            ground.stop().await?;
            Ok(ceilings)
        })
        .await?;
    let Some(ceilings) = measured else { return Ok(Exit::Failed) };
    let passed = ceilings.drains.iter().all(|drain| drain.passed);
    stage.finish(told(&ceilings), &results(ceilings))?;
    Ok(if passed { Exit::Done } else { Exit::Failed })
}

fn told(ceilings: &Ceilings) -> String {
    let point = |point: PushPoint| format!("{} x {}", point.rows_per_request, point.in_flight);
    let figure = |number: f64, digits: usize| Some(format!("{number:.digits$}"));
    let push = |push: &Push| {
        vec![
            Some(point(push.point)),
            figure(push.rows_per_second, 0),
            figure(push.client_cpu_us, 2),
            figure(push.cassandra_cpu_us, 1),
            figure(push.steal_percent, 1),
        ]
    };
    let pushes = table::plain(
        &["rows x in flight", "rows/s", "client us", "Cassandra us", "steal %"],
        &ceilings.finals.iter().map(push).collect::<Vec<_>>(),
    );
    let consumer = table::plain(
        &["consumer alone, records/s", "client us", "Kafka us", "steal %"],
        &ceilings
            .consumer
            .iter()
            .map(|run| {
                vec![
                    figure(run.records_per_second, 0),
                    figure(run.client_cpu_us, 2),
                    figure(run.kafka_cpu_us, 2),
                    figure(run.steal_percent, 1),
                ]
            })
            .collect::<Vec<_>>(),
    );
    let both = table::plain(
        &["both at once, records/s", "clients us", "Kafka us", "Cassandra us", "idle %", "steal %"],
        &ceilings
            .both
            .iter()
            .map(|run| {
                vec![
                    figure(run.records_per_second, 0),
                    figure(run.clients_cpu_us, 2),
                    figure(run.kafka_cpu_us, 2),
                    figure(run.cassandra_cpu_us, 1),
                    figure(run.idle_percent, 1),
                    figure(run.steal_percent, 1),
                ]
            })
            .collect::<Vec<_>>(),
    );
    let drains: String = ceilings.drains.iter().map(|drain| drain.line() + "\n").collect();
    format!("{pushes}\nbest: {}\n{consumer}\n{both}\n{drains}", point(ceilings.best))
}
