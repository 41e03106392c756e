//! The last word of a compacted topic on one key.

use std::collections::BTreeSet;

use schema::record::Record;

use crate::hidden::hidden;
use crate::reader::{ReadError, Start, TopicReader};
use crate::settings::KafkaSettings;

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
    let hidden = hidden(settings, client_id, &BTreeSet::from([topic.into()]))?;
    if hidden.is_empty() { Ok(()) } else { Err(ReadError::Undecided(topic.to_owned())) }
}
