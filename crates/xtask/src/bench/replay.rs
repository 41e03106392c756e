//! `cargo xtask bench replay`: how fast dead letters are replayed and come home.

use ::bench::{BenchError, Ground, ReplayPrograms, Voice};
use clap::Args;
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::{Build, PROCESSOR};
use crate::failure::Failure;
use crate::workspace;

const REPLAYER: &str = "dlq-replayer";

/// Arguments of `bench replay`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many dead letters are replayed.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    letters: u64,
    /// How often, beside the job that warms the servers up.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    build: Build,
}

/// Measures.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    let Arguments { letters, rounds, build } = arguments;
    stage.screen.say("building the services")?;
    let built = build.programs()?;
    let programs =
        ReplayPrograms { replayer: built.path(REPLAYER)?.to_owned(), processor: built.path(PROCESSOR)?.to_owned() };
    let settings = json!({ "letters": letters, "rounds": rounds, "build": build.name() });
    let head = stage.results("replay", settings);
    let (folder, artifacts) = (stage.folder.clone(), stage.artifacts.clone());
    let act = async move |voice: Voice| {
        // Whoever listens no more does not stop the run.
        let _ = voice.send("starting Kafka and Cassandra".to_owned());
        let ground = Ground::start(&folder, &workspace::cql(), &artifacts).await?;
        let replayed = ground.replay(&programs, letters, rounds, head, &workspace::bench_results(), &voice).await?;
        ground.stop().await?;
        Ok::<_, BenchError>(replayed)
    };
    let Some((found, path)) = stage.attend(act).await? else { return Ok(Exit::Failed) };
    stage.screen.say(&format!("everything about it is in {}", path.display()))?;
    Ok(if found.runs.iter().all(|run| run.passed) { Exit::Done } else { Exit::Failed })
}
