//! `cargo xtask bench produce`.

use ::bench::{Api, ClientTool, Pair, Publishing, Whole, api, pair, whole};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::Build;
use crate::failure::Failure;
use crate::{table, workspace};

/// Arguments of `bench produce`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    build: Build,
    /// Records of each run of a pair.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Users of each run of the whole producer.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Everything that was measured, in the order in which it was.
#[derive(Serialize)]
struct Measured {
    /// With a cold broker; it does not count.
    warm_up: Pair,
    pairs: Vec<Pair>,
    producer: Vec<Whole>,
    api: Vec<Api>,
}

/// Measures it.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    stage.screen.say("building the services and the client library's own tool")?;
    let built = arguments.build.programs()?;
    let programs = ::bench::Programs {
        producer: built.path("producer")?.to_owned(),
        simulator: built.path("randomuser-sim")?.to_owned(),
    };
    let tool = ClientTool::build(workspace::root(), &stage.folder)?;
    let settings = json!({
        "records": arguments.records, "users": arguments.users, "rounds": arguments.rounds,
        "build": arguments.build.name(),
    });
    let (ground, results) = (stage.ground(), stage.results("produce", settings));
    let measured = stage
        .attend(async move |voice| {
            let ground = ground(&voice).await?;
            let warm_up = pair(&ground, &tool, arguments.records, true).await?;
            let mut measured = Measured { warm_up, pairs: Vec::new(), producer: Vec::new(), api: Vec::new() };
            for round in 0..arguments.rounds {
                let pair = pair(&ground, &tool, arguments.records, round % 2 == 1).await?;
                // Whoever listens no more does not stop the run.
                let _ = voice.send(format!("round {}: {:.2} of the tool's rate", round + 1, pair.rate_ratio));
                measured.pairs.push(pair);
            }
            for round in 0..arguments.rounds {
                for transactions in [true, false] {
                    let run = whole(&ground, &programs, arguments.users, transactions).await?;
                    let rate = run.publishing.records_per_second;
                    let _ = voice.send(format!("round {}, producer: {rate:.0} users/s", round + 1));
                    measured.producer.push(run);
                }
                measured.api.push(api(&ground, &programs, arguments.users).await?);
            }
            ground.stop().await?;
            Ok(measured)
        })
        .await?;
    let Some(measured) = measured else { return Ok(Exit::Failed) };
    stage.finish(told(&measured), &results(measured))?;
    Ok(Exit::Done)
}

fn told(measured: &Measured) -> String {
    let number = |number: f64, digits: usize| Some(format!("{number:.digits$}"));
    let publishing = |name: &str, run: &Publishing, ratios: [Option<f64>; 2], api: Option<f64>| {
        let mut cells = vec![Some(name.to_owned()), number(run.records_per_second, 0), number(run.client_cpu_us, 2)];
        cells.extend([number(run.kafka_cpu_us, 2), number(run.steal_percent, 1)]);
        let or_dash =
            |figure: Option<f64>| Some(figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}")));
        cells.extend(ratios.map(or_dash));
        cells.push(or_dash(api));
        cells
    };
    let mut rows = Vec::new();
    for pair in &measured.pairs {
        rows.push(publishing("rdkafka_performance", &pair.tool, [None, None], None));
        rows.push(publishing("kafka::Producer", &pair.ours, [Some(pair.rate_ratio), Some(pair.cpu_ratio)], None));
    }
    for run in &measured.producer {
        let name = if run.transactions { "producer, transactions" } else { "producer, no transactions" };
        rows.push(publishing(name, &run.publishing, [None, None], Some(run.api_cpu_us)));
    }
    let columns = ["who", "records/s", "client us", "Kafka us", "steal %", "rate ratio", "CPU ratio", "API us"];
    let api: Vec<String> = measured.api.iter().map(|api| format!("{:.0}", api.users_per_second)).collect();
    format!("{}\nthe simulated API alone gives {} users/s\n", table::plain(&columns, &rows), api.join(", "))
}
