//! Dead letters of records that are healthy now, replayed by `dlq-replayer`, until all of them are home: how many a second, and
//! whether each is a row of the table then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::{StreamExt as _, stream};
use kafka::{Producer, Topics};
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::reason::{Reason, Stage};
use schema::record::{NewRecord, Record};
use serde::Serialize;
use serde_json::Value;

use crate::Voice;
use crate::census::Census;
use crate::contender::Contender;
use crate::expected::Expected;
use crate::failure::BenchError;
use crate::ground::{CASSANDRA, CLIENT, Ground, KAFKA};
use crate::records::{Document, Recipe};
use crate::results::Results;
use crate::sampler::Sampler;
use crate::table::mib;

/// Sends under way at once.
const UNDER_WAY: usize = 5_000;
/// The largest rate that the replayer takes: no limit.
const RATE: &str = "1000000";
/// How often it is looked whether the job has ended.
const LOOK: Duration = Duration::from_millis(10);
const REPLAYER: &str = "replayer";
const PROCESSOR: &str = "processor";

/// One job over all letters. CPU times are microseconds a letter.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    /// In which round, from 1; 0 warmed the servers up and counts for nothing.
    pub round: u32,
    /// Whether each letter is a row of the table, and the job says so too.
    pub passed: bool,
    /// Letters on the topic.
    pub letters: u64,
    /// From the start of the replayer to its end: every record is home.
    pub seconds: f64,
    /// Letters over that time.
    pub letters_per_second: f64,
    /// CPU time of the replayer.
    pub replayer_us: f64,
    /// Of the processor.
    pub processor_us: f64,
    /// Of Kafka.
    pub kafka_us: f64,
    /// Of Cassandra.
    pub cassandra_us: f64,
    /// Peak of the replayer's resident memory, MiB.
    pub peak_resident_mib: f64,
    /// Time of all processors that the host of this machine took, percent.
    pub steal_percent: f64,
    /// How the replayer ended.
    pub exit: String,
    /// What the replayer reports.
    pub report: Value,
    /// What is in the table.
    pub census: Census,
}

/// What replays found out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Replays {
    /// One a round.
    pub runs: Vec<Replay>,
}

/// The services that take part.
#[derive(Debug, Clone)]
pub struct ReplayPrograms {
    /// `dlq-replayer`.
    pub replayer: PathBuf,
    /// `stream-processor`.
    pub processor: PathBuf,
}

impl Ground {
    /// Replays `letters` dead letters once in each of `rounds`, and once more before; results are written to `folder` after each
    /// round.
    ///
    /// # Errors
    /// A server does not answer, or a service cannot be started. What was found before that is written.
    pub async fn replay(
        &self,
        programs: &ReplayPrograms,
        letters: u64,
        rounds: u32,
        head: impl Fn(Replays) -> Results<Replays>,
        folder: &Path,
        voice: &Voice,
    ) -> Result<(Replays, PathBuf), BenchError> {
        let (mut found, mut path) = (Replays::default(), PathBuf::new());
        for round in 0..=rounds {
            let run = self.replay_once(programs, letters, round).await?;
            // Whoever listens no more does not stop the run.
            let _ = voice.send(run.line());
            found.runs.push(run);
            path = Results { is_complete: round == rounds, ..head(found.clone()) }.write(folder)?;
        }
        Ok((found, path))
    }

