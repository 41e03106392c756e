//! Single records by topic, partition and offset.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schema::record::Record;

use crate::admin::watermarks;
use crate::error::{Class, ClientError, RequestError, class, class_of_code};
use crate::message;
use crate::reader::ReadError;
use crate::settings::KafkaSettings;

/// A record that does not come for so long is given up, and with it the search.
const STALL: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);
/// A record that is so many offsets ahead is read up to; one that is farther is jumped to.
const NEAR: i64 = 1_000;

/// Why there is no record at a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// There is no such topic.
    #[error("topic {0} does not exist")]
    NoTopic(String),
    /// We may not read it.
    #[error("topic {0} may not be read")]
    Forbidden(String),
    /// The topic has fewer partitions.
    #[error("topic {topic} has no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// Retention has deleted it.
    #[error("retention has deleted {topic}/{partition}/{offset}")]
    Deleted {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// The partition does not reach so far, or compaction or an aborted transaction left nothing there.
    #[error("no record is at {topic}/{partition}/{offset}")]
    Nothing {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
}

/// Fetches records that are visible to `read_committed`, one at a time. Blocks.
pub struct RecordFinder {
    client: BaseConsumer<DefaultConsumerContext>,
    /// How many partitions a topic has, or why it cannot be read.
    topics: HashMap<String, Result<i32, Missing>>,
    /// The offsets that a partition of a topic had when it was asked last.
    bounds: HashMap<(String, i32), Range<i64>>,
    /// What is being fetched: topic, partition and the next offset to come.
    under_way: Option<(Arc<str>, i32, i64)>,
}

impl RecordFinder {
    /// Connects.
    ///
    /// # Errors
    /// The client library refuses a setting.
    pub fn open(settings: &KafkaSettings, client_id: &str) -> Result<Self, ReadError> {
        let mut config = settings.reader(client_id);
        // Assignment by hand: the group is named because the client wants one, and is never joined.
        config
            .set("group.id", "sluice-finder")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .set("auto.offset.reset", "earliest");
        let client: BaseConsumer = config.create().map_err(ClientError::Config)?;
        Ok(Self { client, topics: HashMap::new(), bounds: HashMap::new(), under_way: None })
    }

    /// The record at that place, or why there is none.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn find(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Result<Record, Missing>, ReadError> {
        let partitions = match self.partitions(topic)? {
            Ok(partitions) => partitions,
            Err(missing) => return Ok(Err(missing)),
        };
        if !(0..partitions).contains(&partition) {
            return Ok(Err(Missing::NoPartition { topic: topic.to_owned(), partition }));
        }
        let place = (topic.to_owned(), partition);
        let is_known = self.bounds.get(&place).is_some_and(|known| known.contains(&offset));
        if (is_known || self.bounds(&place)?.contains(&offset))
            && let Some(record) = self.fetch(topic, partition, offset)?
        {
            return Ok(Ok(record));
        }
        let is_deleted = offset < self.bounds(&place)?.start;
        let (topic, partition) = place;
        Ok(Err(if is_deleted {
            Missing::Deleted { topic, partition, offset }
        } else {
            Missing::Nothing { topic, partition, offset }
        }))
    }

    /// The offsets that the partition has now.
    fn bounds(&mut self, place: &(String, i32)) -> Result<Range<i64>, ReadError> {
        let failed = |source| RequestError { what: "asking for a partition's offsets", source };
        let (low, high) = watermarks(&self.client, &place.0, place.1).map_err(failed)?;
        self.bounds.insert(place.clone(), low..high);
        Ok(low..high)
    }

    fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Option<Record>, ReadError> {
        let (name, is_fresh) = match self.coming(topic, partition, offset) {
            Some(name) => (name, false),
            None => (self.begin(topic, partition, offset)?, true),
        };
        self.read(&name, partition, offset, is_fresh)
    }

    fn partitions(&mut self, topic: &str) -> Result<Result<i32, Missing>, ReadError> {
        let entry = match self.topics.entry(topic.to_owned()) {
            Entry::Occupied(known) => return Ok(known.get().clone()),
            Entry::Vacant(entry) => entry,
        };
        let failed = |source| RequestError { what: "asking for a topic's partitions", source };
        let metadata = self.client.fetch_metadata(Some(topic), ANSWER).map_err(failed)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let answer = match found.map(|found| (found, found.error().map(RDKafkaErrorCode::from))) {
            Some((found, None)) => Ok(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)),
            Some((_, Some(RDKafkaErrorCode::TopicAuthorizationFailed))) => Err(Missing::Forbidden(topic.to_owned())),
            Some((_, Some(code))) if class_of_code(code) != Class::Misconfigured => {
                return Err(failed(KafkaError::MetadataFetch(code)).into());
            }
            Some((_, Some(_))) | None => Err(Missing::NoTopic(topic.to_owned())),
        };
        Ok(entry.insert(answer).clone())
    }

    /// The topic's name, where what is being fetched comes by the place soon.
    fn coming(&self, topic: &str, partition: i32, offset: i64) -> Option<Arc<str>> {
        let (name, at, next) = self.under_way.as_ref()?;
        let is_near = (*next..next.saturating_add(NEAR)).contains(&offset);
        (**name == *topic && *at == partition && is_near).then(|| Arc::clone(name))
    }

    /// Fetches from there on.
    fn begin(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Arc<str>, ReadError> {
        let failed = |source| RequestError { what: "assigning a partition", source };
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(failed)?;
        self.client.assign(&assignment).map_err(failed)?;
        let name: Arc<str> = topic.into();
        self.under_way = Some((Arc::clone(&name), partition, offset));
        Ok(name)
    }

    fn read(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        offset: i64,
        mut is_fresh: bool,
    ) -> Result<Option<Record>, ReadError> {
        let deadline = Instant::now() + STALL;
        loop {
            match self.client.poll(Duration::from_millis(100)) {
                Some(Ok(polled)) => {
                    if polled.topic() != &**topic || polled.partition() != partition {
                        continue;
                    }
                    let at = polled.offset();
                    self.under_way = Some((Arc::clone(topic), partition, at.saturating_add(1)));
                    if at >= offset {
                        return Ok((at == offset).then(|| message::record(&polled, topic)));
                    }
                }
                // It may tell of an end that was reached before there was a record at the place.
                Some(Err(KafkaError::PartitionEOF(at))) if at == partition => {
                    if is_fresh {
                        self.under_way = None;
                        return Ok(None);
                    }
                    self.begin(topic, partition, offset)?;
                    is_fresh = true;
                }
                Some(Err(source)) if class(&source) != Class::Retry => {
                    return Err(RequestError { what: "reading a record", source }.into());
                }
                Some(Err(_)) | None if Instant::now() >= deadline => {
                    return Err(ReadError::Stalled(topic.to_string()));
                }
                Some(Err(_)) | None => {}
            }
        }
    }
}
