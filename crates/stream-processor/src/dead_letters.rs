//! Dead letters, confirmed: a record counts as dead-lettered when the broker has acknowledged its dead letter (I2).
//!
//! Each is sent by a task of its own, which has the record's receipt: whoever found the record poison goes on with others
//! meanwhile.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use kafka::{Outcome, Producer, SendError};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::record::Record;
use service::backoff::RetrySettings;
use tokio::task::{JoinError, JoinSet};

use crate::hand::Hand;
use crate::metrics::Metrics;
use crate::trouble::{Trouble, Waiting};

/// The name of the DLQ in `/readyz`.
pub(crate) const DLQ: &str = "dead letters";

/// A dead letter that is not acknowledged in this time is trouble that `/readyz` names.
const SLOW: Duration = Duration::from_secs(10);

/// Dead letters of one worker that may be under way at once: enough to hide the way to the broker and back at any share of
/// poison, and their copies take little beside what the budget allows to be read.
const MOST: usize = 64;

/// A dead letter is given up. The offset of its record stays open: the next process reads it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    /// The producer is at its end.
    #[error("dead letters cannot be sent any more: {0}")]
    Producer(#[from] SendError),
    /// There is a bug.
    #[error("the task of a dead letter ended early: {0}")]
    Task(#[from] JoinError),
}

/// The dead letters of one worker that are on their way to the broker. Dropped, it gives them up.
pub(crate) struct UnderWay {
    dead_letters: Rc<DeadLetters>,
    tasks: JoinSet<Result<(), SendError>>,
}

impl UnderWay {
    /// None yet.
    pub(crate) fn new(dead_letters: &Rc<DeadLetters>) -> Self {
        Self { dead_letters: Rc::clone(dead_letters), tasks: JoinSet::new() }
    }

    /// Waits until one more may be sent. Safe to cancel.
    pub(crate) async fn room(&mut self) -> Result<(), Unsent> {
        while self.tasks.len() >= MOST {
            self.ended().await?;
        }
        Ok(())
    }

    /// Waits until one of them is stored, or its record let go; for ever while there is none. Safe to cancel.
    pub(crate) async fn ended(&mut self) -> Result<(), Unsent> {
        match self.tasks.join_next().await {
            Some(ended) => Ok(ended??),
            None => std::future::pending().await,
        }
    }

    /// Waits until all of them are.
    pub(crate) async fn all_ended(mut self) -> Result<(), Unsent> {
        while !self.tasks.is_empty() {
            self.ended().await?;
        }
        Ok(())
    }

    /// Sends the dead letter of the one record in `hand` and settles it.
    pub(crate) fn send(&mut self, record: Record, fault: Fault, hand: Hand) {
        let dead_letters = Rc::clone(&self.dead_letters);
        self.tasks.spawn_local(async move {
            tokio::select! {
                biased;
                sent = dead_letters.send(record, &fault) => {
                    sent?;
                    hand.settle(0, Outcome::DeadLettered);
                }
                () = hand.let_go(|| dead_letters.trouble.reason().is_some()) => {}
            }
            Ok(())
        });
    }
}

/// Sends dead letters of one shard.
pub(crate) struct DeadLetters {
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: Arc<str>,
    pub(crate) partitions: i32,
    pub(crate) group: String,
    pub(crate) app: App,
    pub(crate) retry: RetrySettings,
    pub(crate) trouble: Trouble,
    pub(crate) metrics: Metrics,
}

impl DeadLetters {
    /// Returns when the dead letter is stored. While it cannot be, the record's offset stays open and this waits: a dead
    /// letter is never dropped.
    ///
    /// # Errors
    /// The producer is at its end.
    async fn send(&self, record: Record, fault: &Fault) -> Result<(), SendError> {
        let (topic, partition, offset) = (Arc::clone(&record.topic), record.partition, record.offset);
        let letter =
            dead_letter::from_record(record, fault, &self.topic, self.partitions, &self.group, &self.app, Utc::now());
        let mut delays = self.retry.delays();
        let mut waiting = None;
        loop {
            let mut sending = pin!(self.producer.send(letter.clone()));
            let sent = match tokio::time::timeout(SLOW, sending.as_mut()).await {
                Ok(sent) => sent,
                Err(_slow) => {
                    self.tell(&mut waiting, &SendError::Transient(format!("waiting for {} s", SLOW.as_secs())));
                    // Not sent again: the producer repeats it, so that it is stored once.
                    sending.await
                }
            };
            match sent {
                Ok(_) => break,
                Err(error @ SendError::Fatal(_)) => return Err(error),
                Err(error) => self.tell(&mut waiting, &error),
            }
            tokio::time::sleep(delays.next()).await;
        }
        if waiting.is_some() {
            tracing::info!("a dead letter that waited is stored");
        }
        self.metrics.dead_lettered(fault);
        tracing::warn!(
            topic = &*topic,
            partition,
            offset,
            reason = fault.reason.as_str(),
            stage = fault.stage.as_str(),
            error_type = fault.error_type,
            rules = fault.rule_ids().join(","),
            "record dead-lettered"
        );
        Ok(())
    }

    fn tell<'a>(&'a self, waiting: &mut Option<Waiting<'a>>, error: &SendError) {
        let remedy = error.remedy();
        if waiting.get_or_insert_with(|| self.trouble.wait()).because(error.to_string(), remedy) {
            tracing::error!(topic = &*self.topic, %error, remedy, "dead letter is not stored, it waits");
        }
    }
}
