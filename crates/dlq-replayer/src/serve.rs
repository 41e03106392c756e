//! `serve`: keeps an eye on the dead letters and shows their states as metrics. It changes nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kafka::{Admin, AdminError, ClientError, KafkaSettings, ReadError, Start, TopicError, UNREACHABLE_REMEDY};
use schema::topics::USER_DATA_DLQ;
use service::Exit;
use service::health::Health;
use service::process::Context;

use crate::book::Book;
use crate::disposition::{Entry, State};
use crate::letter::Letter;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::metrics::Metrics;
use crate::selection::Selection;
use crate::topics;

/// How often it looks.
const REFRESH: Duration = Duration::from_secs(5);

/// The name of Kafka in `/readyz`.
const KAFKA: &str = "kafka";

/// Runs until a shutdown is requested.
///
/// # Errors
/// The Kafka client cannot be built.
pub(crate) async fn run(kafka: &KafkaSettings, context: &Context) -> Result<Exit, ClientError> {
    let retention = retention();
    let watch = Watch {
        kafka,
        admin: Admin::new(kafka, CLIENT)?,
        mailroom: Mailroom::new(kafka),
        metrics: Metrics::new(&context.metrics, retention.as_secs_f64()),
        health: context.health.clone(),
        seen: Arc::default(),
    };
    let rounds = async {
        loop {
            watch.round(retention).await;
            tokio::time::sleep(REFRESH).await;
        }
    };
    let ended: Option<Infallible> = context.health.while_waiting(context.shutdown.cuts(rounds)).await;
    debug_assert!(ended.is_none());
    Ok(Exit::Done)
}

/// How long a dead letter is kept, by the configuration that its topic is created with.
fn retention() -> Duration {
    let millis = USER_DATA_DLQ.config.iter().find(|(name, _)| *name == "retention.ms");
    Duration::from_millis(millis.and_then(|(_, millis)| millis.parse().ok()).unwrap_or_default())
}

/// How far a topic was read.
#[derive(Debug, Default)]
struct Place {
    /// The next offset to read, by partition.
    next: BTreeMap<i32, i64>,
    /// Where the topic ended before the last whole look. Behind the last record there may be transaction markers, so the
    /// next offset alone does not tell that nothing is new.
    ends: BTreeMap<i32, i64>,
}

impl Place {
    /// Whether the topic was made anew: it ends before the place we had reached.
    fn is_void(&self, offsets: &BTreeMap<i32, (i64, i64)>) -> bool {
        self.next.iter().any(|(partition, next)| offsets.get(partition).is_none_or(|(_, end)| end < next))
    }

    /// Where the next look begins; none where nothing is new.
    fn start(&self, offsets: &BTreeMap<i32, (i64, i64)>) -> Option<Start> {
        if ends(offsets) == self.ends {
            return None;
        }
        let next = |(partition, (low, _)): (&i32, &(i64, i64))| {
            (*partition, self.next.get(partition).copied().unwrap_or(*low).max(*low))
        };
        Some(Start::At(offsets.iter().map(next).collect()))
    }
}

fn ends(offsets: &BTreeMap<i32, (i64, i64)>) -> BTreeMap<i32, i64> {
    offsets.iter().map(|(partition, (_, end))| (*partition, *end)).collect()
}

#[derive(Debug, Default)]
struct Seen {
    book: Book,
    dlq: Place,
    ledger: Place,
    /// The ledger was read whole once: from now on an entry is an event.
    caught_up: bool,
}

struct Watch<'a> {
    kafka: &'a KafkaSettings,
    admin: Admin,
    mailroom: Mailroom,
    metrics: Metrics,
    health: Health,
    seen: Arc<Mutex<Seen>>,
}

