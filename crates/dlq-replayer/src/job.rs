//! A job: what is done about selected dead letters, in transactions.
//!
//! 1. Choose: the dead letters as they are now, the ledger, the selection.
//! 2. Take over: registering the transactional id ends an older job on the same ledger, whose next transaction fails. What it
//!    accounted for and nobody can read is taken back ([`taken_back`]). Only then is the ledger read once more: what another
//!    job has done meanwhile is not done again.
//! 3. Publish, in chunks ([`publish`]): one transaction holds the records and a ledger entry for each, so a crash anywhere
//!    leaves each letter either dealt with and accounted for or untouched.
//! 4. Wait until what was replayed is home: [`crate::homecoming`].

mod bar;
pub mod canary;
pub mod command;
mod judge;
mod predict;
pub mod progress;
mod publish;
pub mod rehearsal;
mod taken_back;

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
use crate::job::canary::Canary;
use crate::job::judge::Judge;
use crate::job::progress::{Phase, Progress};
use crate::job::publish::{Part, Publication};
use crate::job::rehearsal::Rehearsal;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::mend::Mend;
use crate::operator;
use crate::report::Report;
use crate::routes::Routes;
use crate::selection::Selection;
use crate::settings::{FASTEST, ReplayerSettings};
use crate::stored::{Stored, Unanswered};
use crate::topics;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Publish the record again.
    #[default]
    Replay,
    /// Copy the dead letter to the parked topic and try it no more.
    Park,
    /// Give it up.
    Discard,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Replay, Self::Park, Self::Discard];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Park => "park",
            Self::Discard => "discard",
        }
    }

    /// The state that letters have already with which there is nothing left to do.
    pub(crate) const fn done(self) -> Option<State> {
        match self {
            Self::Replay => None,
            Self::Park => Some(State::Parked),
            Self::Discard => Some(State::Discarded),
        }
    }
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
    /// Where records go.
    pub routes: Routes,
    /// What is done to each record first.
    pub mend: Option<Mend>,
    /// Replay also what is older than Cassandra remembers deletions, and without Cassandra's answers where it is away.
    pub force: bool,
    /// A few that go first.
    pub canary: Option<Canary>,
    /// Whether the job waits until what it has replayed is home; else `serve` does.
    pub wait: bool,
}

impl Plan {
    /// A plan without canary that waits, as fast as can be.
    pub fn new(action: Action, selection: Selection, routes: Routes) -> Self {
        let (by, why) = (operator::who(), String::new());
        Self { action, selection, by, why, rate: FASTEST, routes, mend: None, force: false, canary: None, wait: true }
    }
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
    /// Cassandra does not say what is newer, and for how long deletions are remembered.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
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
    /// The last transaction is committed, and a transaction that stays open before it hides it.
    #[error(
        "stopped after {done} dead letters: the last of them were replayed and cannot be read, because a transaction stays open \
         before them; run the same command again: what cannot be read then either is taken back and replayed once more"
    )]
    Hidden {
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
            | TransactionError::Leftovers(_)
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
    /// None where nothing is replayed, or where Cassandra is away and `force` goes on without its answer.
    stored: Option<Stored>,
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
        let missing = topics::missing(&admin, plan.routes.allowed()).await?;
        let plan = Plan { routes: plan.routes.without(missing), ..plan };
        let book = mailroom.book().await?;
        let selected = chosen(&book, &plan, now)?.len();
        let stored = match plan.action {
            Action::Replay if selected > 0 => Box::pin(Stored::open_or_force(settings, plan.force)).await?,
            Action::Replay | Action::Park | Action::Discard => None,
        };
        Ok(Self { settings, plan, admin, mailroom, book, now, stored, selected })
    }

    /// How many letters the plan takes.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// What the job would do. Changes nothing.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn rehearse(&self) -> Result<Rehearsal, JobError> {
        let judge = self.judge("rehearsal");
        let chosen = chosen(&self.book, &self.plan, self.now)?;
        let rehearsal = Rehearsal::of(self.plan.action, &judge, &self.mailroom, &chosen).await?;
        Ok(Rehearsal { preview: self.previews().await?, ..rehearsal })
    }

    fn judge(&self, job: &str) -> Judge {
        let stored = self.stored.as_ref().filter(|_| !self.plan.force);
        let oldest = stored.map(|stored| stored.remembers_since(Utc::now()));
        Judge::new(&self.plan, job, &self.settings.kafka.topics.parked, self.settings.max_attempts, oldest)
    }

    /// Does it. Once a shutdown is requested no further transaction begins.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn run(self, progress: &watch::Sender<Progress>, shutdown: &Shutdown) -> Result<Report, JobError> {
        let report = Report { action: self.plan.action, replay_id: Uuid::now_v7().to_string(), ..Report::default() };
        let report = if self.selected == 0 { report } else { self.run_some(report, progress, shutdown).await? };
        progress.send_replace(Progress { phase: Phase::Done, report: report.clone() });
        Ok(report)
    }

    async fn run_some(
        self,
        mut report: Report,
        progress: &watch::Sender<Progress>,
        shutdown: &Shutdown,
    ) -> Result<Report, JobError> {
        let kafka = &self.settings.kafka;
        let judge = self.judge(&report.replay_id);
        let producer = publish::open(kafka, &self.plan.routes, &self.mailroom).await?;
        let Self { plan, admin, mailroom, book, now, stored, .. } = self;
        let chosen = chosen(&mailroom.with_ledger(book).await?, &plan, now)?;
        let mailroom = mailroom.without_bars();
        let since: BTreeMap<i32, i64> = topics::offsets(&admin, &kafka.topics.dlq)
            .await?
            .into_iter()
            .map(|(partition, (_, end))| (partition, end))
            .collect();
        report.selected = chosen.len();
        let (action, job) = (plan.action.as_str(), report.replay_id.clone());
        tracing::info!(action, job, selected = report.selected, rate = plan.rate, "job begins");
        let home = homecoming::Watch { admin: &admin, mailroom: &mailroom, kafka, stored: stored.as_ref(), progress };
        report.stale = stored.as_ref().map(|_| 0);
        let mut publication = Publication::new(&plan, judge, producer, &kafka.topics.ledger, report, progress);
        let mut rest = chosen;
        if let Some(canary) = plan.canary {
            let part = Part { limit: canary.letters, attended: true };
            let (flights, unseen) = publication.publish_part(&mailroom, rest, part, shutdown).await?;
            let report = &mut publication.report;
            home.settle(flights, &publication.rows, since.clone(), report, shutdown).await?;
            let tolerated = canary.tolerates(report.boomeranged, report.unconfirmed, report.replayed);
            report.aborted_by_canary = !tolerated && !shutdown.is_requested();
            rest = if tolerated { unseen } else { Vec::new() };
        }
        let part = Part { limit: usize::MAX, attended: plan.wait };
        let (flights, _) = publication.publish_part(&mailroom, rest, part, shutdown).await?;
        let Publication { mut report, rows, .. } = publication;
        home.settle(flights, &rows, since, &mut report, shutdown).await?;
        report.count_left();
        Ok(report)
    }
}

/// What the job takes; nothing at all where the ledger cannot be read whole.
fn chosen(book: &Book, plan: &Plan, now: DateTime<Utc>) -> Result<Vec<Choice>, JobError> {
    match book.unreadable() {
        Some(unreadable) => Err(JobError::Unreadable(unreadable.clone())),
        None => {
            let mut chosen = book.chosen(&plan.selection, &[State::Unresolved], now);
            chosen.retain(|choice| Some(choice.state) != plan.action.done());
            Ok(chosen)
        }
    }
}
