//! What is written and hidden from `read_committed`: an open transaction of anyone is before it, or one whose end a broker has
//! skipped. And how far a transaction reaches, which is to be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use schema::record::{NewRecord, Record};

use crate::admin::watermarks;
use crate::delivery::Delivered;
use crate::error::{ClientError, RequestError};
use crate::reader::{ReadError, Start, TopicReader};
use crate::settings::KafkaSettings;

/// How long open transactions are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);

type Place = (Arc<str>, i32);

/// The offsets that are hidden on each partition, from where `read_committed` ends to below where the written ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden(BTreeMap<Place, Range<i64>>);

impl Hidden {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// To where all of it can be read once its last offsets can.
    pub fn reach(&self) -> Reach {
        Reach(self.0.iter().map(|(place, offsets)| (place.clone(), offsets.end - 1)).collect())
    }

    /// Whether this offset is.
    pub fn contains(&self, topic: &str, partition: i32, offset: i64) -> bool {
        self.0.get(&(topic.into(), partition)).is_some_and(|hidden| hidden.contains(&offset))
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Place> {
        self.0.keys()
    }

    /// The records of it that are `wanted`, of transactions that are open, committed or aborted. Blocks.
    pub(crate) fn records(
        &self,
        settings: &KafkaSettings,
        client_id: &str,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Record>, ReadError> {
        let mut ranges: BTreeMap<&str, BTreeMap<i32, (i64, i64)>> = BTreeMap::new();
        for ((topic, partition), offsets) in &self.0 {
            ranges.entry(topic).or_default().insert(*partition, (offsets.start, offsets.end));
        }
        let mut records = Vec::new();
        for (topic, ranges) in ranges {
            for record in TopicReader::of_all(settings, client_id, topic, &Start::Between(ranges))? {
                let record = record?;
                if wanted(&record) {
                    records.push(record);
                }
            }
        }
        Ok(records)
    }
}

/// How far a transaction reaches: its last offset on each of its partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach(BTreeMap<Place, i64>);

impl Reach {
    /// Of the transaction of these records, each with where it was stored.
    pub(crate) fn of<'a>(stored: impl IntoIterator<Item = (&'a NewRecord, &'a Delivered)>) -> Self {
        let mut reach = BTreeMap::new();
        for (record, Delivered { partition, offset }) in stored {
            let last = reach.entry((Arc::clone(&record.topic), *partition)).or_insert(*offset);
            *last = (*last).max(*offset);
        }
        Self(reach)
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&Place, &i64)> {
        self.0.iter()
    }
}

/// What is written on `topics` now and still hidden after ten seconds. Blocks until nothing is, or for that time.
pub(crate) fn hidden(
    settings: &KafkaSettings,
    client_id: &str,
    topics: &BTreeSet<Arc<str>>,
) -> Result<Hidden, ReadError> {
    let mut config = settings.reader(client_id);
    let committed: BaseConsumer = config.create().map_err(ClientError::Config)?;
    // The client asks for the end that its isolation level sees: with this one, the end of all that was written.
    let written: BaseConsumer =
        config.set("isolation.level", "read_uncommitted").create().map_err(ClientError::Config)?;
    let mut places = Vec::new();
    for topic in topics {
        places.extend(partitions(&written, topic)?.into_iter().map(|partition| (Arc::clone(topic), partition)));
    }
    let ends = |client: &BaseConsumer| -> Result<BTreeMap<Place, i64>, RequestError> {
        let end = |place: &Place| Ok((place.clone(), watermarks(client, &place.0, place.1)?.1));
        let ends: Result<_, _> = places.iter().map(end).collect();
        ends.map_err(|source| RequestError { what: "asking for a topic's offsets", source })
    };
    let written = ends(&written)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let readable = ends(&committed)?;
        let hidden = written.iter().filter_map(|(place, end)| {
            let readable = readable.get(place).filter(|readable| *readable < end)?;
            Some((place.clone(), *readable..*end))
        });
        let hidden = Hidden(hidden.collect());
        if hidden.is_empty() || Instant::now() >= deadline {
            return Ok(hidden);
        }
        // Nothing is subscribed to: this only serves the client's own events meanwhile.
        drop(committed.poll(Duration::from_millis(50)));
    }
}

fn partitions(client: &BaseConsumer<DefaultConsumerContext>, topic: &str) -> Result<Vec<i32>, ReadError> {
    let failed = |source| RequestError { what: "asking for a topic's partitions", source };
    let metadata = client.fetch_metadata(Some(topic), ANSWER).map_err(failed)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let found = found.ok_or_else(|| ReadError::NoTopic(topic.to_owned()))?;
    Ok(found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect())
}

#[cfg(test)]
mod tests {
    use schema::record::Headers;

    use super::*;

    #[test]
    fn a_transaction_reaches_to_its_last_offset_on_each_partition() {
        let record = |topic: &str| NewRecord {
            topic: topic.into(),
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Headers::new(),
        };
        let records = ["a", "a", "b", "a"].map(record);
        let delivered = [(0, 7), (1, 3), (0, 2), (0, 6)].map(|(partition, offset)| Delivered { partition, offset });
        let expected = [(("a".into(), 0), 7), (("a".into(), 1), 3), (("b".into(), 0), 2)];
        assert_eq!(Reach::of(records.iter().zip(&delivered)), Reach(expected.into()));
    }
}
