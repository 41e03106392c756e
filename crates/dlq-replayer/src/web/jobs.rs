//! The jobs that were started from the pages: one at a time, the last ones with their reports.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use askama::Template;
use axum::extract::{Extension, Path, State as Shared};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, Utc};
use service::Exit;
use service::shutdown::Shutdown;
use service::telemetry::chain;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedMutexGuard, watch};

use super::access::{Posted, Visitor};
use super::page::{Frame, moment, rendered, visible};
use super::query::Asked;
use super::{PageError, Pages};
use crate::job::progress::{Phase, Progress};
use crate::job::{self, JobError, Plan, Prepared};
use crate::mailroom::Mailroom;
use crate::preflight::Prediction;
use crate::report::{Report, by_name};
use crate::serve::locked;
use crate::settings::ReplayerSettings;

/// Jobs that are remembered.
const REMEMBERED: usize = 50;

/// What a job does.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// Something that changes something.
    Job(Plan),
    /// What a replay by this plan would come to.
    Preflight(Plan),
}

impl Work {
    const fn name(&self) -> &'static str {
        match self {
            Self::Job(plan) => plan.action.as_str(),
            Self::Preflight(_) => "preflight",
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// With this report.
    Done(Report),
    /// With this prediction.
    Predicted(Prediction),
    /// Without having done its work.
    Failed(String),
}

struct Job {
    number: u64,
    work: Work,
    asked: Asked,
    by: String,
    why: String,
    started: DateTime<Utc>,
    shutdown: Shutdown,
    progress: watch::Receiver<Progress>,
    end: OnceLock<End>,
}

/// Another job is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) struct Busy(Option<u64>);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "Job {number} is running: one job at a time. Nothing was done.")?,
            None => f.write_str("The service replays something by itself just now. Nothing was done.")?,
        }
        f.write_str(" Wait until it has ended and try again.")
    }
}

/// See the module's page. Clones share everything.
#[derive(Clone)]
pub(crate) struct Jobs {
    settings: Arc<ReplayerSettings>,
    shutdown: Shutdown,
    /// Rung when a job has ended.
    news: Arc<Notify>,
    /// Held by whoever replays.
    turn: Arc<tokio::sync::Mutex<()>>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    last: u64,
    jobs: VecDeque<Arc<Job>>,
}

impl Jobs {
    pub(super) fn new(settings: Arc<ReplayerSettings>, shutdown: Shutdown, news: Arc<Notify>) -> Self {
        Self { settings, shutdown, news, turn: Arc::default(), known: Arc::default() }
    }

    /// Waits until no job runs; the caller runs none beside what it gets.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The turn, where no job runs.
    pub(crate) fn try_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// The number of the job that runs.
    pub(super) fn running(&self) -> Option<u64> {
        locked(&self.known).jobs.iter().find(|job| job.end.get().is_none()).map(|job| job.number)
    }

    fn find(&self, number: u64) -> Option<Arc<Job>> {
        locked(&self.known).jobs.iter().find(|job| job.number == number).cloned()
    }

    /// Starts a job, unless one runs already. Its number.
    pub(super) fn start(&self, work: Work, asked: Asked, by: String, why: String) -> Result<u64, Busy> {
        let Some(turn) = self.try_turn() else { return Err(Busy(self.running())) };
        let (sender, progress) = watch::channel(Progress::default());
        let job = {
            let mut known = locked(&self.known);
            known.last += 1;
            let job = Arc::new(Job {
                number: known.last,
                work,
                asked,
                by,
                why,
                started: Utc::now(),
                shutdown: self.shutdown.child(),
                progress,
                end: OnceLock::new(),
            });
            known.jobs.push_front(Arc::clone(&job));
            known.jobs.truncate(REMEMBERED);
            job
        };
        tracing::info!(number = job.number, action = job.work.name(), by = job.by, why = job.why, "job asked for");
        let (this, number) = (self.clone(), job.number);
        tokio::spawn(async move {
            let settings = Arc::clone(&this.settings);
            let running = Arc::clone(&job);
            // On a thread of its own: what it reads and judges does not hold up the loops of the service.
            let task =
                tokio::task::spawn_blocking(move || Handle::current().block_on(run(&settings, &running, &sender)));
            let end = task.await.unwrap_or_else(|error| End::Failed(format!("it ended early: {error}")));
            if let End::Failed(why) = &end {
                tracing::warn!(number = job.number, why, "job failed");
            }
            job.end.get_or_init(|| end);
            drop(turn);
            this.news.notify_one();
        });
        Ok(number)
    }
}

