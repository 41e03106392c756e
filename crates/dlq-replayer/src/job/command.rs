//! The commands that start a job: their flags, and the person who is asked.

use std::io;

use clap::Args;
use service::process::Context;
use tokio::sync::watch;

use crate::cli::Output;
use crate::job::progress::Progress;
use crate::job::{Action, JobError, Plan, Prepared};
use crate::mailroom::Mailroom;
use crate::operator::{self, Consent, NobodyToAsk};
use crate::report::Report;
use crate::selection::Selection;
use crate::settings::{FASTEST, ReplayerSettings};

/// Characters of `--why`, at most: it travels in a header of every replayed record.
const LONGEST_REASON: usize = 500;

/// The flags of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// Why; kept in the ledger and in each replayed record
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub why: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Records per second [default: REPLAY_RATE_PER_SECOND]
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..=i64::from(FASTEST)))]
    pub rate: Option<u32>,
    /// How to show the report
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Which ones.
    #[command(flatten)]
    pub selection: Selection,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a reason is needed".to_owned());
    }
    if text.chars().count() > LONGEST_REASON {
        return Err(format!("at most {LONGEST_REASON} characters"));
    }
    Ok(text.to_owned())
}

/// The command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Neither `--yes` nor a terminal.
    #[error(transparent)]
    NobodyToAsk(#[from] NobodyToAsk),
    /// Asking failed.
    #[error("the terminal cannot be asked: {0}")]
    Terminal(#[from] io::Error),
    /// The job failed.
    #[error(transparent)]
    Job(#[from] JobError),
}

/// Replays what the arguments select. `None` where the person at the terminal said no.
pub(crate) async fn replay(
    settings: &ReplayerSettings,
    arguments: &ReplayArguments,
    context: &Context,
) -> Result<Option<Report>, CommandError> {
    let consent = Consent::of(arguments.yes)?;
    let plan = Plan {
        action: Action::Replay,
        selection: arguments.selection.clone(),
        by: operator::who(),
        why: arguments.why.clone(),
        rate: arguments.rate.unwrap_or(settings.rate_per_second),
    };
    let mailroom = Mailroom::new(&settings.kafka).with_bars();
    let prepared = Prepared::new(settings, plan, mailroom).await?;
    let question = format!("Replay {} dead letters to {}?", prepared.selected(), settings.kafka.topics.user_data);
    if prepared.selected() > 0 && !consent.obtain(&question, &context.shutdown).await? {
        return Ok(None);
    }
    let (progress, _) = watch::channel(Progress::default());
    Ok(Some(prepared.run(&progress, &context.shutdown).await?))
}
