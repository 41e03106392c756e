//! The publisher: sends the recipe's records and keeps a plain model of what was acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use kafka::{KafkaSettings, Producer, SendError};
use schema::version::VersionClock;
use service::shutdown::Shutdown;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::failure::TortureError;
use crate::model::Model;
use crate::recipe::{Item, Recipe};

/// Records leave in portions so far apart.
const TICK: Duration = Duration::from_millis(100);
/// Before a record is sent once more.
const AGAIN: Duration = Duration::from_millis(200);
/// Turns under way at most: while Kafka is away the load waits.
const UNDER_WAY: usize = 3_000;

/// A publisher at work.
pub(crate) struct Load {
    model: Arc<Mutex<Model>>,
    stop: Shutdown,
    /// One task; dropped, it ends.
    sending: JoinSet<Result<(), TortureError>>,
}

impl Load {
    /// Sends `rate` turns a second until [`Load::stop`].
    pub(crate) fn start(kafka: &KafkaSettings, recipe: Recipe, rate: u32) -> Result<Self, TortureError> {
        let producer = Arc::new(Producer::new(kafka, "torture")?);
        let model = Arc::<Mutex<Model>>::default();
        let stop = Shutdown::new(Duration::ZERO);
        let mut sending = JoinSet::new();
        sending.spawn(send_all(producer, recipe, rate, Arc::clone(&model), stop.clone()));
        Ok(Self { model, stop, sending })
    }

    /// Records acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        locked(&self.model).stored.len()
    }

    /// Sends nothing new, waits for every acknowledgement, and says what was acknowledged.
    pub(crate) async fn stop(mut self) -> Result<Model, TortureError> {
        self.stop.request();
        while let Some(sent) = self.sending.join_next().await {
            sent??;
        }
        Ok(locked(&self.model).clone())
    }
}

fn locked(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    // A panic elsewhere leaves at worst a record out, which then is missing from the promises, not from the topic.
    model.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send_all(
    producer: Arc<Producer>,
    recipe: Recipe,
    rate: u32,
    model: Arc<Mutex<Model>>,
    stop: Shutdown,
) -> Result<(), TortureError> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut clock = VersionClock::new();
    let mut under_way = JoinSet::new();
    let (mut turn, mut due) = (0, 0.0);
    while stop.cuts(tick.tick()).await.is_some() {
        while let Some(sent) = under_way.try_join_next() {
            sent??;
        }
        due += f64::from(rate) * TICK.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            if under_way.len() < UNDER_WAY {
                let items = recipe.turn(turn, || clock.next(Utc::now()));
                turn += 1;
                under_way.spawn(send(Arc::clone(&producer), items, Arc::clone(&model)));
            }
        }
    }
    while let Some(sent) = under_way.join_next().await {
        sent??;
    }
    Ok(())
}

/// Sends records one after another, each until it is acknowledged.
async fn send(producer: Arc<Producer>, items: Vec<Item>, model: Arc<Mutex<Model>>) -> Result<(), TortureError> {
    for Item { record, promise } in items {
        let at = loop {
            match producer.send(record.clone()).await {
                Ok(at) => break at,
                Err(SendError::Transient(_) | SendError::Misconfigured(_)) => tokio::time::sleep(AGAIN).await,
                Err(error @ (SendError::TooLarge | SendError::Rejected(_) | SendError::Fatal(_))) => {
                    return Err(TortureError::Unreadable(format!("the publisher cannot go on: {error}")));
                }
            }
        };
        locked(&model).acknowledged(promise, at);
    }
    Ok(())
}