async fn run(settings: &ReplayerSettings, job: &Job, progress: &watch::Sender<Progress>) -> End {
    let end = match &job.work {
        Work::Job(plan) => job::run(settings, plan.clone(), progress, &job.shutdown).await.map(End::Done),
        Work::Preflight(plan) => {
            let predicted = job.shutdown.cuts(predict(settings, plan.clone())).await;
            match predicted {
                Some(prediction) => prediction.map(End::Predicted),
                None => return End::Failed("it was told to stop".to_owned()),
            }
        }
    };
    end.unwrap_or_else(|error| End::Failed(chain(&error)))
}

async fn predict(settings: &ReplayerSettings, plan: Plan) -> Result<Prediction, JobError> {
    Prepared::new(settings, plan, Mailroom::new(&settings.kafka)).await?.predict().await
}

/// The counts of a report with their names, those of nothing left out.
fn counts(report: &Report) -> Vec<(String, String)> {
    let lines = report.lines().into_iter().filter(|(_, count)| *count > 0);
    let count = |(name, count): (&str, usize)| {
        let parts = match name {
            "boomeranged" => by_name(&report.boomeranged_by_reason),
            "refused" => by_name(&report.refused_by_cause),
            _ => String::new(),
        };
        (name.replace('_', " "), format!("{count}{parts}"))
    };
    lines.map(count).collect()
}

/// The counts of a prediction with their names.
fn counts_of(prediction: &Prediction) -> Vec<(String, String)> {
    let counts = [
        ("selected", Some(prediction.selected)),
        ("would pass", Some(prediction.would_pass)),
        ("would fail", Some(prediction.would_fail)),
        ("stale", prediction.stale),
        ("not followed", Some(prediction.not_followed)),
        ("would be parked", Some(prediction.would_park)),
        ("refused", Some(prediction.refused)),
    ];
    let told = counts.into_iter().filter_map(|(name, count)| Some((name, count.filter(|count| *count > 0)?)));
    told.map(|(name, count)| (name.to_owned(), count.to_string())).collect()
}

/// A job as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct JobView {
    name: String,
    href: String,
    list: String,
    status: &'static str,
    class: &'static str,
    words: String,
    is_running: bool,
    done: usize,
    of: usize,
    counts: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    started: String,
    by: String,
    why: String,
}

impl JobView {
    fn of(job: &Job) -> Self {
        let now = job.progress.borrow().clone();
        let (status, class, words, shown) = match job.end.get() {
            None if job.shutdown.is_requested() => ("stopping", "running", words(&now), counts(&now.report)),
            None => ("running", "running", words(&now), counts(&now.report)),
            Some(End::Failed(why)) => ("failed", "failed", visible(why), counts(&now.report)),
            Some(End::Predicted(prediction)) => {
                ("done", "done", visible(prediction.text().trim_end()), counts_of(prediction))
            }
            Some(End::Done(report)) => {
                let (class, words) = ended(report);
                ("done", class, words.to_owned(), counts(report))
            }
        };
        let (done, of) = far(&now);
        let mut fields: Vec<_> = job.asked.pairs().iter().map(|(name, value)| (name.clone(), visible(value))).collect();
        let mut push = |name: &str, value: String| fields.push((name.to_owned(), value));
        if !job.why.is_empty() {
            push("why", visible(&job.why));
        }
        push("by", visible(&job.by));
        push("started", moment(job.started));
        Self {
            name: format!("Job {}: {}", job.number, job.work.name()),
            href: format!("/jobs/{}", job.number),
            list: format!("/letters{}", job.asked.query_with("state", "all")),
            status,
            class,
            words,
            is_running: job.end.get().is_none(),
            done,
            of,
            counts: shown,
            fields,
            started: moment(job.started),
            by: visible(&job.by),
            why: visible(&job.why),
        }
    }
}

