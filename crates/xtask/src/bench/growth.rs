//! `cargo xtask bench growth`: ours under more and more records, bytes, partitions and dead letters.

use ::bench::Growth;
use clap::{Args, ValueEnum};
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::{Build, PROCESSOR};
use crate::failure::Failure;

/// Arguments of `bench growth`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Of what there is more and more; all of it when not given.
    #[arg(long, value_enum, value_name = "WHAT,...", value_delimiter = ',')]
    what: Vec<What>,
    /// The largest backlog.
    #[arg(long, value_name = "RECORDS", default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    most: u64,
    /// How often each case runs, beside the runs that warm the servers up.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    build: Build,
}

/// Of what there is more and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Records on the topic: 10 000 to 4 000 000.
    Backlog,
    /// Bytes of a record: 0.4 to 100 KiB.
    Payload,
    /// Partitions: 1, 12, 64.
    Partitions,
    /// Records that become dead letters: 0, 1, 10 percent.
    Poison,
}

impl From<What> for Growth {
    fn from(what: What) -> Self {
        match what {
            What::Backlog => Self::Backlog,
            What::Payload => Self::Payload,
            What::Partitions => Self::Partitions,
            What::Poison => Self::Poison,
        }
    }
}

/// Measures each on servers of its own.
pub(crate) async fn run(arguments: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    let Arguments { what, most, rounds, build } = arguments;
    let what = if what.is_empty() { Growth::ALL.to_vec() } else { what.into_iter().map(Growth::from).collect() };
    stage.screen.say("building the services")?;
    let programs = build.programs()?;
    let mut exit = Exit::Done;
    for growth in what {
        let plans = growth.plans(programs.path(PROCESSOR)?, most);
        let settings = json!({ "most": most, "rounds": rounds, "build": build.name() });
        // Whoever ends one does not want the others either.
        let Some(one) = stage.contest(growth.command(), settings, plans, rounds).await? else {
            return Ok(Exit::Failed);
        };
        if one != Exit::Done {
            exit = one;
        }
    }
    Ok(exit)
}
