//! `serve`: keeps an eye on the dead letters, shows their states as metrics and themselves as pages ([`crate::web`]), warns
//! before retention deletes undecided ones, tells the ledger how the replays of jobs that do not wait ended ([`flights`]), and
//! where it is told to replays by itself what may succeed unchanged ([`auto`]).

mod auto;
mod expiry;
mod flights;
mod place;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use kafka::{
    Admin, AdminError, ClientError, KafkaSettings, Producer, ReadError, SendError, TopicError, UNREACHABLE_REMEDY,
};
use schema::topics::USER_DATA_DLQ;
use service::Exit;
use service::health::Health;
use service::process::Context;
use service::shutdown::Shutdown;
use tokio::sync::{Notify, watch};

use crate::book::Book;
use crate::disposition::{Entry, State};
use crate::homecoming;
use crate::job;
use crate::job::progress::Progress;
use crate::letter::Letter;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::metrics::Metrics;
use crate::report::Report;
use crate::selection::Selection;
use crate::serve::auto::Backoff;
use crate::serve::expiry::Expiry;
use crate::serve::flights::Flights;
use crate::serve::place::{Place, ends};
use crate::settings::{Auto, ReplayerSettings};
use crate::topics;
use crate::web::{Jobs, Pages};

/// How often it looks.
const REFRESH: Duration = Duration::from_secs(5);
/// How often it asks how long dead letters are kept.
const ASK_RETENTION: Duration = Duration::from_secs(60);

/// The name of Kafka in `/readyz`.
const KAFKA: &str = "kafka";

/// Runs until a shutdown is requested.
///
/// # Errors
/// A Kafka client cannot be built.
pub(crate) async fn run(settings: &ReplayerSettings, context: &Context) -> Result<Exit, ClientError> {
    let kafka = &settings.kafka;
    let watch = Watch {
        kafka,
        admin: Admin::new(kafka, CLIENT)?,
        mailroom: Mailroom::new(kafka),
        producer: Producer::new(kafka, CLIENT)?,
        metrics: Metrics::new(&context.metrics, retention_by_contract().as_secs_f64()),
        health: context.health.clone(),
        seen: Arc::default(),
    };
    let news = Arc::new(Notify::new());
    let pages = Pages::new(settings, context, Arc::clone(&watch.seen), Arc::clone(&news));
    let jobs = pages.jobs().clone();
    context.routes.mount_pages(pages.router());
    let rounds = async {
        let mut keeping = Keeping::default();
        loop {
            watch.round(&mut keeping).await;
            // What a job has done is looked at as soon as it has ended.
            drop(tokio::time::timeout(REFRESH, news.notified()).await);
        }
    };
    let work = async {
        let rounds = context.shutdown.cuts(rounds);
        let ended: Option<Infallible> = match settings.auto {
            Auto::Off => rounds.await,
            Auto::Transient => tokio::join!(rounds, watch.replay_by_itself(settings, &jobs, &context.shutdown)).0,
        };
        debug_assert!(ended.is_none());
        // A job that was started from a page ends its transaction first.
        drop(jobs.turn().await);
    };
    context.health.while_waiting(work).await;
    Ok(Exit::Done)
}

/// How long a dead letter is kept, by the configuration that its topic is created with.
fn retention_by_contract() -> Duration {
    let millis = USER_DATA_DLQ.config.iter().find(|(name, _)| *name == "retention.ms");
    millis.map(|(_, millis)| retention(millis)).unwrap_or_default()
}

/// `retention.ms`; a negative one keeps everything.
fn retention(millis: &str) -> Duration {
    millis.parse().map_or(Duration::MAX, Duration::from_millis)
}

/// How long dead letters are kept, and what was said of it.
#[derive(Debug)]
struct Keeping {
    retention: Duration,
    asked: Option<Instant>,
    expiry: Expiry,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { retention: retention_by_contract(), asked: None, expiry: Expiry::default() }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) book: Book,
    dlq: Place,
    ledger: Place,
    flights: Flights,
    /// When the newest entry was made that is not of our own replays.
    newest_of_others: Option<DateTime<Utc>>,
    /// The ledger was read whole once: from now on an entry is an event.
    caught_up: bool,
}

struct Watch<'a> {
    kafka: &'a KafkaSettings,
    admin: Admin,
    mailroom: Mailroom,
    /// Tells the ledger how replays ended; see [`homecoming`] for why this is no transactional one.
    producer: Producer,
    metrics: Metrics,
    health: Health,
    seen: Arc<Mutex<Seen>>,
}

