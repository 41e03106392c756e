//! The commands that start a job: their flags, the person who is asked, and the answer.

use std::io::{self, Write as _};

use clap::Args;
use kafka::{Admin, AdminError, TopicError};
use service::Exit;
use service::process::Context;
use tokio::sync::watch;

use crate::cli::Output;
use crate::job::bar::Bar;
use crate::job::canary::Canary;
use crate::job::progress::Progress;
use crate::job::{Action, JobError, Plan, Prepared};
use crate::mailroom::{CLIENT, Mailroom};
use crate::mend::MendArguments;
use crate::operator::{Consent, NobodyToAsk};
use crate::preflight::{self, PreflightArguments};
use crate::routes::{NotAllowed, Routes};
use crate::selection::Selection;
use crate::settings::{FASTEST, ReplayerSettings};
use crate::{answer, inquiry};

/// Characters of `--why`, at most: it travels in a header of every replayed record.
const LONGEST_REASON: usize = 500;

/// The flags of every job.
#[derive(Debug, Clone, Args)]
pub struct JobArguments {
    /// Why; kept in the ledger, and in each replayed record
    #[arg(long, value_name = "TEXT", value_parser = reason, required_unless_present = "dry_run")]
    pub why: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// How to show the report
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Which ones.
    #[command(flatten)]
    pub selection: Selection,
}

/// The flags of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// Records per second [default: REPLAY_RATE_PER_SECOND]
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..=i64::from(FASTEST)))]
    pub rate: Option<u32>,
    /// Replay so many first, and the others only when these are home
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub canary: Option<u32>,
    /// Of the canary so many percent may come back as dead letters; with more of them the others stay where they are
    #[arg(long, value_name = "PERCENT", default_value = "0", requires = "canary", value_parser = percent)]
    pub abort_if_boomerang: f64,
    /// Replay also what is older than Cassandra remembers deletions, and without its answers where it is away: a row that was
    /// deleted may come back
    #[arg(long)]
    pub force: bool,
    /// What is done to the records first.
    #[command(flatten)]
    pub mend: MendArguments,
    /// Do not wait until they are home: `serve` watches them
    #[arg(long)]
    pub no_wait: bool,
    /// Send all of them to this topic; the users' topic, or one of REPLAY_ALLOWED_TOPICS [default: where each came from]
    #[arg(long, value_name = "TOPIC")]
    pub to: Option<String>,
    /// Those of every job; last, because the selection's heading holds for what follows it.
    #[command(flatten)]
    pub job: JobArguments,
}

/// A reason as the ledger and a header take it.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a reason is needed".to_owned());
    }
    if text.chars().count() > LONGEST_REASON {
        return Err(format!("at most {LONGEST_REASON} characters"));
    }
    Ok(text.to_owned())
}

fn percent(text: &str) -> Result<f64, &'static str> {
    let percent = text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or("accepted: 0 to 100")
}

/// Flags that do not go together, or not with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// `--to` names another topic.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// Nobody can tell what becomes of a canary there.
    #[error("--canary waits until its records are home, which can be seen only on {0}: leave --to or --canary out")]
    CanaryElsewhere(String),
}

/// The command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Neither `--yes` nor a terminal.
    #[error(transparent)]
    NobodyToAsk(#[from] NobodyToAsk),
    /// Flags that do not go together.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The terminal cannot be asked, or the answer cannot be written.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// The topic that records are to go to is not there.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The job failed.
    #[error(transparent)]
    Job(#[from] JobError),
}

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        Self::Job(error.into())
    }
}

/// `replay`
pub(crate) async fn replay(
    settings: &ReplayerSettings,
    arguments: &ReplayArguments,
    context: &Context,
) -> Result<Exit, CommandError> {
    let users = &settings.kafka.topics.user_data;
    let mut routes = Routes::new(users, &settings.allowed_topics);
    if let Some(topic) = &arguments.to {
        routes = routes.to(topic).map_err(UsageError::from)?;
        if arguments.canary.is_some() && !routes.is_followed(topic) {
            return Err(UsageError::CanaryElsewhere(users.clone()).into());
        }
        Admin::new(&settings.kafka, CLIENT).map_err(JobError::from)?.require(topic).await?;
    }
    let letters = arguments.canary.and_then(|canary| usize::try_from(canary).ok());
    let plan = Plan {
        rate: arguments.rate.unwrap_or(settings.rate_per_second),
        canary: letters.map(|letters| Canary { letters, percent: arguments.abort_if_boomerang }),
        wait: !arguments.no_wait,
        mend: arguments.mend.mend(),
        force: arguments.force,
        ..plan(Action::Replay, &arguments.job, routes)
    };
    act(settings, plan, &arguments.job, context).await
}

