//! `cargo xtask bench drain`: how fast a full topic comes into the table, and what that costs.

use ::bench::{Contender, Document, PARTITIONS, Plan, Recipe};
use clap::{Args, ValueEnum};
use serde_json::json;
use service::Exit;

use super::Stage;
use super::contenders::Contenders;
use crate::failure::Failure;

/// Arguments of `bench drain`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    contenders: Contenders,
    /// How many records are on the topic.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Partitions of the topic.
    #[arg(long, value_name = "NUMBER", default_value_t = PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=1000))]
    partitions: i32,
    /// How often each contender runs, beside the runs that warm the servers up.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The shape of the records; others than ours take flat ones only.
    #[arg(long, value_enum, default_value_t = Shape::Flat)]
    document: Shape,
    /// Every hundredth record has one of a hundred keys.
    #[arg(long)]
    hot: bool,
}

/// The shape of the records.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    /// Flat, about 420 bytes, without headers.
    Flat,
    /// `user/1` as our producer writes it.
    Full,
}

/// Measures. Failed runs make it fail, after all of them were made.
pub(crate) async fn run(drain: Arguments, stage: &mut Stage) -> Result<Exit, Failure> {
    let (contenders, left_out) = drain.contenders.ready(stage)?;
    let document = match drain.document {
        Shape::Flat => Document::Flat,
        Shape::Full => Document::Full,
    };
    let recipe = Recipe { document, hot: drain.hot, ..Recipe::default() };
    let settings = json!({
        "records": drain.records, "partitions": drain.partitions, "rounds": drain.rounds, "recipe": recipe,
        "build": drain.contenders.build().name(), "before": drain.contenders.before(),
        "left_out": left_out,
    });
    let plan = |contender: Contender| Plan {
        name: contender.name.clone(),
        contender,
        recipe,
        records: drain.records,
        partitions: drain.partitions,
        processes: 1,
    };
    let plans = contenders.into_iter().map(plan).collect();
    Ok(stage.contest("drain", settings, plans, drain.rounds).await?.unwrap_or(Exit::Failed))
}