impl Watch<'_> {
    async fn round(&self, keeping: &mut Keeping) {
        if self.topics_there().await {
            match self.look_and_tell(keeping).await {
                Ok(()) => self.there(KAFKA),
                Err(error) => self.away(KAFKA, &error.to_string(), UNREACHABLE_REMEDY),
            }
        }
        self.show(keeping, Utc::now());
    }

    async fn look_and_tell(&self, keeping: &mut Keeping) -> Result<(), LookError> {
        if keeping.asked.is_none_or(|asked| asked.elapsed() >= ASK_RETENTION) {
            let millis = self.admin.topic_config(&self.kafka.topics.dlq, "retention.ms").await?;
            keeping.retention = millis.map_or_else(retention_by_contract, |millis| retention(&millis));
            keeping.asked = Some(Instant::now());
        }
        // In this order, see the page of homecoming: the group, then the dead letters.
        let is_due = locked(&self.seen).flights.is_due(Utc::now());
        let committed = if is_due { self.committed().await? } else { None };
        self.look().await?;
        match committed {
            Some(committed) => self.tell(&committed).await,
            None => Ok(()),
        }
    }

    /// What the group has committed; none where dead letters of what it has passed may be hidden.
    async fn committed(&self) -> Result<Option<BTreeMap<i32, i64>>, LookError> {
        let committed = homecoming::committed(&self.admin, self.kafka).await?;
        match self.mailroom.decided(&self.kafka.topics.dlq).await {
            Ok(()) => Ok(Some(committed)),
            Err(MailError::Read(error @ ReadError::Undecided(_))) => {
                tracing::warn!(%error, "nobody knows which of the replayed dead letters came back");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the ledger how replays ended that nobody else waits for.
    async fn tell(&self, committed: &BTreeMap<i32, i64>) -> Result<(), LookError> {
        let endings = locked(&self.seen).flights.endings(committed, Utc::now());
        if endings.is_empty() {
            return Ok(());
        }
        homecoming::tell(&self.producer, &endings, &self.kafka.topics.ledger).await?;
        let boomeranged = endings.iter().filter(|ending| ending.state == State::Boomeranged).count();
        tracing::info!(
            confirmed = endings.len() - boomeranged,
            boomeranged,
            "replays that nobody waits for have ended"
        );
        locked(&self.seen).flights.told(&endings);
        Ok(())
    }

    /// Replays what may succeed unchanged, until a shutdown is requested.
    async fn replay_by_itself(&self, settings: &ReplayerSettings, jobs: &Jobs, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(Instant::now());
        while shutdown.cuts(tokio::time::sleep(REFRESH)).await.is_some() {
            if !backoff.is_due(Instant::now()) || !self.may_replay(Utc::now()) {
                continue;
            }
            let Some(_turn) = jobs.try_turn() else { continue };
            let progress = watch::Sender::new(Progress::default());
            let outcome = Box::pin(job::run(settings, auto::plan(settings), &progress, shutdown)).await;
            match &outcome {
                Ok(report) => {
                    let Report { replayed, confirmed, boomeranged, parked, .. } = report;
                    tracing::info!(replayed, confirmed, boomeranged, parked, "replayed by itself");
                }
                Err(error) => tracing::warn!(%error, "replaying by itself failed"),
            }
            backoff.tried(&outcome, Instant::now());
        }
    }

    /// Whether there is something to replay and nobody to disturb.
    fn may_replay(&self, now: DateTime<Utc>) -> bool {
        // Held while a topic is read: not now, then.
        let Ok(seen) = self.seen.try_lock() else { return false };
        seen.caught_up
            && !seen.flights.is_attended_by_others(&auto::who(), now)
            && !auto::is_disturbing(seen.newest_of_others, now)
            && seen.book.census(&auto::selection(), &[State::Unresolved], now).total > 0
    }

    async fn topics_there(&self) -> bool {
        let mut all = true;
        for topic in topics::needed(self.kafka) {
            let what = format!("kafka topic {topic}");
            match self.admin.require(topic).await {
                Ok(_) => self.there(&what),
                // One reason is enough where nothing answers.
                Err(TopicError { reason, remedy, is_missing: false }) => {
                    self.away(KAFKA, &reason, &remedy);
                    return false;
                }
                Err(TopicError { reason, remedy, is_missing: true }) => {
                    all = false;
                    self.away(&what, &reason, &remedy);
                }
            }
        }
        all
    }

    /// Reads on where the last look ended: dead letters before the ledger, so that an entry finds its letter.
    async fn look(&self) -> Result<(), LookError> {
        let dlq = topics::offsets(&self.admin, &self.kafka.topics.dlq).await?;
        let ledger = topics::offsets(&self.admin, &self.kafka.topics.ledger).await?;
        let (seen, mailroom, metrics) = (Arc::clone(&self.seen), self.mailroom.clone(), self.metrics.clone());
        let (topics, me) = (self.kafka.topics.clone(), auto::who());
        let look = tokio::task::spawn_blocking(move || {
            let mut seen = locked(&seen);
            if seen.dlq.is_void(&dlq) || seen.ledger.is_void(&ledger) {
                tracing::warn!("a topic was made anew, everything is read again");
                *seen = Seen::default();
            }
            let Seen { book, dlq: letters, ledger: entries, flights, newest_of_others, caught_up } = &mut *seen;
            for (partition, (low, _)) in &dlq {
                book.forget_before(*partition, *low);
            }
            if let Some(start) = letters.start(&dlq) {
                mailroom.each(&topics.dlq, &start, |record| {
                    letters.next.insert(record.partition, record.offset + 1);
                    let letter = Letter::of(record);
                    flights.letter(&letter);
                    book.letter(&letter);
                })?;
                letters.ends = ends(&dlq);
            }
            if let Some(start) = entries.start(&ledger) {
                let known = book.unreadable().is_some();
                mailroom.each(&topics.ledger, &start, |record| {
                    entries.next.insert(record.partition, record.offset + 1);
                    let entry = Entry::of(&record);
                    let made = match &entry {
                        Ok(Entry::Made(made)) => Some(made.clone()),
                        Ok(Entry::Withdrawn(_)) | Err(_) => None,
                    };
                    let Some(news) = book.entry(entry) else { return };
                    if *caught_up {
                        metrics.became(news);
                    }
                    if let Some(made) = made {
                        if made.by != me {
                            *newest_of_others = (*newest_of_others).max(Some(made.at));
                        }
                        flights.entry(made, &topics.user_data);
                    }
                })?;
                entries.ends = ends(&ledger);
                if let Some(unreadable) = book.unreadable().filter(|_| !known) {
                    tracing::warn!(%unreadable, "states may be older than they should be");
                }
            }
            let begins = dlq.iter().map(|(partition, (low, _))| (*partition, *low)).collect();
            flights.forget(&begins, Utc::now());
            *caught_up = true;
            Ok::<_, ReadError>(())
        });
        Ok(look.await.map_err(MailError::from)?.map_err(MailError::from)?)
    }

    fn show(&self, keeping: &mut Keeping, now: DateTime<Utc>) {
        let census = locked(&self.seen).book.census(&Selection::default(), &State::ALL, now);
        self.metrics.counted(&census);
        let retention = keeping.retention;
        let left = census.oldest_unresolved_ms.map(|oldest| expires_in(oldest, retention, now));
        self.metrics.expires_in(left.unwrap_or(retention).as_secs_f64());
        if keeping.expiry.warns(left, retention) {
            let unresolved = census.by_state.get(&State::Unresolved).copied().unwrap_or_default();
            let minutes = left.unwrap_or_default().as_secs() / 60;
            let remedy = "replay, park or discard them, or raise retention.ms of their topic";
            tracing::warn!(
                unresolved,
                minutes,
                remedy,
                "retention will delete dead letters that nobody has decided about"
            );
        }
    }

    fn there(&self, what: &str) {
        if self.health.ready(what) {
            tracing::info!(what, "is there");
        }
    }

    fn away(&self, what: &str, reason: &str, remedy: &str) {
        if self.health.not_ready(what, reason, remedy) {
            tracing::warn!(what, reason, remedy, "not ready, trying again");
        }
    }
}

/// How long it takes until retention may delete what the broker took at `oldest_ms`, milliseconds since 1970.
fn expires_in(oldest_ms: i64, retention: Duration, now: DateTime<Utc>) -> Duration {
    let age = u64::try_from(now.timestamp_millis().saturating_sub(oldest_ms)).unwrap_or_default();
    retention.saturating_sub(Duration::from_millis(age))
}

/// A panic elsewhere leaves at worst what is read or asked for again.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A look failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// The offsets are not known.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A topic cannot be read.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The ledger cannot be told.
    #[error(transparent)]
    Tell(#[from] SendError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unresolved_letter_expires_at_the_end_of_its_retention() {
        let now = DateTime::from_timestamp_millis(100_000).expect("a date");
        let kept = Duration::from_secs(30);
        assert_eq!(expires_in(90_000, kept, now), Duration::from_secs(20));
        assert_eq!(expires_in(1_000, kept, now), Duration::ZERO);
        assert_eq!(expires_in(100_500, kept, now), kept, "clocks differ");
        assert_eq!(retention_by_contract(), Duration::from_secs(30 * 86_400));
        assert_eq!([retention("1000"), retention("-1")], [Duration::from_secs(1), Duration::MAX]);
    }
}
