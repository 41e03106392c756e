//! A job: what is done about selected dead letters, in transactions.
//!
//! 1. Choose: the dead letters as they are now, the ledger, the selection.
//! 2. Take over: registering the transactional id ends an older job on the same ledger, whose next transaction fails. Only
//!    then is the ledger read once more: what another job has done meanwhile is not done again.
//! 3. Publish, in chunks ([`publish`]): one transaction holds the records and a ledger entry for each, so a crash anywhere
//!    leaves each letter either dealt with and accounted for or untouched.
//! 4. Wait until what was replayed is home: [`crate::homecoming`].

pub mod command;
pub mod progress;
mod publish;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kafka::{Admin, AdminError, ClientError, OpenError, ReadError, SendError, TopicError, TransactionError};
use serde::Serialize;
use service::shutdown::Shutdown;
use tokio::sync::watch;
use uuid::Uuid;

use crate::book::{Book, Choice};
use crate::disposition::{State, Unreadable};
use crate::homecoming;
use crate::job::progress::{Phase, Progress};
use crate::job::publish::Publication;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::report::Report;
use crate::selection::Selection;
use crate::settings::ReplayerSettings;
use crate::topics;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Publish the record again.
    #[default]
    Replay,
}

/// What is to be done, and with which dead letters.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What.
    pub action: Action,
    /// With which.
    pub selection: Selection,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub why: String,
    /// Letters per second.
    pub rate: u32,
}

/// The job could not do its work. What it had published is accounted for.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A topic is missing, or Kafka does not answer.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Dead letters or ledger cannot be read.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The ledger holds what we do not understand.
    #[error("nothing is done: {0}")]
    Unreadable(Unreadable),
    /// A client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The producer of transactions cannot be had.
    #[error("the job cannot begin: {0}")]
    Open(#[from] OpenError),
    /// The cluster does not answer.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Another job works on the same ledger now.
    #[error("another job has taken over after {done} dead letters of this one; what was done is not done again")]
    TakenOver {
        /// Letters that were dealt with and accounted for.
        done: usize,
    },
    /// A transaction did not happen.
    #[error("stopped after {done} dead letters: {source}; run the same command again, what was done is not done again")]
    Transaction {
        /// Letters that were dealt with and accounted for.
        done: usize,
        /// What happened.
        #[source]
        source: TransactionError,
    },
    /// The letters are home or back, and the ledger could not be told.
    #[error("the ledger could not be told what became of the replayed dead letters: {0}")]
    Ending(#[from] SendError),
}

impl From<ReadError> for JobError {
    fn from(error: ReadError) -> Self {
        Self::Mail(error.into())
    }
}

impl JobError {
    /// A transaction of a job that had dealt with so many letters failed.
    fn after(done: usize, source: TransactionError) -> Self {
        match source {
            TransactionError::Fenced => Self::TakenOver { done },
            TransactionError::Refused(_)
            | TransactionError::Aborted(_)
            | TransactionError::Unknown { .. }
            | TransactionError::Task(_) => Self::Transaction { done, source },
        }
    }
}

/// Does what the plan says.
///
/// # Errors
/// See [`JobError`].
pub async fn run(
    settings: &ReplayerSettings,
    plan: Plan,
    progress: &watch::Sender<Progress>,
    shutdown: &Shutdown,
) -> Result<Report, JobError> {
    Prepared::new(settings, plan, Mailroom::new(&settings.kafka)).await?.run(progress, shutdown).await
}

/// A plan that was looked at: how many letters it takes is known, and nothing has changed yet.
pub struct Prepared<'a> {
    settings: &'a ReplayerSettings,
    plan: Plan,
    admin: Admin,
    mailroom: Mailroom,
    book: Book,
    /// When the ages of the selection are counted from.
    now: DateTime<Utc>,
    selected: usize,
}

impl<'a> Prepared<'a> {
    /// Reads dead letters and ledger.
    ///
    /// # Errors
    /// See [`JobError`].
    pub(crate) async fn new(settings: &'a ReplayerSettings, plan: Plan, mailroom: Mailroom) -> Result<Self, JobError> {
        let now = Utc::now();
        let admin = Admin::new(&settings.kafka, CLIENT)?;
        topics::all_there(&admin, &settings.kafka).await?;
        let book = mailroom.book().await?;
        let selected = chosen(&book, &plan, now)?.len();
        Ok(Self { settings, plan, admin, mailroom, book, now, selected })
    }

    /// How many letters the plan takes.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// Does it. Once a shutdown is requested no further transaction begins.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn run(self, progress: &watch::Sender<Progress>, shutdown: &Shutdown) -> Result<Report, JobError> {
        let Self { settings, plan, admin, mailroom, book, now, selected } = self;
        let mut report = Report { action: plan.action, replay_id: Uuid::now_v7().to_string(), ..Report::default() };
        if selected == 0 {
            return Ok(report);
        }
        let producer = publish::open(&settings.kafka, &admin, &mailroom).await?;
        let book = mailroom.with_ledger(book).await?;
        let mailroom = mailroom.without_bars();
        let chosen = chosen(&book, &plan, now)?;
        let since: BTreeMap<i32, i64> = topics::offsets(&admin, &settings.kafka.topics.dlq)
            .await?
            .into_iter()
            .map(|(partition, (_, end))| (partition, end))
            .collect();
        report.selected = chosen.len();
        tracing::info!(replay_id = report.replay_id, selected = report.selected, rate = plan.rate, "job begins");
        let mut publication = Publication::new(settings, &plan, producer, report, progress);
        let flights = publication.publish_all(&mailroom, &chosen, shutdown).await?;
        let mut report = publication.into_report();
        let home = homecoming::Watch { admin: &admin, mailroom: &mailroom, kafka: &settings.kafka, progress };
        home.settle(flights, since, &mut report, shutdown).await?;
        report.count_left();
        progress.send_replace(Progress { phase: Phase::Done, report: report.clone() });
        Ok(report)
    }
}

/// What the job takes; nothing at all where the ledger cannot be read whole.
fn chosen(book: &Book, plan: &Plan, now: DateTime<Utc>) -> Result<Vec<Choice>, JobError> {
    match book.unreadable() {
        Some(unreadable) => Err(JobError::Unreadable(unreadable.clone())),
        None => Ok(book.chosen(&plan.selection, &[State::Unresolved], now)),
    }
}
