//! The last word of a compacted topic on one key.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use schema::record::Record;

use crate::admin::watermarks;
use crate::error::{ClientError, RequestError};
use crate::reader::{ReadError, Start, TopicReader};
use crate::settings::KafkaSettings;

/// How long open transactions are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Where a key that is written often is found without reading all of the topic.
const TAIL: i64 = 1_000;

/// The newest committed record of `key` on `topic` as of now; none where there is none. Blocks.
///
/// An open transaction of anyone hides what was committed behind it from every reader, so this waits until all that are open
/// now have ended: what is returned then is the newest one indeed, and not the newest one that can be seen.
///
/// # Errors
/// The topic is missing, cannot be read, or the open transactions did not end within ten seconds.
pub fn newest(settings: &KafkaSettings, client_id: &str, topic: &str, key: &[u8]) -> Result<Option<Record>, ReadError> {
    wait_until_decided(settings, client_id, topic)?;
    last(key, |start| TopicReader::open(settings, client_id, topic, start))
}

/// The newest record of `key` on `topic` whether it is committed or not; none where there is none. Blocks.
///
/// # Errors
/// The topic is missing or cannot be read.
pub fn newest_written(
    settings: &KafkaSettings,
    client_id: &str,
    topic: &str,
    key: &[u8],
) -> Result<Option<Record>, ReadError> {
    last(key, |start| TopicReader::of_all(settings, client_id, topic, start))
}

fn last(key: &[u8], open: impl Fn(&Start) -> Result<TopicReader, ReadError>) -> Result<Option<Record>, ReadError> {
    let newest = |start| -> Result<Option<Record>, ReadError> {
        let mut newest = None;
        for record in open(&start)? {
            let record = record?;
            if record.key.as_deref() == Some(key) {
                newest = Some(record);
            }
        }
        Ok(newest)
    };
    match newest(Start::Tail(TAIL))? {
        Some(record) => Ok(Some(record)),
        None => newest(Start::Beginning),
    }
}

/// Returns when everything that is on `topic` now is visible to `read_committed`, or was aborted. Blocks.
///
/// # Errors
/// The topic is missing, or its open transactions did not end within ten seconds.
pub fn wait_until_decided(settings: &KafkaSettings, client_id: &str, topic: &str) -> Result<(), ReadError> {
    let undecided = undecided(settings, client_id, topic)?;
    if undecided.is_empty() { Ok(()) } else { Err(ReadError::Undecided(topic.to_owned())) }
}

/// The partitions of `topic` on which something that is written now is hidden from `read_committed` for ten seconds, each with
/// where the written ends. Blocks until there is none, or for that time.
pub(crate) fn undecided(
    settings: &KafkaSettings,
    client_id: &str,
    topic: &str,
) -> Result<BTreeMap<i32, i64>, ReadError> {
    let mut config = settings.reader(client_id);
    let committed: BaseConsumer = config.create().map_err(ClientError::Config)?;
    // The client asks for the end that its isolation level sees: with this one, the end of all that was written.
    let written: BaseConsumer =
        config.set("isolation.level", "read_uncommitted").create().map_err(ClientError::Config)?;
    let partitions = partitions(&written, topic)?;
    let ends = |client: &BaseConsumer| -> Result<BTreeMap<i32, i64>, RequestError> {
        let end = |partition: &i32| Ok((*partition, watermarks(client, topic, *partition)?.1));
        let ends: Result<_, _> = partitions.iter().map(end).collect();
        ends.map_err(|source| RequestError { what: "asking for a topic's offsets", source })
    };
    let mut undecided = ends(&written)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let decided = ends(&committed)?;
        undecided.retain(|partition, end| decided.get(partition) < Some(end));
        if undecided.is_empty() || Instant::now() >= deadline {
            return Ok(undecided);
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