impl Watch<'_> {
    async fn round(&self, retention: Duration) {
        if self.topics_there().await {
            match self.look().await {
                Ok(()) => self.there(KAFKA),
                Err(error) => self.away(KAFKA, &error.to_string(), UNREACHABLE_REMEDY),
            }
        }
        self.show(retention, Utc::now());
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
        let topics = self.kafka.topics.clone();
        let look = tokio::task::spawn_blocking(move || {
            let mut seen = locked(&seen);
            if seen.dlq.is_void(&dlq) || seen.ledger.is_void(&ledger) {
                tracing::warn!("a topic was made anew, everything is read again");
                *seen = Seen::default();
            }
            let Seen { book, dlq: letters, ledger: entries, caught_up } = &mut *seen;
            for (partition, (low, _)) in &dlq {
                book.forget_before(*partition, *low);
            }
            if let Some(start) = letters.start(&dlq) {
                mailroom.each(&topics.dlq, &start, |record| {
                    letters.next.insert(record.partition, record.offset + 1);
                    book.letter(&Letter::of(record));
                })?;
                letters.ends = ends(&dlq);
            }
            if let Some(start) = entries.start(&ledger) {
                let known = book.unreadable().is_some();
                mailroom.each(&topics.ledger, &start, |record| {
                    entries.next.insert(record.partition, record.offset + 1);
                    if let Some(state) = book.entry(Entry::of(&record)).filter(|_| *caught_up) {
                        metrics.became(state);
                    }
                })?;
                entries.ends = ends(&ledger);
                if let Some(unreadable) = book.unreadable().filter(|_| !known) {
                    tracing::warn!(%unreadable, "states may be older than they should be");
                }
            }
            *caught_up = true;
            Ok::<_, ReadError>(())
        });
        Ok(look.await.map_err(MailError::from)?.map_err(MailError::from)?)
    }

    fn show(&self, retention: Duration, now: DateTime<Utc>) {
        let census = locked(&self.seen).book.census(&Selection::default(), &State::ALL, now);
        self.metrics.counted(&census);
        self.metrics.expires_in(expires_in(census.oldest_unresolved_ms, retention, now));
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

/// Seconds until retention may delete what the broker took at `oldest_ms`, milliseconds since 1970.
fn expires_in(oldest_ms: Option<i64>, retention: Duration, now: DateTime<Utc>) -> f64 {
    let age = oldest_ms.map_or(0.0, |oldest| now.timestamp_millis().saturating_sub(oldest) as f64 / 1000.0);
    (retention.as_secs_f64() - age).max(0.0)
}

/// A panic elsewhere leaves at worst a book that is read again from its places.
fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unresolved_letter_expires_at_the_end_of_its_retention() {
        let now = DateTime::from_timestamp_millis(100_000).expect("a date");
        let retention = Duration::from_secs(30);
        assert!((expires_in(None, retention, now) - 30.0).abs() < 1e-9);
        assert!((expires_in(Some(90_000), retention, now) - 20.0).abs() < 1e-9);
        assert!(expires_in(Some(1_000), retention, now).abs() < 1e-9);
        assert_eq!(super::retention(), Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn a_look_goes_on_where_the_last_one_ended_and_takes_new_partitions_from_their_beginning() {
        let mut place = Place::default();
        let offsets = BTreeMap::from([(0, (5, 9)), (1, (0, 3))]);
        assert_eq!(place.start(&offsets), Some(Start::At(BTreeMap::from([(0, 5), (1, 0)]))));
        place.next = BTreeMap::from([(0, 8)]);
        place.ends = ends(&offsets);
        assert_eq!(place.start(&offsets), None, "a transaction marker is nothing new");
        let grown = BTreeMap::from([(0, (6, 9)), (1, (0, 3)), (2, (4, 5))]);
        assert_eq!(place.start(&grown), Some(Start::At(BTreeMap::from([(0, 8), (1, 0), (2, 4)]))));
    }

    #[test]
    fn a_topic_that_ends_before_our_place_was_made_anew() {
        let place = Place { next: BTreeMap::from([(0, 8)]), ends: BTreeMap::new() };
        assert!(!place.is_void(&BTreeMap::from([(0, (0, 8))])));
        assert!(place.is_void(&BTreeMap::from([(0, (0, 7))])));
        assert!(place.is_void(&BTreeMap::new()));
    }
}