/// `preflight`
pub(crate) async fn preflight(
    settings: &ReplayerSettings,
    arguments: &PreflightArguments,
) -> Result<Exit, CommandError> {
    let routes = Routes::new(&settings.kafka.topics.user_data, &settings.allowed_topics);
    let plan = Plan {
        mend: arguments.mend.mend(),
        force: arguments.force,
        ..Plan::new(Action::Replay, arguments.selection.clone(), routes)
    };
    let prediction = Prepared::new(settings, plan, Mailroom::new(&settings.kafka).with_bars()).await?.predict().await?;
    answer::print(&match arguments.output {
        Output::Json => inquiry::json(&prediction)?,
        Output::Table => prediction.text(),
    })?;
    Ok(Exit::Done)
}

/// `park`
pub(crate) async fn park(
    settings: &ReplayerSettings,
    arguments: &JobArguments,
    context: &Context,
) -> Result<Exit, CommandError> {
    let routes = Routes::new(&settings.kafka.topics.user_data, &[]);
    act(settings, plan(Action::Park, arguments, routes), arguments, context).await
}

/// `discard`
pub(crate) async fn discard(
    settings: &ReplayerSettings,
    arguments: &JobArguments,
    context: &Context,
) -> Result<Exit, CommandError> {
    let routes = Routes::new(&settings.kafka.topics.user_data, &[]);
    act(settings, plan(Action::Discard, arguments, routes), arguments, context).await
}

fn plan(action: Action, arguments: &JobArguments, routes: Routes) -> Plan {
    let why = arguments.why.clone().unwrap_or_default();
    Plan { why, ..Plan::new(action, arguments.selection.clone(), routes) }
}

async fn act(
    settings: &ReplayerSettings,
    plan: Plan,
    arguments: &JobArguments,
    context: &Context,
) -> Result<Exit, CommandError> {
    let consent = if arguments.dry_run { Consent::Given } else { Consent::of(arguments.yes)? };
    let question = question(&plan, settings);
    let action = plan.action;
    let prepared = Prepared::new(settings, plan, Mailroom::new(&settings.kafka).with_bars()).await?;
    if arguments.dry_run {
        let rehearsal = prepared.rehearse().await?;
        answer::print(&match arguments.output {
            Output::Json => inquiry::json(&rehearsal)?,
            Output::Table => rehearsal.text(),
        })?;
        return Ok(Exit::Done);
    }
    let selected = prepared.selected();
    if selected > 0 && consent == Consent::ToBeAsked {
        io::stderr().write_all(preflight::changes(&prepared.previews().await?).as_bytes())?;
    }
    if selected > 0 && !consent.obtain(&format!("{selected} dead letters: {question}"), &context.shutdown).await? {
        answer::print("nothing was done\n")?;
        return Ok(Exit::Done);
    }
    let (progress, watched) = watch::channel(Progress::default());
    let bar = Bar::show(watched);
    let ended = prepared.run(&progress, &context.shutdown).await;
    drop(progress);
    bar.ended().await;
    let report = ended?;
    answer::print(&match arguments.output {
        Output::Json => inquiry::json(&report)?,
        Output::Table if report.selected == 0 => {
            format!("no dead letters are selected, there is nothing to {}\n", action.as_str())
        }
        Output::Table => report.text(),
    })?;
    Ok(report.exit())
}

fn question(plan: &Plan, settings: &ReplayerSettings) -> String {
    let topics = &settings.kafka.topics;
    match plan.action {
        Action::Replay => format!("replay them to {}?", plan.routes.shown()),
        Action::Park => format!("park them on {}?", topics.parked),
        Action::Discard => format!("give them up? They stay on {} until retention deletes them.", topics.dlq),
    }
}
