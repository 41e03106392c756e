//! What has arrived where: counts and the newest rows, asked of Kafka and Cassandra themselves.

use std::time::{Duration, Instant};

use cassandra::Session;
use chrono::DateTime;
use kafka::{Admin, Start, TopicReader};
use schema::record::Record;
use serde_json::Value;
use tokio::sync::watch;

use crate::settings::Settings;
use crate::table;

/// How often is looked.
const TICK: Duration = Duration::from_secs(1);
/// Rows shown.
const NEWEST: usize = 5;
/// Counting reads the whole table: it may take one part in so many of Cassandra's time.
const COUNTING_SHARE: u32 = 20;
/// Longest value shown, in characters.
const LONGEST: usize = 32;

/// One look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Offsets of the topic of users; a transaction of the replayer counts as one more.
    pub(crate) on_topic: Option<i64>,
    /// Rows of the table.
    pub(crate) rows: Option<String>,
    /// Records the processor has not settled.
    pub(crate) waiting: Option<i64>,
    pub(crate) dead_letters: Option<i64>,
    pub(crate) parked: Option<i64>,
    /// Newest first.
    pub(crate) newest: Vec<Vec<Option<String>>>,
}

/// Where to look.
pub(crate) struct Source {
    pub(crate) settings: Settings,
    pub(crate) admin: Admin,
    pub(crate) session: Session,
    /// The processor's `/v1/progress`.
    pub(crate) progress: String,
    pub(crate) http: reqwest::Client,
}

impl Source {
    /// Looks again and again until nobody listens any more. What does not answer keeps its last figure.
    pub(crate) async fn follow(self, figures: watch::Sender<Figures>) {
        let mut next_count = Instant::now();
        let mut shown_until = None;
        loop {
            let mut now = figures.borrow().clone();
            let topics = &self.settings.kafka.topics;
            now.on_topic = self.records(&topics.user_data).await.or(now.on_topic);
            now.dead_letters = self.records(&topics.dlq).await.or(now.dead_letters);
            now.parked = self.records(&topics.parked).await.or(now.parked);
            now.waiting = self.waiting().await;
            if Instant::now() >= next_count {
                let began = Instant::now();
                now.rows = self.rows().await.or(now.rows);
                next_count = Instant::now() + began.elapsed() * COUNTING_SHARE;
            }
            if now.on_topic != shown_until {
                let keys = self.newest_keys().await;
                now.newest = self.rows_of(&keys).await;
                // Rows that are still on their way are looked for again.
                if now.newest.len() == keys.len() {
                    shown_until = now.on_topic;
                }
            }
            figures.send_if_modified(|before| std::mem::replace(before, now) != *before);
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = figures.closed() => return,
            }
        }
    }

    async fn records(&self, topic: &str) -> Option<i64> {
        let offsets = self.admin.offsets(topic).await.ok()??;
        Some(offsets.values().map(|(first, end)| end - first).sum())
    }

    async fn waiting(&self) -> Option<i64> {
        let answer = self.http.get(&self.progress).send().await.ok()?.text().await.ok()?;
        let progress: Value = serde_json::from_str(&answer).ok()?;
        Some(
            progress.get("partitions")?.as_array()?.iter().filter_map(|partition| partition.get("lag")?.as_i64()).sum(),
        )
    }

    async fn rows(&self) -> Option<String> {
        let answer = self.session.query(&format!("SELECT COUNT(*) FROM {}", self.settings.table())).await.ok()?;
        answer.rows.into_iter().next()?.into_iter().next()?
    }

    /// Keys of the newest users on the topic, newest first, each once.
    async fn newest_keys(&self) -> Vec<String> {
        let kafka = self.settings.kafka.clone();
        let read = move || {
            let tail = Start::Tail(i64::try_from(NEWEST).unwrap_or(i64::MAX));
            TopicReader::open(&kafka, "sluice-xtask", &kafka.topics.user_data, &tail)?.collect::<Result<Vec<_>, _>>()
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(records)) => newest_keys(records),
            // The next look may succeed.
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }

    /// Those of the keys that have a row, in the order of the keys.
    async fn rows_of(&self, keys: &[String]) -> Vec<Vec<Option<String>>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let statement = format!(
            "SELECT id, first_name, last_name, country, email, WRITETIME(email) FROM {} WHERE id IN ({})",
            self.settings.table(),
            keys.join(", ")
        );
        let Ok(answer) = self.session.query(&statement).await else { return Vec::new() };
        let mut rows = answer.rows;
        rows.sort_by_key(|row| keys.iter().position(|key| row.first().is_some_and(|id| id.as_ref() == Some(key))));
        rows.into_iter().map(for_people).collect()
    }
}

fn newest_keys(mut records: Vec<Record>) -> Vec<String> {
    records.sort_by_key(|record| std::cmp::Reverse((record.timestamp_ms, record.offset)));
    let mut keys = Vec::new();
    for record in records {
        let key = record.key.and_then(|key| String::from_utf8(key).ok());
        // The key goes into a statement, so nothing but an id is let through.
        if let Some(key) = key.filter(|key| uuid::Uuid::try_parse(key).is_ok())
            && !keys.contains(&key)
        {
            keys.push(key);
        }
        if keys.len() == NEWEST {
            break;
        }
    }
    keys
}

/// The version as a time, long values cut.
fn for_people(mut row: Vec<Option<String>>) -> Vec<Option<String>> {
    if let Some(version) = row.last_mut() {
        let micros = version.as_ref().and_then(|text| text.parse().ok()).and_then(DateTime::from_timestamp_micros);
        *version = micros.map(|at| at.format("%H:%M:%S").to_string());
    }
    for value in row.iter_mut().skip(1).flatten() {
        if let Some((cut, _)) = value.char_indices().nth(LONGEST) {
            value.truncate(cut);
            value.push('…');
        }
    }
    row
}

impl Figures {
    /// Counts alone: what a new line of a plain output is worth.
    pub(crate) fn counts(&self) -> Vec<Option<String>> {
        let number = |figure: Option<i64>| figure.map(|figure| figure.to_string());
        vec![
            number(self.on_topic),
            self.rows.clone(),
            number(self.waiting),
            number(self.dead_letters),
            number(self.parked),
        ]
    }

    /// Both tables.
    pub(crate) fn shown(&self, settings: &Settings) -> String {
        let topics = &settings.kafka.topics;
        let table_name = settings.table();
        let counts = [
            format!("on {}", topics.user_data),
            format!("rows in {table_name}"),
            "waiting".to_owned(),
            format!("on {}", topics.dlq),
            format!("on {}", topics.parked),
        ];
        let dashes = self.counts().into_iter().map(|figure| Some(figure.unwrap_or_else(|| "-".to_owned()))).collect();
        let mut text = table::plain(&counts, &[dashes]).to_string();
        if !self.newest.is_empty() {
            let columns = ["newest id", "first_name", "last_name", "country", "email", "fetched (UTC)"];
            text.push('\n');
            text.push_str(&table::plain(&columns, &self.newest).to_string());
        }
        text
    }
}
