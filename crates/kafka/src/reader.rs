//! A bounded look at a topic: from a start to where it ended when the look began, outside of any group.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message};
use schema::record::Record;

use crate::admin::watermarks;
use crate::error::Class;
use crate::error::{ClientError, RequestError, class};
use crate::message;
use crate::settings::KafkaSettings;

/// A look that makes no progress for so long is given up.
const STALL: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At each partition's first record.
    Beginning,
    /// So many offsets before each partition's end.
    Tail(i64),
    /// At these offsets; partitions that are not named are left out.
    At(BTreeMap<i32, i64>),
    /// At the first offset of each pair, and to below the second; partitions that are not named are left out.
    Between(BTreeMap<i32, (i64, i64)>),
}

/// The look failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The client could not be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no such topic.
    #[error("topic {0} does not exist")]
    NoTopic(String),
    /// The cluster did not answer, or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Transactions that were open when the look began did not end.
    #[error("transactions on topic {0} stay open")]
    Undecided(String),
    /// Nothing came for half a minute.
    #[error("topic {0} delivers nothing")]
    Stalled(String),
}

/// How far a look is, in offsets: a few of them may be those of transaction markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Offsets that were passed.
    pub read: u64,
    /// Offsets between the start and where the topic ended when the look began.
    pub to_read: u64,
}

/// An iterator over the records that are visible to `read_committed`, unless more was asked for. Blocks.
pub struct TopicReader {
    client: BaseConsumer<DefaultConsumerContext>,
    topic: Arc<str>,
    /// Partitions not yet read to their end, with what is left of them.
    open: BTreeMap<i32, Range<i64>>,
    to_read: u64,
}

impl TopicReader {
    /// Fixes the end offsets and begins to fetch.
    pub fn open(settings: &KafkaSettings, client_id: &str, topic: &str, start: &Start) -> Result<Self, ReadError> {
        Self::with(settings.reader(client_id), topic, start)
    }

    /// A look at everything that is written, of open and of aborted transactions too.
    pub(crate) fn of_all(
        settings: &KafkaSettings,
        client_id: &str,
        topic: &str,
        start: &Start,
    ) -> Result<Self, ReadError> {
        let mut config = settings.reader(client_id);
        config.set("isolation.level", "read_uncommitted");
        Self::with(config, topic, start)
    }

    fn with(mut config: ClientConfig, topic: &str, start: &Start) -> Result<Self, ReadError> {
        // Assignment by hand: the group is named because the client wants one, and is never joined.
        config
            .set("group.id", "sluice-reader")
            .set("enable.partition.eof", "true")
            // The broker holds back the answer that says "end" for this long, and one answer at a time serves all partitions.
            .set("fetch.wait.max.ms", "10")
            // What is fetched ahead of the reading. The queue's bytes are counted without headers, of which dead letters
            // mostly consist, and an answer's as they are compressed: with 16 and 8 MiB there were 300 MB ahead of the reading.
            .set("queued.min.messages", "2000")
            .set("queued.max.messages.kbytes", "4096")
            .set("max.partition.fetch.bytes", "131072")
            .set("fetch.max.bytes", "2097152")
            .set("auto.offset.reset", "earliest");
        let client: BaseConsumer = config.create().map_err(ClientError::Config)?;
        let failed = |what| move |source| RequestError { what, source };
        let metadata = client.fetch_metadata(Some(topic), ANSWER).map_err(failed("asking for a topic's partitions"))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let found = found.ok_or_else(|| ReadError::NoTopic(topic.to_owned()))?;
        let mut open = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for partition in found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id) {
            let (low, high) = watermarks(&client, topic, partition).map_err(failed("asking for a topic's offsets"))?;
            let (from, end) = match start {
                Start::Beginning => (low, high),
                Start::Tail(count) => ((high - count).max(low), high),
                Start::At(offsets) => (offsets.get(&partition).copied().unwrap_or(high).max(low), high),
                Start::Between(ranges) => {
                    let (from, end) = ranges.get(&partition).copied().unwrap_or((high, high));
                    (from.max(low), end.min(high))
                }
            };
            if from < end {
                open.insert(partition, from..end);
                assignment
                    .add_partition_offset(topic, partition, Offset::Offset(from))
                    .map_err(failed("assigning partitions"))?;
            }
        }
        client.assign(&assignment).map_err(failed("assigning partitions"))?;
        let to_read = offsets(&open);
        Ok(Self { client, topic: topic.into(), open, to_read })
    }

    /// How far the look is.
    pub fn progress(&self) -> Progress {
        Progress { read: self.to_read.saturating_sub(offsets(&self.open)), to_read: self.to_read }
    }

    fn read(&mut self) -> Result<Option<Record>, ReadError> {
        let deadline = Instant::now() + STALL;
        while !self.open.is_empty() {
            match self.client.poll(Duration::from_millis(100)) {
                Some(Ok(polled)) => {
                    let (partition, offset) = (polled.partition(), polled.offset());
                    let Some(left) = self.open.get_mut(&partition) else { continue };
                    left.start = offset + 1;
                    let end = left.end;
                    if left.is_empty() {
                        self.open.remove(&partition);
                    }
                    if offset < end {
                        return Ok(Some(message::record(&polled, &self.topic)));
                    }
                }
                // Behind the last visible record there may be transaction markers: the end is reached without a record.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.open.remove(&partition);
                }
                Some(Err(source)) if class(&source) != Class::Retry => {
                    return Err(RequestError { what: "reading a topic", source }.into());
                }
                Some(Err(_)) | None if Instant::now() >= deadline => {
                    return Err(ReadError::Stalled(self.topic.to_string()));
                }
                Some(Err(_)) | None => {}
            }
        }
        Ok(None)
    }
}

fn offsets(ranges: &BTreeMap<i32, Range<i64>>) -> u64 {
    ranges.values().map(|range| u64::try_from(range.end - range.start).unwrap_or_default()).sum()
}

impl Iterator for TopicReader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read().transpose();
        if matches!(item, Some(Err(_))) {
            self.open.clear();
        }
        item
    }
}