    async fn replay_once(&self, programs: &ReplayPrograms, letters: u64, round: u32) -> Result<Replay, BenchError> {
        // Letters are never unresolved again, so each round has topics of its own.
        let name = |role: &str| format!("bench-replay-{round}-{role}");
        let topics = Topics {
            user_data: name("users"),
            dlq: name("dlq"),
            parked: name("parked"),
            ledger: name("ledger"),
            cursor: self.kafka.topics.cursor.clone(),
        };
        self.admin().create_topics(&topics.specs(), 1).await?;
        let expected = self.letters(&topics, letters).await?;
        self.truncate().await?;
        self.quiet().await?;
        let mut environment = self.environment();
        for (variable, topic) in [
            ("KAFKA_TOPIC_USER_DATA", &topics.user_data),
            ("KAFKA_TOPIC_DLQ", &topics.dlq),
            ("KAFKA_TOPIC_PARKED", &topics.parked),
            ("KAFKA_TOPIC_LEDGER", &topics.ledger),
        ] {
            environment.insert(variable, topic.clone());
        }
        environment.insert("KAFKA_GROUP_ID", name("group"));
        let work = self.folder().join("runs").join(name("work"));
        std::fs::create_dir_all(&work).map_err(BenchError::file(&work))?;
        let (log, said) = (work.join("processor.log"), work.join("replayer.out"));
        // What an earlier command left there is not this job's report.
        std::fs::write(&said, "").map_err(BenchError::file(&said))?;

        let processor = Contender::ours(PROCESSOR, &programs.processor, &[]).start(&environment, &work, &log)?;
        let mut job = Contender::ours(REPLAYER, &programs.replayer, &[]);
        let line = ["replay", "--yes", "--why", "benchmark", "--rate", RATE, "--output", "json"];
        job.arguments = line.map(str::to_owned).into();
        let sampler = Sampler::start(&self.servers()?)?;
        sampler.watch(PROCESSOR, processor.pid());
        let before = sampler.sample_everything();
        let job = job.start(&environment, &work, &said)?;
        sampler.watch(REPLAYER, job.pid());
        let exit = loop {
            if let Some(exit) = job.ended() {
                break exit;
            }
            tokio::time::sleep(LOOK).await;
        };
        let after = sampler.sample();
        let span = after.since(&before);
        drop(sampler);
        tokio::task::spawn_blocking(move || processor.end()).await??;
        let census = self.census(&expected).await?;
        let report = std::fs::read_to_string(&said).map_err(BenchError::file(&said))?;
        let report = report.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
        let confirmed = report.get("confirmed").and_then(Value::as_u64);
        let each = |name: &str| span.cpu_seconds(name) * 1e6 / letters as f64;
        Ok(Replay {
            round,
            passed: census.is_complete() && census.differing_columns.is_empty() && confirmed == Some(letters),
            letters,
            seconds: span.seconds,
            letters_per_second: letters as f64 / span.seconds.max(f64::EPSILON),
            replayer_us: each(REPLAYER),
            processor_us: each(PROCESSOR),
            kafka_us: each(KAFKA),
            cassandra_us: each(CASSANDRA),
            peak_resident_mib: mib(after.usage(REPLAYER).peak_resident_bytes as f64),
            steal_percent: span.steal_percent,
            exit,
            report,
            census,
        })
    }

    /// Puts dead letters of healthy records on the topic, as a processor with a stricter rule left them behind, and says what
    /// their replay has to come to.
    async fn letters(&self, topics: &Topics, letters: u64) -> Result<Expected, BenchError> {
        let recipe = Recipe { document: Document::Full, ..Recipe::default() };
        let (users, dlq): (Arc<str>, Arc<str>) = (topics.user_data.as_str().into(), topics.dlq.as_str().into());
        let producer = Producer::new(&self.kafka, CLIENT)?;
        let (now, mut expected) = (Utc::now(), Expected::default());
        let fault = Fault::new(Reason::QualityRule, Stage::Quality, "rules", "a rule was too strict");
        let app = App { name: CLIENT, version: env!("CARGO_PKG_VERSION") };
        let mut sending = stream::iter(0..letters)
            .map(|index| {
                let record = recipe.record(index, &users);
                let letter = dead_letter::from_record(
                    consumed(record.clone(), index),
                    &fault,
                    &dlq,
                    schema::topics::USER_DATA_DLQ.partitions,
                    &self.kafka.group_id,
                    &app,
                    now,
                );
                let sent = producer.send(letter);
                async move { (index, record, sent.await) }
            })
            .buffer_unordered(UNDER_WAY);
        while let Some((index, record, sent)) = sending.next().await {
            // A whole record names its source itself, so it makes the same row wherever its replay lies.
            expected.stored(index, false, record, sent?, now);
        }
        drop(sending);
        expected.finish();
        Ok(expected)
    }
}

fn consumed(record: NewRecord, index: u64) -> Record {
    Record {
        topic: record.topic,
        partition: 0,
        offset: index.cast_signed(),
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
        headers: record.headers,
    }
}