/// How a job ended that did its work: the look of it, and what is to be said beside the counts.
fn ended(report: &Report) -> (&'static str, &'static str) {
    if report.selected == 0 {
        ("done", "Nothing was selected any more.")
    } else if report.aborted_by_canary {
        ("boomeranged", "Too much of the canary did not come home: the others stay where they are.")
    } else if report.exit() == Exit::Done {
        ("done", "")
    } else {
        ("boomeranged", "Not all of them are where they belong: see the counts.")
    }
}

fn words(progress: &Progress) -> String {
    match progress.phase {
        Phase::Preparing => "Reading dead letters and ledger.",
        Phase::Publishing => "Publishing.",
        Phase::Waiting => "Waiting until the processor has dealt with them.",
        Phase::Done => "Done.",
    }
    .to_owned()
}

/// How many letters are through what the job is at, and of how many.
fn far(progress: &Progress) -> (usize, usize) {
    let report = &progress.report;
    match progress.phase {
        Phase::Preparing | Phase::Publishing | Phase::Done => (report.done() + report.refused, report.selected),
        Phase::Waiting => (report.confirmed + report.boomeranged, report.replayed),
    }
}

#[derive(Debug, Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    jobs: Vec<JobView>,
}

#[derive(Debug, Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    job: JobView,
}

/// `GET /jobs`
pub(super) async fn list(Shared(pages): Shared<Pages>, Extension(visitor): Extension<Visitor>) -> Response {
    let jobs = locked(&pages.jobs.known).jobs.iter().map(|job| JobView::of(job)).collect();
    rendered(&JobsPage { frame: pages.frame("Jobs", &visitor), jobs })
}

/// `GET /jobs/{number}`
pub(super) async fn show(
    Shared(pages): Shared<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<u64>,
) -> Result<Response, PageError> {
    let job = pages.jobs.find(number).ok_or(PageError::NoSuch("job; they are forgotten when the service ends"))?;
    let job = JobView::of(&job);
    Ok(rendered(&JobPage { frame: pages.frame(job.name.clone(), &visitor), job }))
}

/// `POST /jobs/{number}/stop`
pub(super) async fn stop(
    Shared(pages): Shared<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<u64>,
    _: Posted,
) -> Result<Response, PageError> {
    let job = pages.jobs.find(number).ok_or(PageError::NoSuch("job; they are forgotten when the service ends"))?;
    tracing::info!(number, by = visitor.by, "job is to stop");
    job.shutdown.request();
    Ok(Redirect::to(&format!("/jobs/{number}")).into_response())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn counts_are_in_the_order_of_the_command_line_with_their_parts() {
        let report = Report {
            selected: 3,
            replayed: 3,
            confirmed: 1,
            boomeranged: 2,
            boomeranged_by_reason: BTreeMap::from([("quality_rule", 2)]),
            ..Report::default()
        };
        let counts = counts(&report);
        let counts: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), count.as_str())).collect();
        let expected =
            [("selected", "3"), ("replayed", "3"), ("confirmed", "1"), ("boomeranged", "2 (quality_rule 2)")];
        assert_eq!(counts, expected);
    }

    #[test]
    fn the_end_of_a_job_says_what_is_left_to_see_to() {
        let home = Report { selected: 2, replayed: 2, confirmed: 2, ..Report::default() };
        assert_eq!(ended(&home), ("done", ""));
        assert_eq!(ended(&Report { confirmed: 1, boomeranged: 1, ..home.clone() }).0, "boomeranged");
        assert!(ended(&Report { aborted_by_canary: true, ..home.clone() }).1.contains("canary"));
        assert!(ended(&Report::default()).1.contains("Nothing"));
    }

    #[test]
    fn a_bar_shows_what_the_job_is_at() {
        let report = Report { selected: 9, replayed: 4, refused: 1, confirmed: 2, boomeranged: 1, ..Report::default() };
        let at = |phase| far(&Progress { phase, report: report.clone() });
        assert_eq!((at(Phase::Publishing), at(Phase::Waiting)), ((5, 9), (3, 4)));
    }
}
