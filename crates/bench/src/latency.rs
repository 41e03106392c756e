//! How long after it was due a record's row is there, at a rate that nothing slows down.
//!
//! - [`schedule`] says when each record is due; [`sender`] sends them then, whatever became of earlier ones.
//! - [`reader`] looks for one key in a hundred until its row is there, as anybody could.
//! - [`own_histogram`] is what the processor itself says of all records; [`summary`] is how times are told.

mod own_histogram;
mod reader;
mod schedule;
mod sender;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kafka::{KafkaSettings, Producer};
use local_stack::port;
use schema::topics::TopicSpec;
use serde::{Deserialize, Serialize};
use service::settings::Reader;
use uuid::Uuid;

use crate::Voice;
use crate::contender::{Contender, Running};
use crate::failure::BenchError;
use crate::ground::{CASSANDRA, CLIENT, Ground, KAFKA, SERVERS};
pub use crate::latency::own_histogram::Acknowledged;
use crate::latency::own_histogram::Buckets;
use crate::latency::reader::{Search, wait_for_row};
pub(crate) use crate::latency::schedule::Schedule;
pub(crate) use crate::latency::sender::{Beginning, send};
pub use crate::latency::summary::Summary;
use crate::native;
use crate::plan::PARTITIONS;
use crate::records::Recipe;
use crate::sampler::Sampler;

/// Until the first row is there, from the start of the process; Spark on a busy machine takes a minute.
const START: Duration = Duration::from_secs(300);
/// How long rows are waited for behind the last record.
const PATIENCE: Duration = Duration::from_secs(60);
/// From the order to begin until the first record is due.
const LEAD: Duration = Duration::from_millis(200);
/// Between two looks whether a contender that has written nothing is still there.
const GLANCE: Duration = Duration::from_millis(500);
/// How long the processor may take to tell its metrics.
const METRICS_WITHIN: Duration = Duration::from_secs(5);
/// The tree of the contender in a sampler.
const CONTENDER: &str = "contender";

/// How much is measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct LatencyOptions {
    /// Records a second.
    pub rate: u64,
    /// How long records are sent before and not counted, seconds.
    pub warm_up_seconds: u64,
    /// How long they are counted, seconds.
    pub seconds: u64,
}

/// One contender at one rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LatencyRun {
    /// Who.
    pub contender: String,
    /// How much was measured.
    #[serde(flatten)]
    pub options: LatencyOptions,
    /// From the start of its process until a record that was there before had its row.
    pub first_row_seconds: f64,
    /// Records sent, those of the warm-up included.
    pub records: u64,
    /// How much later than due records were handed to the client. It is part of the latencies.
    pub sent_late: Option<Summary>,
    /// From when a record was due until a reader had its row, one key in a hundred.
    pub visible: Option<Summary>,
    /// Keys of those whose rows were not there a minute after the end: must be 0.
    pub never_seen: u64,
    /// From when a record was due until its acknowledgement, all records, as the processor itself counts it.
    pub acknowledged: Option<Acknowledged>,
    /// Cores that the contender used while records were counted.
    pub contender_cores: f64,
    /// The same of Kafka.
    pub kafka_cores: f64,
    /// The same of Cassandra, our reader's looks included.
    pub cassandra_cores: f64,
    /// CPU time of both in which they compiled their own code, percent.
    #[serde(default)]
    pub compiling_percent: f64,
    /// Peak of the contender's resident memory, bytes.
    pub peak_resident_bytes: u64,
    /// Time that the host took from this machine, percent.
    pub steal_percent: f64,
    /// Time that nobody used, percent.
    pub idle_percent: f64,
}

