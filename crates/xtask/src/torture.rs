//! `cargo xtask torture`: the services under load while everything that can fail does, and the proof that nothing was lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use service::Exit;
use service::shutdown::Shutdown;
use torture::{Options, Report};

use crate::failure::Failure;
use crate::programs::Programs;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{servers, workspace};

/// Arguments of `torture`.
#[derive(Args)]
pub(crate) struct Torture {
    /// How long faults are done.
    #[arg(long, value_name = "MINUTES", default_value = "10", value_parser = minutes)]
    minutes: Duration,
    /// Decides on the faults and the records; a seed repeats its schedule. Another one every time when not given.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Build the services without optimisation: quicker to build, slower to run.
    #[arg(long)]
    dev: bool,
    /// Turns of the publisher per second, one or two records each; the producer brings a hundred users a second more.
    #[arg(long, value_name = "TURNS", default_value_t = 100)]
    rate: u32,
    /// Write the report there too, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<Duration, String> {
    let accepted = "a number of minutes, more than 0 and at most 1440";
    let minutes: f64 = text.parse().map_err(|_| accepted.to_owned())?;
    let in_range = minutes > 0.0 && minutes <= 1440.0;
    in_range.then(|| Duration::from_secs_f64(minutes * 60.0)).ok_or_else(|| accepted.to_owned())
}

/// Runs it; the data is deleted when everything passed, and kept as evidence when not.
pub(crate) async fn run(torture: Torture) -> Result<Exit, Failure> {
    let began = Utc::now();
    let seed = torture.seed.unwrap_or_else(|| began.timestamp_micros().unsigned_abs() % 1_000_000);
    let folder = workspace::torture_dir().join(format!("{seed}-{}", began.format("%Y%m%dT%H%M%S")));
    std::fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    let mut signals = Signals::watch()?;
    let mut screen = Screen::on_stdout();
    screen.say("building the services")?;
    let artifacts = servers::fetch(&folder)?;
    let names = ["producer", "stream-processor", "dlq-replayer"];
    let building = tokio::task::spawn_blocking(move || Programs::build(&names, !torture.dev));
    let built = tokio::select! {
        built = building => built.map_err(|error| Failure::System(error.into()))??,
        () = signals.next() => return Ok(Exit::Failed),
    };
    let options = Options {
        seed,
        duration: torture.minutes,
        rate: torture.rate,
        folder: folder.clone(),
        cql: workspace::cql(),
        programs: torture::Programs {
            producer: built.path("producer")?.to_owned(),
            processor: built.path("stream-processor")?.to_owned(),
            replayer: built.path("dlq-replayer")?.to_owned(),
        },
    };
    let stop = Shutdown::new(Duration::ZERO);
    let (voice, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let running = torture::run(&options, &artifacts, &stop, voice);
    tokio::pin!(running);
    let report = loop {
        tokio::select! {
            Some(line) = heard.recv() => screen.say(&line)?,
            outcome = &mut running => break outcome,
            () = signals.next() => {
                if stop.is_requested() {
                    return Ok(Exit::Failed);
                }
                screen.say("ending everything; Ctrl-C again ends it at once")?;
                stop.request();
            }
        }
    };
    while let Ok(line) = heard.try_recv() {
        screen.say(&line)?;
    }
    match report {
        Ok(report) => tell(&mut screen, &report, &folder, torture.report.as_deref()),
        Err(error) => {
            screen.say(&format!("the logs of every process are in {}", folder.display()))?;
            Err(error.into())
        }
    }
}

fn tell(screen: &mut Screen, report: &Report, folder: &Path, copy: Option<&Path>) -> Result<Exit, Failure> {
    screen.show(report.table() + "\n")?;
    screen.leave_region();
    if let Some(copy) = copy {
        report.write(copy)?;
    }
    if report.passed() {
        for entry in ["stack", "logs"] {
            let path = folder.join(entry);
            std::fs::remove_dir_all(&path).map_err(Failure::file(&path))?;
        }
        screen.say(&format!("every promise was kept; the report is {}", folder.join("report.json").display()))?;
        return Ok(Exit::Done);
    }
    let why = if report.interrupted { "the run was ended early" } else { "a promise was broken" };
    screen
        .say(&format!("{why}: data, offsets, the report and the logs of every process are in {}", folder.display()))?;
    Ok(Exit::Failed)
}
