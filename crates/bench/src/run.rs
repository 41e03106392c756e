//! What one run came to.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::census::Census;
use crate::contest::Case;
use crate::curve::{Curve, Point};
use crate::ground::{CASSANDRA, KAFKA, SERVERS};
use crate::sampler::{Span, Usage};
use crate::table::mib;

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum End {
    /// Every row was written, and every offset committed where Kafka has them.
    #[default]
    Done,
    /// Every row was written, but the count of writes did not tell when: some were written more than once before others were at
    /// all, or two at once.
    Late,
    /// No new row for two minutes.
    Stalled,
    /// Every row was written, and no new offset committed for two minutes.
    Uncommitted,
    /// The contender ended by itself.
    Ended(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Late => f.write_str("done late"),
            Self::Stalled => f.write_str("stalled"),
            Self::Uncommitted => f.write_str("not committed"),
            Self::Ended(status) => write!(f, "ended by itself ({status})"),
        }
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// CPU time of a record, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuPerRecord {
    /// Of the contender with its children.
    pub contender: f64,
    /// Of Kafka.
    pub kafka: f64,
    /// Of Cassandra.
    pub cassandra: f64,
}

impl CpuPerRecord {
    fn of(used: Point, records: f64) -> Self {
        let each = |seconds: f64| seconds * 1e6 / records.max(1.0);
        Self { contender: each(used.contender), kafka: each(used.kafka), cassandra: each(used.cassandra) }
    }

    /// Of all three.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.contender + self.servers()
    }

    /// Of Kafka and Cassandra.
    #[must_use]
    pub fn servers(&self) -> f64 {
        self.kafka + self.cassandra
    }
}

/// One run with its figures. Times are seconds since the contender was started.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Run {
    /// The name of the case.
    pub case: String,
    /// Who.
    pub contender: String,
    /// In which round, from 1; 0 warmed the servers up.
    pub round: u32,
    /// Whether it only warmed the servers up: its figures count for nothing.
    pub is_warm_up: bool,
    /// Whether every row is in the table, and no other one; of ours also whether they hold what the records say, and whether it
    /// ended as it should.
    pub passed: bool,
    /// How it ended.
    pub end: End,
    /// The topic.
    pub topic: String,
    /// Records on the topic.
    pub records: u64,
    /// So many processes shared the work.
    pub processes: u32,
    /// How long it took beforehand until Cassandra was at rest; none where it was not within a minute.
    pub quiet_after_seconds: Option<f64>,
    /// Until the first row could be read.
    pub first_row_seconds: Option<f64>,
    /// Until the last row was written.
    pub rows_seconds: Option<f64>,
    /// Until the group had committed the end of every partition.
    pub committed_seconds: Option<f64>,
    /// Records per second from start to end, commits included.
    pub records_per_second: Option<f64>,
    /// Rows per second between 20 % and 80 % of them.
    pub steady_rows_per_second: Option<f64>,
    /// CPU time from start to end.
    pub cpu_us_per_record: CpuPerRecord,
    /// CPU time between 20 % and 80 % of the rows.
    pub steady_cpu_us_per_record: Option<CpuPerRecord>,
    /// CPU time of the servers in which they compiled their own code, percent. They are warm when it is next to nothing.
    pub compiling_percent: f64,
    /// CPU seconds of the contender until its first row.
    pub start_cpu_seconds: Option<f64>,
    /// Peak of the resident memory of all its processes, MiB.
    pub peak_resident_mib: f64,
    /// Context switches because a thread had to wait.
    pub voluntary_switches_per_record: f64,
    /// Context switches because another thread's turn came.
    pub involuntary_switches_per_record: f64,
    /// Threads at the end.
    pub threads: u64,
    /// Time of all processors that the host of this machine took, percent. Above 2 the figures are disturbed.
    pub steal_percent: f64,
    /// Time of all processors that nobody used, percent.
    pub idle_percent: f64,
    /// Mean number of processes that ran or wanted to, in the last minute.
    pub load: f64,
    /// Cores that others than the contender and the servers used, the harness itself included.
    pub other_cores: f64,
    /// Writes that Cassandra counted.
    pub writes: u64,
    /// Writes beyond those that the records need.
    pub duplicates: i64,
    /// What is in the table.
    pub census: Census,
    /// How the contender ended when it was asked to.
    pub exit: String,
    /// The way there.
    pub curve: Curve,
}

/// What was seen of a run.
pub(crate) struct Seen {
    pub(crate) end: End,
    pub(crate) exit: String,
    pub(crate) quiet: Option<Duration>,
    pub(crate) first_row: Option<Point>,
    pub(crate) rows_seconds: Option<f64>,
    pub(crate) committed_seconds: Option<f64>,
    /// When the clock stopped.
    pub(crate) stopped: Point,
    pub(crate) curve: Curve,
    pub(crate) usage: Usage,
    /// Of the machine, from start to stop.
    pub(crate) span: Span,
    pub(crate) load: f64,
    pub(crate) written: u64,
    pub(crate) census: Census,
}

impl Run {
    pub(crate) fn of(case: &Case, seen: Seen) -> Self {
        let expected = &case.topic.expected;
        let records = case.topic.records as f64;
        let ended_in_order = seen.exit.split(", ").all(|exit| exit == "exit status: 0");
        let mut census = seen.census;
        census.differing_columns.retain(|column| !case.contender.leaves_out.iter().any(|left| left == column));
        // What others end with when they are asked to is their affair, and a column of theirs that differs is told and no failure.
        let is_as_promised = !case.contender.is_ours || (ended_in_order && census.differing_columns.is_empty());
        let passed = census.is_complete() && matches!(seen.end, End::Done | End::Late) && is_as_promised;
        let steady = seen.curve.steady(expected.writes as f64);
        let whole = (seen.end == End::Done).then(|| records / seen.stopped.seconds.max(f64::EPSILON));
        Self {
            case: case.name.clone(),
            contender: case.contender.name.clone(),
            round: 0,
            is_warm_up: false,
            passed,
            topic: case.topic.topic.clone(),
            records: case.topic.records,
            processes: case.processes,
            quiet_after_seconds: seen.quiet.map(|took| took.as_secs_f64()),
            first_row_seconds: seen.first_row.map(|point| point.seconds),
            rows_seconds: seen.rows_seconds,
            committed_seconds: seen.committed_seconds,
            records_per_second: whole,
            steady_rows_per_second: steady.map(|steady| steady.rate()),
            cpu_us_per_record: CpuPerRecord::of(seen.stopped, records),
            steady_cpu_us_per_record: steady.map(|steady| CpuPerRecord::of(steady, steady.rows)),
            compiling_percent: seen.span.compiling_percent(&SERVERS),
            start_cpu_seconds: seen.first_row.map(|point| point.contender),
            peak_resident_mib: mib(seen.usage.peak_resident_bytes as f64),
            voluntary_switches_per_record: seen.usage.voluntary_switches as f64 / records,
            involuntary_switches_per_record: seen.usage.involuntary_switches as f64 / records,
            threads: seen.usage.threads,
            steal_percent: seen.span.steal_percent,
            idle_percent: seen.span.idle_percent,
            load: seen.load,
            other_cores: seen.span.busy_cores
                - [KAFKA, CASSANDRA, crate::drain::CONTENDER].iter().map(|name| seen.span.cores(name)).sum::<f64>(),
            writes: seen.written,
            duplicates: seen.written.cast_signed() - expected.writes.cast_signed(),
            census,
            end: seen.end,
            exit: seen.exit,
            curve: seen.curve.thinned(),
        }
    }
}
