//! `cargo xtask bench`: how fast, how lean and how prompt we and others are, on a real stack of its own.

mod ceilings;

use std::path::PathBuf;

use ::bench::{BenchError, Document, Ground, Recipe, Voice};
use clap::{Args, Subcommand};
use local_stack::Artifacts;
use service::Exit;
use tokio::sync::mpsc::unbounded_channel;

use crate::failure::Failure;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{servers, workspace};

/// Arguments of `bench`.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Subcommand)]
enum What {
    /// How fast a full topic comes into the table, and what that costs.
    Drain(Drain),
    /// What the servers and this machine give at most, whoever asks.
    Ceilings(ceilings::Arguments),
}

/// Arguments of `bench drain`.
#[derive(Args)]
struct Drain {
    /// How many records are on the topic.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
}

/// What every benchmark has while it runs.
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) artifacts: Artifacts,
    pub(crate) screen: Screen,
    signals: Signals,
}

impl Stage {
    fn set() -> Result<Self, Failure> {
        let folder = workspace::bench_dir();
        std::fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        let artifacts = servers::fetch(&folder.join("stack"))?;
        Ok(Self { folder, artifacts, screen: Screen::on_stdout(), signals: Signals::watch()? })
    }

    /// Does it, telling what it says; none when it was ended early, with everything that it had started.
    pub(crate) async fn attend<T>(
        &mut self,
        act: impl AsyncFnOnce(Voice) -> Result<T, BenchError>,
    ) -> Result<Option<T>, Failure> {
        let (voice, mut heard) = unbounded_channel();
        let mut acting = Box::pin(act(voice));
        let outcome = loop {
            tokio::select! {
                Some(line) = heard.recv() => self.screen.say(&line)?,
                outcome = &mut acting => break outcome,
                () = self.signals.next() => return Ok(None),
            }
        };
        while let Ok(line) = heard.try_recv() {
            self.screen.say(&line)?;
        }
        Ok(Some(outcome?))
    }
}

/// Measures.
pub(crate) async fn run(Bench { what }: Bench) -> Result<Exit, Failure> {
    let mut stage = Stage::set()?;
    match what {
        What::Drain(drain) => run_drain(drain, &mut stage).await,
        What::Ceilings(ceilings) => ceilings::run(ceilings, &mut stage).await,
    }
}

async fn run_drain(drain: Drain, stage: &mut Stage) -> Result<Exit, Failure> {
    let (folder, artifacts) = (stage.folder.clone(), stage.artifacts.clone());
    let outcome = stage
        .attend(async |voice| {
            let _ = voice.send("starting Kafka and Cassandra".to_owned());
            let ground = Ground::start(&folder, &workspace::cql(), &artifacts).await?;
            let recipe = Recipe { document: Document::Flat, ..Recipe::default() };
            ground.load(recipe, drain.records, 12, &voice).await?;
            ground.stop().await
        })
        .await?;
    Ok(if outcome.is_some() { Exit::Done } else { Exit::Failed })
}
