//! `stream-processor audit`: the records of the topic, counted again, against the accounts in the group's commits (I8).
//!
//! What was produced is counted by reading the topic, so it does not rest on anything that a processor has counted.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use kafka::{Admin, AdminError, ClientError, Committed, KafkaSettings, ReadError, Start, TopicReader};
use serde::Serialize;
use service::Exit;

use crate::cli::Output;

/// The audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster did not answer.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// There is no such topic.
    #[error("topic {0} does not exist; set KAFKA_TOPIC_USER_DATA")]
    NoTopic(String),
    /// The topic cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The task that reads ended early.
    #[error("the task that reads the topic ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Records, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Counts {
    /// Readable records below the commit.
    produced: u64,
    /// Offsets of the account that retention has deleted: what they held cannot be counted any more.
    expired: u64,
    written: u64,
    dead_lettered: u64,
    skipped: u64,
    /// Produced and without an outcome; negative for outcomes without a record.
    unaccounted: i64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.produced += other.produced;
        self.expired += other.expired;
        self.written += other.written;
        self.dead_lettered += other.dead_lettered;
        self.skipped += other.skipped;
        self.unaccounted += other.unaccounted;
    }
}

/// One partition.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line {
    partition: i32,
    /// None when the group has committed nothing here.
    committed: Option<i64>,
    /// Where counting began; none without an account.
    from: Option<i64>,
    #[serde(flatten)]
    counts: Option<Counts>,
    /// Why there are no counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Audit {
    group: String,
    topic: String,
    partitions: Vec<Line>,
    total: Counts,
}

const NO_COMMIT: &str = "the group has committed nothing";
const NO_ACCOUNT: &str = "the commit carries no account";
const OTHER_TOPIC: &str = "the commit is of a topic that was deleted since";

/// What is to be counted of a partition: its account's offsets, less what retention has deleted.
fn readable(committed: &Committed, low: i64) -> Option<(i64, i64)> {
    let account = committed.account.as_ref()?;
    Some((account.from.max(low), committed.offset))
}

impl Line {
    /// `low` is the partition's first offset; `produced` were counted in [`readable`].
    fn of(partition: i32, committed: Option<&Committed>, topic_id: Option<&str>, low: i64, produced: u64) -> Self {
        let without =
            |committed: Option<i64>, note| Self { partition, committed, from: None, counts: None, note: Some(note) };
        let Some(Committed { offset, account }) = committed else { return without(None, NO_COMMIT) };
        let Some(account) = account else { return without(Some(*offset), NO_ACCOUNT) };
        if is_of_another(account.topic_id.as_deref(), topic_id) {
            return without(Some(*offset), OTHER_TOPIC);
        }
        let expired = u64::try_from(low.min(*offset) - account.from).unwrap_or(0);
        let difference = i128::from(produced) - i128::from(account.total());
        // Of expired offsets nobody can tell whether they held records: any number up to theirs may be right.
        let unaccounted = if difference > 0 { difference } else { (difference + i128::from(expired)).min(0) };
        let counts = Counts {
            produced,
            expired,
            written: account.written,
            dead_lettered: account.dead_lettered,
            skipped: account.skipped,
            unaccounted: i64::try_from(unaccounted).unwrap_or(i64::MIN),
        };
        Self { partition, committed: Some(*offset), from: Some(account.from), counts: Some(counts), note: None }
    }
}

fn is_of_another(counted: Option<&str>, now: Option<&str>) -> bool {
    matches!((counted, now), (Some(counted), Some(now)) if counted != now)
}

impl Audit {
    fn exit(&self) -> Exit {
        let accounted = |line: &Line| line.counts.is_none_or(|counts| counts.unaccounted == 0);
        if self.partitions.iter().all(accounted) { Exit::Done } else { Exit::Failed }
    }

    /// At most 80 columns as long as the counts have no more digits than their headers have letters.
    fn table(&self) -> String {
        const HEADER: [&str; 8] =
            ["PARTITION", "COMMITTED", "PRODUCED", "WRITTEN", "DEAD-LETTERED", "SKIPPED", "EXPIRED", "UNACCOUNTED"];
        let cells = |name: String, committed: Option<i64>, counts: Option<&Counts>| -> [String; 8] {
            let count =
                |of: fn(&Counts) -> i128| counts.map_or_else(|| "-".to_owned(), |counts| of(counts).to_string());
            [
                name,
                committed.map_or_else(|| "-".to_owned(), |offset| offset.to_string()),
                count(|counts| counts.produced.into()),
                count(|counts| counts.written.into()),
                count(|counts| counts.dead_lettered.into()),
                count(|counts| counts.skipped.into()),
                count(|counts| counts.expired.into()),
                count(|counts| counts.unaccounted.into()),
            ]
        };
        let mut rows = vec![HEADER.map(str::to_owned)];
        for line in &self.partitions {
            rows.push(cells(line.partition.to_string(), line.committed, line.counts.as_ref()));
        }
        rows.push(cells("total".to_owned(), None, Some(&self.total)));
        let mut widths = [0; 8];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.len().max(*width);
            }
        }
        let mut text = format!("group {} on topic {}\n", self.group, self.topic);
        for row in &rows {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            text.push_str(&cells.join(" "));
            text.push('\n');
        }
        for (partition, note) in self.partitions.iter().filter_map(|line| Some((line.partition, line.note?))) {
            text.push_str(&format!("partition {partition}: {note}\n"));
        }
        text
    }
}