/// Measures one contender at one rate on a topic and a group of their own.
///
/// # Errors
/// A server does not do as asked, or the contender does not start.
pub async fn latency(
    ground: &Ground,
    contender: &Contender,
    options: LatencyOptions,
    voice: &Voice,
) -> Result<LatencyRun, BenchError> {
    let run = Uuid::now_v7();
    let (topic, seed) = (format!("bench-latency-{}", run.simple()), u64::from_be_bytes(*last_eight(&run)));
    let recipe = Recipe { seed, ..Recipe::default() };
    let spec = TopicSpec { name: "bench", partitions: PARTITIONS, config: &[("retention.ms", "-1")] };
    ground.admin().create_topics(&[(topic.as_str(), spec)], 1).await?;
    ground.truncate().await?;
    ground.quiet().await?;
    let at_work = AtWork::start(ground, contender, &topic)?;
    let first_row = at_work.first_row(ground, seed).await?;

    let schedule = Schedule {
        rate: options.rate,
        warm_up: Duration::from_secs(options.warm_up_seconds),
        counted: Duration::from_secs(options.seconds),
    };
    let sampler = Sampler::start(&ground.servers()?)?;
    sampler.watch(CONTENDER, at_work.running.pid());
    let beginning = Beginning::after(LEAD);
    let (_sending, stop_sending) = mpsc::channel();
    let (_reading, stop_reading) = mpsc::channel();
    let (kafka, topic) = (prompt(ground)?, Arc::<str>::from(topic));
    let sent = tokio::task::spawn_blocking(move || send(&schedule, &recipe, &topic, &kafka, beginning, &stop_sending));
    let address = native::address(&ground.cassandra)?;
    let search = Search { address, table: ground.table(), recipe, schedule, beginning, patience: PATIENCE };
    let seen = tokio::task::spawn_blocking(move || search.run(&stop_reading));

    tokio::time::sleep_until((beginning.instant + schedule.warm_up).into()).await;
    let (before, counted_before) = (sampler.sample_everything(), at_work.metrics().await);
    tokio::time::sleep_until((beginning.instant + schedule.warm_up + schedule.counted).into()).await;
    let after = sampler.sample_everything();
    let (sent, seen) = (sent.await??, seen.await??);
    let counted_after = at_work.metrics().await;
    at_work.end().await?;

    let span = after.since(&before);
    let own = counted_before.zip(counted_after);
    let run = LatencyRun {
        contender: contender.name.clone(),
        options,
        first_row_seconds: first_row.as_secs_f64(),
        records: sent.records,
        sent_late: sent.late,
        visible: seen.times.summary(),
        never_seen: seen.never,
        acknowledged: own.and_then(|(then, now)| Buckets::read(&now).since(&Buckets::read(&then)).summary()),
        contender_cores: span.cores(CONTENDER),
        kafka_cores: span.cores(KAFKA),
        cassandra_cores: span.cores(CASSANDRA),
        compiling_percent: span.compiling_percent(&SERVERS),
        peak_resident_bytes: after.usage(CONTENDER).peak_resident_bytes,
        steal_percent: span.steal_percent,
        idle_percent: span.idle_percent,
    };
    if let Some(visible) = run.visible {
        // Whoever listens no more does not stop the run.
        let _ = voice.send(format!(
            "{} at {} records/s: p50 {:.1} ms, p99 {:.1} ms, {} never seen",
            run.contender, options.rate, visible.p50_ms, visible.p99_ms, run.never_seen
        ));
    }
    Ok(run)
}

/// A contender with a topic and a group of its own.
struct AtWork {
    running: Running,
    started: Instant,
    topic: String,
    log: PathBuf,
    /// Where it tells its metrics, if it is ours.
    metrics: Option<String>,
}

impl AtWork {
    fn start(ground: &Ground, contender: &Contender, topic: &str) -> Result<Self, BenchError> {
        let work = ground.folder().join("runs").join(topic);
        std::fs::create_dir_all(&work).map_err(BenchError::file(&work))?;
        let mut environment = ground.environment();
        environment.insert("KAFKA_TOPIC_USER_DATA", topic.to_owned());
        environment.insert("KAFKA_GROUP_ID", topic.to_owned());
        let admin = format!("127.0.0.1:{}", port::free(&[]).map_err(BenchError::process(&contender.name))?);
        let metrics = contender.is_ours.then(|| format!("http://{admin}/metrics"));
        if contender.is_ours {
            environment.insert("ADMIN_ADDR", admin);
        }
        let (started, log) = (Instant::now(), work.join("log"));
        let running = contender.start(&environment, &work, &log)?;
        Ok(Self { running, started, topic: topic.to_owned(), log, metrics })
    }

    /// Waits until it works: a record of another seed has its row.
    async fn first_row(&self, ground: &Ground, seed: u64) -> Result<Duration, BenchError> {
        let recipe = Recipe { seed: seed.wrapping_add(1), ..Recipe::default() };
        Producer::new(&ground.kafka, CLIENT)?.send(recipe.record(0, &self.topic.as_str().into())).await?;
        let (address, table) = (native::address(&ground.cassandra)?, ground.table());
        let (_waiting, stop) = mpsc::channel();
        let look = move || wait_for_row(address, &table, recipe.id(0), START, &stop);
        let mut looking = tokio::task::spawn_blocking(look);
        let found = loop {
            tokio::select! {
                found = &mut looking => break found??,
                () = tokio::time::sleep(GLANCE) => if let Some(status) = self.running.ended() {
                    let log = self.log.display();
                    return Err(BenchError::Unreadable(format!("it ended by itself with {status}: see {log}")));
                },
            }
        };
        found.map(|_| self.started.elapsed()).ok_or_else(|| {
            let (limit, log) = (START.as_secs(), self.log.display());
            BenchError::Unreadable(format!("it has written nothing in {limit} s: see {log}"))
        })
    }

    /// What it tells; none where it is not ours, or does not answer.
    async fn metrics(&self) -> Option<String> {
        let client = reqwest::Client::builder().no_proxy().timeout(METRICS_WITHIN).build().ok()?;
        client.get(self.metrics.as_ref()?).send().await.ok()?.text().await.ok()
    }

    async fn end(self) -> Result<String, BenchError> {
        tokio::task::spawn_blocking(move || self.running.end()).await?
    }
}

/// A client that sends each record at once: what it waited for would count as everybody's latency.
pub(crate) fn prompt(ground: &Ground) -> Result<KafkaSettings, BenchError> {
    let servers = ground.kafka.bootstrap_servers.as_str();
    let pairs = [("KAFKA_BOOTSTRAP_SERVERS", servers), ("KAFKA_LINGER_MS", "0"), ("KAFKA_COMPRESSION", "none")];
    let mut reader = Reader::from_pairs(pairs);
    let settings = KafkaSettings::read(&mut reader);
    reader.finish()?;
    Ok(settings)
}

fn last_eight(id: &Uuid) -> &[u8; 8] {
    id.as_bytes().last_chunk().unwrap_or(&[0; 8])
}
