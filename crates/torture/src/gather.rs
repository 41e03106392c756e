//! Reads the findings from Kafka and Cassandra.

use std::collections::BTreeMap;

use cassandra::Session;
use chrono::Utc;
use dlq_replayer::disposition::Entry;
use dlq_replayer::letter::Letter;
use kafka::{Admin, KafkaSettings, ReadError, Start, TopicReader};
use schema::headers;
use schema::record::Record;
use schema::row::row_of;
use serde_json::Value;
use uuid::Uuid;

use crate::failure::TortureError;
use crate::findings::{
    COLUMNS, Disposed, Findings, LetterSeen, Place, Replay, RowSeen, Seen, Verdict, digest, digest_of,
};
use crate::ground::Ground;

/// Parts in which the table is read, each small enough for one answer.
const SLICES: i128 = 64;

/// Reads everything.
pub(crate) async fn gather(ground: &Ground) -> Result<Findings, TortureError> {
    let kafka = ground.kafka.clone();
    let mut findings = tokio::task::spawn_blocking(move || topics(&kafka)).await??;
    let admin = Admin::new(&ground.kafka, "torture")?;
    let topic = &ground.kafka.topics.user_data;
    findings.committed = admin.committed(&ground.kafka.group_id, topic).await?;
    let offsets = admin.offsets(topic).await?.unwrap_or_default();
    findings.ends = offsets.into_iter().map(|(partition, (_, end))| (partition, end)).collect();
    let session = Session::connect(&ground.cassandra).await?;
    findings.rows = rows(&session, &ground.table()).await?;
    Ok(findings)
}

fn each(kafka: &KafkaSettings, topic: &str, mut see: impl FnMut(Record)) -> Result<(), ReadError> {
    for record in TopicReader::open(kafka, "torture", topic, &Start::Beginning)? {
        see(record?);
    }
    Ok(())
}

fn topics(kafka: &KafkaSettings) -> Result<Findings, ReadError> {
    let names = &kafka.topics;
    let mut findings = Findings { topic: names.user_data.clone(), ..Findings::default() };
    each(kafka, &names.user_data, |record| findings.records.push(seen(&record)))?;
    each(kafka, &names.dlq, |record| {
        let letter = Letter::of(record);
        findings.book.letter(&letter);
        findings.letters.push(LetterSeen {
            of_user: if letter.is_from_producer() { text(&letter.headers, headers::SOURCE) } else { None },
            replay: replay(&letter.headers),
            id: letter.id,
        });
    })?;
    each(kafka, &names.parked, |record| {
        findings.parked.push(record.headers.text(headers::DLQ_ID).unwrap_or("no dlq.id").to_owned());
    })?;
    each(kafka, &names.ledger, |record| {
        let entry = Entry::of(&record);
        if let Ok(Entry::Made(made)) = &entry {
            let (id, job) = (made.id.clone(), made.replay_id.clone());
            findings.disposed.push(Disposed { id, state: made.state.as_str(), job });
        }
        findings.book.entry(entry);
    })?;
    each(kafka, &names.cursor, |record| findings.place = place(&record).or(findings.place.take()))?;
    Ok(findings)
}

fn text(headers: &schema::record::Headers, name: &str) -> Option<String> {
    headers.text(name).map(str::to_owned)
}

fn replay(headers: &schema::record::Headers) -> Option<Replay> {
    Some(Replay {
        of: text(headers, headers::REPLAY_DLQ_ID)?,
        job: text(headers, headers::REPLAY_ID)?,
        count: headers.text(headers::REPLAY_COUNT)?.parse().ok()?,
    })
}

fn seen(record: &Record) -> Seen {
    let verdict = match row_of(record, Utc::now()) {
        Ok(row) => Verdict::Row { id: row.id, version: row.version.get(), digest: digest_of(&row) },
        Err(_) => Verdict::Poison,
    };
    Seen {
        partition: record.partition,
        offset: record.offset,
        source: text(&record.headers, headers::SOURCE),
        replay: replay(&record.headers),
        verdict,
    }
}

/// The value is JSON with `seed` and `page`.
fn place(record: &Record) -> Option<Place> {
    let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let page = u32::try_from(value.get("page")?.as_u64()?).ok()?;
    Some(Place { seed: value.get("seed")?.as_str()?.to_owned(), page })
}

async fn rows(session: &Session, table: &str) -> Result<BTreeMap<Uuid, RowSeen>, TortureError> {
    let mut rows = BTreeMap::new();
    let columns = COLUMNS.join(", ");
    for (from, to) in slices() {
        let statement = format!(
            "SELECT id, WRITETIME(email), {columns} FROM {table} WHERE token(id) >= {from} AND token(id) <= {to}"
        );
        for mut row in session.query(&statement).await?.rows {
            let values = row.split_off(2.min(row.len()));
            let [Some(id), Some(version)] = row.as_slice() else {
                return Err(TortureError::Unreadable(format!("a row without an id or an e-mail: {row:?}")));
            };
            let unreadable = || TortureError::Unreadable(format!("a row's id or write time: {id}, {version}"));
            let version = version.parse().map_err(|_| unreadable())?;
            let id = Uuid::try_parse(id).map_err(|_| unreadable())?;
            rows.insert(id, RowSeen { version, digest: digest(&values) });
        }
    }
    Ok(rows)
}

/// Tokens of Cassandra's default partitioner are 64-bit numbers; the slices cover all of them, both ends included.
fn slices() -> impl Iterator<Item = (i128, i128)> {
    let (first, last) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let step = (last - first + 1) / SLICES;
    (0..SLICES).map(move |slice| (first + slice * step, first + (slice + 1) * step - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slices_cover_every_token_once() {
        let slices: Vec<_> = slices().collect();
        assert_eq!((slices[0].0, slices[63].1), (i128::from(i64::MIN), i128::from(i64::MAX)));
        assert!(slices.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
    }
}
