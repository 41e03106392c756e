//! `dlq-replayer`: looks at dead letters, publishes them again, watches them come home, and keeps account of each.
//!
//! Dead letters are never edited and never committed away; what became of them is the ledger topic's matter. A replay is one
//! transaction of records and ledger entries, so nothing is replayed without account (I7).
//!
//! - [`letter`]: a dead letter as read, of any dialect; [`selection`]: which ones are meant.
//! - [`listing`]: what commands show of a letter; [`export`]: what leaves for other tools.
//! - [`disposition`]: an entry of the ledger; [`book`]: the fold of dead letters and ledger into states.
//! - [`redrive`]: from a dead letter to the record that is published again; [`mend`]: what is changed in it first;
//!   [`preflight`]: what would become of it.
//! - [`job`]: what is done about dead letters, in transactions; [`homecoming`]: how it waits.
//! - [`serve`]: the daemon; [`web`]: its pages.

mod answer;
pub mod book;
mod check;
pub mod cli;
pub mod disposition;
pub mod export;
#[cfg(test)]
mod fixture;
mod homecoming;
mod in_order;
mod inquiry;
pub mod job;
pub mod letter;
pub mod listing;
mod mailroom;
pub mod mend;
mod metrics;
mod operator;
mod originals;
mod pace;
mod pages;
pub mod preflight;
mod reading;
pub mod redrive;
pub mod report;
mod rounds;
pub mod routes;
pub mod selection;
mod serve;
mod settings;
mod stored;
mod table;
mod topics;
mod web;

use std::io::{self, Write as _};

use kafka::ClientError;
use service::Exit;
use service::process::{Checks, Context, Role, Service};
use service::settings::Reader;
use service::telemetry::chain;

use crate::cli::{Arguments, Command};
pub use crate::inquiry::InquiryError;
use crate::job::command::{self, CommandError};
use crate::mailroom::Mailroom;
pub use crate::settings::ReplayerSettings;

/// The replayer as a service.
pub struct DlqReplayer;

/// The daemon failed, or there is nobody to tell that a command did.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A Kafka client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Standard output or standard error cannot be written.
    #[error("the answer cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Service for DlqReplayer {
    const NAME: &'static str = "dlq-replayer";
    const ABOUT: &'static str = "Looks at dead letters and brings them home";
    const ADMIN_ADDR: &'static str = "127.0.0.1:8002";
    type Arguments = Arguments;
    type Settings = ReplayerSettings;
    type Error = RunError;

    fn settings(reader: &mut Reader) -> ReplayerSettings {
        ReplayerSettings::read(reader)
    }

    fn role(arguments: &Arguments) -> Role {
        match arguments.command {
            Some(Command::Serve) => Role::Daemon,
            Some(
                Command::Ls { .. }
                | Command::Show { .. }
                | Command::Group { .. }
                | Command::Stats { .. }
                | Command::Export(_)
                | Command::Preflight(_)
                | Command::Replay(_)
                | Command::Park(_)
                | Command::Discard(_),
            )
            | None => Role::Command,
        }
    }

    async fn check(settings: ReplayerSettings, checks: &mut Checks) {
        check::run(&settings, checks).await;
    }

    async fn run(settings: ReplayerSettings, arguments: Arguments, context: Context) -> Result<Exit, RunError> {
        run(settings, arguments, context).await
    }
}

/// Does what the arguments ask for. A command that cannot do it says why on standard error and ends with its exit status.
///
/// # Errors
/// See [`RunError`].
pub async fn run(settings: ReplayerSettings, arguments: Arguments, context: Context) -> Result<Exit, RunError> {
    let mailroom = Mailroom::new(&settings.kafka).with_bars();
    let Some(command) = arguments.command else {
        return say(Exit::Usage, "a command is needed, as serve, ls or replay; see --help");
    };
    match &command {
        Command::Serve => Ok(serve::run(&settings, &context).await?),
        Command::Ls { selection, output } => looked(&context, inquiry::list(&mailroom, selection, *output)).await,
        Command::Show { id, output } => looked(&context, inquiry::show(&mailroom, id, *output)).await,
        Command::Group { selection, output } => looked(&context, inquiry::group(&mailroom, selection, *output)).await,
        Command::Export(export) => looked(&context, export::run(&mailroom, export)).await,
        Command::Stats { selection, output } => looked(&context, inquiry::stats(&mailroom, selection, *output)).await,
        Command::Preflight(arguments) => {
            acted(context.shutdown.cuts(command::preflight(&settings, arguments)).await.unwrap_or(Ok(Exit::Failed)))
        }
        Command::Replay(arguments) => acted(command::replay(&settings, arguments, &context).await),
        Command::Park(arguments) => acted(command::park(&settings, arguments, &context).await),
        Command::Discard(arguments) => acted(command::discard(&settings, arguments, &context).await),
    }
}

/// What only looks is cut short by a wish to end; a replay ends its transaction first.
async fn looked(
    context: &Context,
    inquiry: impl Future<Output = Result<Exit, InquiryError>>,
) -> Result<Exit, RunError> {
    match context.shutdown.cuts(inquiry).await {
        Some(Ok(exit)) => Ok(exit),
        Some(Err(error)) => say(Exit::Failed, &chain(&error)),
        None => Ok(Exit::Failed),
    }
}

fn acted(outcome: Result<Exit, CommandError>) -> Result<Exit, RunError> {
    match outcome {
        Ok(exit) => Ok(exit),
        Err(error @ (CommandError::NobodyToAsk(_) | CommandError::Usage(_))) => say(Exit::Usage, &chain(&error)),
        Err(error) => say(Exit::Failed, &chain(&error)),
    }
}

fn say(exit: Exit, problem: &str) -> Result<Exit, RunError> {
    writeln!(io::stderr(), "error: {problem}")?;
    Ok(exit)
}
