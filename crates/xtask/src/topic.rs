//! `cargo xtask topic`: the newest records of a topic.

use std::fmt::Write as _;
use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use clap::Args;
use kafka::{Start, TopicReader};
use schema::record::Record;
use service::Exit;

use crate::failure::Failure;
use crate::running::Running;
use crate::screen;
use crate::settings::Settings;
use crate::table::printable;

/// Arguments of `topic`.
#[derive(Args)]
pub(crate) struct Topic {
    /// Its name, such as user_data_dlq.
    name: String,
    /// How many of the newest records to print.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    tail: i64,
}

/// Prints the newest records over all partitions, oldest first.
pub(crate) async fn run(topic: Topic, data_dir: &Path) -> Result<Exit, Failure> {
    let running = Running::find(data_dir)?;
    let settings = Settings::read()?.at(running.kafka, running.cassandra);
    let known = settings.kafka.topics.specs().map(|(name, _)| name.to_owned()).join(", ");
    let count = usize::try_from(topic.tail).unwrap_or(usize::MAX);
    let read = move || {
        // All of the newest may be in one partition, so as many are read of each; the end of a transaction takes an
        // offset too.
        let start = Start::Tail(2 * topic.tail + 1);
        let reader = TopicReader::open(&settings.kafka, "sluice-xtask", &topic.name, &start)?;
        reader.collect::<Result<Vec<Record>, _>>()
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| Failure::System(error.into()))?;
    let records = newest(read.map_err(|source| Failure::Topic { source, known })?, count);
    let text: Vec<String> = records.iter().map(shown).collect();
    screen::print(if text.is_empty() { "the topic is empty".to_owned() } else { text.join("\n") }.as_str())?;
    Ok(Exit::Done)
}

fn newest(mut records: Vec<Record>, count: usize) -> Vec<Record> {
    records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
    records.split_off(records.len().saturating_sub(count))
}

fn shown(record: &Record) -> String {
    let at = record.timestamp_ms.and_then(DateTime::from_timestamp_millis);
    let at = at.map_or_else(String::new, |at| format!("  {}", at.to_rfc3339_opts(SecondsFormat::Millis, true)));
    let mut text = format!("{}/{}/{}{at}\n", record.topic, record.partition, record.offset);
    let _ = writeln!(text, "  key     {}", bytes(record.key.as_deref()));
    for header in record.headers.iter() {
        let _ = writeln!(text, "  header  {} = {}", printable(&header.name), bytes(header.value.as_deref()));
    }
    let _ = write!(text, "  value   {}", bytes(record.value.as_deref()));
    text
}

/// Text as text, anything else with its odd bytes escaped.
fn bytes(value: Option<&[u8]>) -> String {
    match value.map(|value| (value, std::str::from_utf8(value))) {
        None => "null".to_owned(),
        Some((_, Ok(text))) => printable(text),
        Some((value, Err(_))) => value.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::record::Headers;

    fn record(partition: i32, offset: i64, timestamp_ms: i64, value: Option<&[u8]>) -> Record {
        Record {
            topic: "t".into(),
            partition,
            offset,
            timestamp_ms: Some(timestamp_ms),
            key: Some(b"k".to_vec()),
            value: value.map(ToOwned::to_owned),
            headers: Headers::new(),
        }
    }

    #[test]
    fn the_newest_over_all_partitions_come_last() {
        let records =
            vec![record(0, 7, 30, None), record(1, 0, 10, None), record(1, 1, 20, None), record(0, 8, 40, None)];
        let places: Vec<_> = newest(records, 3).iter().map(|record| (record.partition, record.offset)).collect();
        assert_eq!(places, [(1, 1), (0, 7), (0, 8)]);
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped_and_null_is_told() {
        let mut odd = record(2, 5, 0, Some(b"\xff\x00a"));
        odd.headers.push("dlq.reason", "deserialization");
        let text = shown(&odd);
        assert!(text.starts_with("t/2/5  1970-01-01T00:00:00.000Z\n"), "{text}");
        assert!(text.contains("header  dlq.reason = deserialization"), "{text}");
        assert!(text.ends_with("value   \\xff\\x00a"), "{text}");
        assert!(shown(&record(0, 0, 0, None)).ends_with("value   null"));
    }
}
