//! Puts the records of a recipe on a topic of their own, before any clock runs.

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use futures::{StreamExt as _, stream};
use kafka::Producer;
use schema::topics::TopicSpec;
use serde::Serialize;

use crate::Voice;
use crate::expected::Expected;
use crate::failure::BenchError;
use crate::ground::{CLIENT, Ground};
use crate::records::Recipe;

/// Sends under way at once.
const UNDER_WAY: usize = 5_000;

/// A topic that is full.
#[derive(Debug, Clone, Serialize)]
pub struct Loaded {
    /// Its name.
    pub topic: String,
    /// How its records were made.
    pub recipe: Recipe,
    /// How many are on it.
    pub records: u64,
    /// Its partitions.
    pub partitions: i32,
    /// Mean length of a value, bytes.
    pub value_bytes: u64,
    /// How long the loading took.
    pub seconds: f64,
    #[serde(skip)]
    pub(crate) expected: Arc<Expected>,
}

impl Ground {
    /// Makes a topic of `partitions` and puts the first `records` of the recipe on it.
    ///
    /// # Errors
    /// Kafka does not answer or takes a record not.
    pub async fn load(
        &self,
        recipe: Recipe,
        records: u64,
        partitions: i32,
        voice: &Voice,
    ) -> Result<Loaded, BenchError> {
        let topic = format!("bench-{}-{records}-{partitions}", recipe.name());
        // Whoever listens no more does not stop the run.
        let _ = voice.send(format!("loading {topic}"));
        let spec = TopicSpec {
            name: "bench",
            partitions,
            config: &[("retention.ms", "-1"), ("max.message.bytes", "1048576")],
        };
        self.admin().create_topics(&[(topic.as_str(), spec)], 1).await?;
        let producer = Producer::new(&self.kafka, CLIENT)?;
        let (began, name) = (Instant::now(), Arc::<str>::from(topic.as_str()));
        let (mut bytes, mut expected, now) = (0, Expected::default(), Utc::now());
        let mut sending = stream::iter(0..records)
            .map(|index| {
                let record = recipe.record(index, &name);
                let sent = producer.send(record.clone());
                async move { (index, record, sent.await) }
            })
            .buffer_unordered(UNDER_WAY);
        while let Some((index, record, delivered)) = sending.next().await {
            bytes += record.value.as_ref().map_or(0, Vec::len) as u64;
            expected.stored(index, recipe.hot_key(index).is_some(), record, delivered?, now);
        }
        drop(sending);
        expected.finish();
        let loaded = Loaded {
            topic,
            recipe,
            records,
            partitions,
            value_bytes: bytes / records.max(1),
            seconds: began.elapsed().as_secs_f64(),
            expected: Arc::new(expected),
        };
        let _ = voice.send(format!(
            "{} records of {} bytes on {partitions} partitions in {:.1} s",
            loaded.records, loaded.value_bytes, loaded.seconds
        ));
        Ok(loaded)
    }
}
