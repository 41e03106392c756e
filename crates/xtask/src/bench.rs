//! `cargo xtask bench`: how fast, how lean and how prompt we and others are, on a real stack of its own.

mod build;
mod ceilings;
mod contenders;
mod counts;
mod drain;
mod growth;
mod idle;
mod latency;
mod produce;
mod replay;
mod report;
mod scale;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use ::bench::{BenchError, Ground, Machine, Plan, Results, Revision, Voice, table};
use chrono::Utc;
use clap::{Args, Subcommand};
use local_stack::Artifacts;
use serde::Serialize;
use serde_json::Value;
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
    /// Keep the servers' data and logs although everything went well.
    #[arg(long, global = true)]
    keep: bool,
}

/// What is measured.
#[derive(Subcommand)]
enum What {
    #[command(flatten)]
    OnServers(OnServers),
    /// How long a build of everything takes, and how large the services' layers in their images are.
    Build,
    /// How many instructions the pure parts take, compared with what was accepted. Needs valgrind.
    Counts(counts::Arguments),
    /// Makes the tables of the README and the plots of the newest whole results.
    Report(report::Arguments),
}

/// What is measured on servers of its own.
#[derive(Subcommand)]
enum OnServers {
    /// How fast a full topic comes into the table, and what that costs.
    Drain(drain::Arguments),
    /// The same for us under more and more records, bytes, partitions and dead letters.
    Growth(growth::Arguments),
    /// The same for more and more processes of ours, and for more shards of one.
    Scale(scale::Arguments),
    /// How fast dead letters are replayed and come home.
    Replay(replay::Arguments),
    /// What the servers and this machine give at most, whoever asks.
    Ceilings(ceilings::Arguments),
    /// How long after it was due a record's row is there, at rates that nothing slows down.
    Latency(latency::Arguments),
    /// What publishing costs, beside the client library's own tool.
    Produce(produce::Arguments),
    /// What the services use while there is next to nothing to do.
    Idle(idle::Arguments),
}

/// Measures.
pub(crate) async fn run(Bench { what, keep }: Bench) -> Result<Exit, Failure> {
    let what = match what {
        What::OnServers(what) => what,
        What::Build => return build::run(&mut Stage::set()?),
        What::Counts(counts) => return counts::run(&counts),
        What::Report(report) => return report::run(&report),
    };
    let mut stage = Stage::set()?;
    let exit = match what {
        OnServers::Drain(drain) => drain::run(drain, &mut stage).await,
        OnServers::Growth(growth) => growth::run(growth, &mut stage).await,
        OnServers::Scale(scale) => scale::run(scale, &mut stage).await,
        OnServers::Replay(replay) => replay::run(replay, &mut stage).await,
        OnServers::Ceilings(ceilings) => ceilings::run(ceilings, &mut stage).await,
        OnServers::Latency(latency) => latency::run(latency, &mut stage).await,
        OnServers::Produce(produce) => produce::run(produce, &mut stage).await,
        OnServers::Idle(idle) => idle::run(idle, &mut stage).await,
    }?;
    if exit == Exit::Done && !keep {
        stage.clean()?;
    }
    Ok(exit)
}

/// The right to use `folder`. A second benchmark would delete the data of the first one's servers, and disturb its figures.
fn alone(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("lock");
    let file = File::options().create(true).append(true).open(&path).map_err(Failure::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::NotAlone { path }),
        Err(TryLockError::Error(source)) => Err(Failure::File { path, source }),
    }
}

/// What every benchmark has while it runs.
pub(crate) struct Stage {
    /// For servers' data, contenders and logs.
    pub(crate) folder: PathBuf,
    pub(crate) screen: Screen,
    pub(crate) artifacts: Artifacts,
    signals: Signals,
    /// Held as long as this runs.
    _alone: File,
}

impl Stage {
    fn set() -> Result<Self, Failure> {
        let folder = workspace::bench_dir();
        std::fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        let alone = alone(&folder)?;
        let artifacts = servers::fetch(&folder.join("stack"))?;
        Ok(Self { folder, artifacts, screen: Screen::on_stdout(), signals: Signals::watch()?, _alone: alone })
    }

    /// Deletes what the servers and the runs left behind; what is installed stays.
    fn clean(&self) -> Result<(), Failure> {
        for name in ["stack", "runs"] {
            let path = self.folder.join(name);
            if path.exists() {
                std::fs::remove_dir_all(&path).map_err(Failure::file(&path))?;
            }
        }
        Ok(())
    }

    /// Holds a contest on servers of its own and shows what it found; none when it was ended early. A failed run makes the
    /// command fail, after all of them were made.
    pub(crate) async fn contest(
        &mut self,
        command: &'static str,
        settings: Value,
        plans: Vec<Plan>,
        rounds: u32,
    ) -> Result<Option<Exit>, Failure> {
        let (ground, head) = (self.ground(), self.results(command, settings));
        let act = async move |voice: Voice| {
            let ground = ground(&voice).await?;
            let cases = ground.prepare(plans, &voice).await?;
            let held = ground.hold(cases, rounds, head, &workspace::bench_results(), &voice).await?;
            ground.stop().await?;
            Ok(held)
        };
        let Some((found, path)) = self.attend(act).await? else { return Ok(None) };
        self.screen.show(table::comparison(&found.comparison))?;
        self.screen.leave_region();
        self.screen.say(&format!("everything about it is in {}", path.display()))?;
        Ok(Some(if found.runs.iter().all(|run| run.passed) { Exit::Done } else { Exit::Failed }))
    }

    /// What starts the servers.
    fn ground(&self) -> impl AsyncFnOnce(&Voice) -> Result<Ground, BenchError> + use<> {
        let (folder, artifacts) = (self.folder.clone(), self.artifacts.clone());
        async move |voice: &Voice| {
            // Whoever listens no more does not stop the run.
            let _ = voice.send("starting Kafka and Cassandra".to_owned());
            Ground::start(&folder, &workspace::cql(), &artifacts).await
        }
    }

    /// Makes the results of a command that begins now, of what it has found.
    pub(crate) fn results<T>(&self, command: &'static str, settings: Value) -> impl Fn(T) -> Results<T> + use<T> {
        let (machine, revision) = (Machine::here(&self.artifacts), Revision::of(workspace::root()));
        let began = Utc::now();
        move |found| {
            let (machine, revision, settings) = (machine.clone(), revision.clone(), settings.clone());
            Results { command, is_complete: true, began, machine, revision, settings, found }
        }
    }

    /// Shows `text`, writes the results and says where they are.
    fn finish<T: Serialize>(&mut self, text: String, results: &Results<T>) -> Result<(), Failure> {
        self.screen.show(text)?;
        self.screen.leave_region();
        let path = results.write(&workspace::bench_results())?;
        self.screen.say(&format!("everything about it is in {}", path.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_benchmark_is_refused_while_the_first_one_runs() {
        let folder = tempfile::tempdir().unwrap();
        let _first = alone(folder.path()).unwrap();
        assert!(matches!(alone(folder.path()), Err(Failure::NotAlone { .. })));
    }
}