async fn audit(kafka: &KafkaSettings) -> Result<Audit, AuditError> {
    let (group, topic) = (&kafka.group_id, &kafka.topics.user_data);
    let admin = Admin::new(kafka, "stream-processor-audit")?;
    let committed = admin.commits(group, topic).await?;
    let topic_id = admin.topic_id(topic).await?;
    let ends = admin.offsets(topic).await?.ok_or_else(|| AuditError::NoTopic(topic.clone()))?;
    let low = |partition: &i32| ends.get(partition).map_or(0, |(low, _)| *low);
    let ranges: BTreeMap<i32, (i64, i64)> = committed
        .iter()
        .filter_map(|(partition, committed)| Some((*partition, readable(committed, low(partition))?)))
        .collect();
    let (settings, name) = (kafka.clone(), topic.clone());
    let produced = tokio::task::spawn_blocking(move || count(&settings, &name, ranges)).await??;
    let line = |partition: &i32| {
        let produced = produced.get(partition).copied().unwrap_or(0);
        Line::of(*partition, committed.get(partition), topic_id.as_deref(), low(partition), produced)
    };
    let partitions: Vec<Line> = ends.keys().map(line).collect();
    let mut total = Counts::default();
    partitions.iter().filter_map(|line| line.counts.as_ref()).for_each(|counts| total.add(counts));
    Ok(Audit { group: group.clone(), topic: topic.clone(), partitions, total })
}

/// Readable records in the ranges, by partition.
fn count(
    kafka: &KafkaSettings,
    topic: &str,
    ranges: BTreeMap<i32, (i64, i64)>,
) -> Result<BTreeMap<i32, u64>, ReadError> {
    let mut produced = BTreeMap::new();
    for record in TopicReader::open(kafka, "stream-processor-audit", topic, &Start::Between(ranges))? {
        *produced.entry(record?.partition).or_default() += 1;
    }
    Ok(produced)
}

/// Makes the audit and prints it.
pub(crate) async fn run(kafka: &KafkaSettings, output: Output) -> Result<Exit, AuditError> {
    let audit = audit(kafka).await?;
    let text = match output {
        Output::Table => audit.table(),
        Output::Json => serde_json::to_string(&audit).map_err(io::Error::from)? + "\n",
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has gone away, as `head` does, has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(audit.exit())
}

#[cfg(test)]
mod tests {
    use kafka::Account;

    use super::*;

    fn committed(offset: i64, from: i64, written: u64) -> Committed {
        let account = Account { topic_id: Some("a".to_owned()), from, written, dead_lettered: 1, skipped: 0 };
        Committed { offset, account: Some(account) }
    }

    fn unaccounted(committed: &Committed, low: i64, produced: u64) -> (u64, i64) {
        let counts = Line::of(0, Some(committed), Some("a"), low, produced).counts.expect("counts");
        (counts.expired, counts.unaccounted)
    }

    #[test]
    fn what_was_produced_and_has_no_outcome_is_unaccounted() {
        let committed = committed(20, 10, 7);
        assert_eq!(unaccounted(&committed, 0, 8), (0, 0));
        assert_eq!(unaccounted(&committed, 0, 10), (0, 2), "lost");
        assert_eq!(unaccounted(&committed, 0, 7), (0, -1), "counted twice");
    }

    #[test]
    fn what_retention_has_deleted_is_expired_and_not_lost() {
        let committed = committed(20, 10, 7);
        assert_eq!(readable(&committed, 14), Some((14, 20)));
        assert_eq!(unaccounted(&committed, 14, 5), (4, 0), "3 outcomes of 4 expired offsets");
        assert_eq!(unaccounted(&committed, 14, 3), (4, -1), "5 outcomes of 4 expired offsets");
        assert_eq!(unaccounted(&committed, 14, 9), (4, 1));
        assert_eq!(unaccounted(&committed, 50, 0), (10, 0), "everything");
    }

    #[test]
    fn a_partition_without_an_account_says_why() {
        let note = |committed: Option<&Committed>| Line::of(3, committed, Some("b"), 0, 0).note;
        assert_eq!(note(None), Some(NO_COMMIT));
        assert_eq!(note(Some(&Committed { offset: 5, account: None })), Some(NO_ACCOUNT));
        assert_eq!(note(Some(&committed(20, 10, 7))), Some(OTHER_TOPIC));
    }

    #[test]
    fn the_table_fits_a_terminal_and_the_status_tells_what_it_says() {
        let mut audit = Audit {
            group: "g".to_owned(),
            topic: "user_data".to_owned(),
            partitions: vec![
                Line::of(0, Some(&committed(20, 10, 7)), Some("a"), 0, 8),
                Line::of(1, None, Some("a"), 0, 0),
            ],
            total: Counts { produced: 8, written: 7, dead_lettered: 1, ..Counts::default() },
        };
        let table = audit.table();
        assert!(table.lines().all(|line| line.len() <= 80), "{table}");
        let rows: Vec<Vec<&str>> = table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["0", "20", "8", "7", "1", "0", "0", "0"]);
        assert_eq!(rows[1], ["1", "-", "-", "-", "-", "-", "-", "-"]);
        assert_eq!(rows[2], ["total", "-", "8", "7", "1", "0", "0", "0"]);
        assert!(table.ends_with("partition 1: the group has committed nothing\n"), "{table}");
        assert_eq!(audit.exit(), Exit::Done);
        audit.partitions.push(Line::of(2, Some(&committed(20, 10, 7)), None, 0, 9));
        assert_eq!(audit.exit(), Exit::Failed);
        let json = serde_json::to_value(&audit).expect("JSON");
        assert_eq!(json["partitions"][2]["unaccounted"], 1);
        assert_eq!(json["partitions"][1]["note"], NO_COMMIT);
        assert_eq!(json["total"]["produced"], 8);
    }
}
