//! Our client's publishing path and the client library's own tool, in turn on one topic.

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt as _, stream};
use kafka::{KafkaSettings, Producer};
use local_stack::Process;
use schema::record::NewRecord;
use schema::topics::TopicSpec;
use serde::{Deserialize, Serialize};
use service::settings::Reader;

use crate::client_tool::{ClientTool, cpu_of_ended, figures};
use crate::failure::BenchError;
use crate::ground::{CLIENT, Ground};
use crate::plan::PARTITIONS;
use crate::proc::{self, Stat};
use crate::produce::Publishing;
use crate::records::{Document, Recipe};
use crate::sampler::Sampler;

/// Records of one send: as many as the API gives the producer at once.
const PAGE: u64 = 5_000;
/// Pages under way at once. The producer itself has one and waits for it, which is what [`crate::produce::whole`] measures; here
/// the client is to be busy all the time, as the tool's is with the 100 000 records that it has under way.
const UNDER_WAY: usize = 4;
/// The topic of both.
const TOPIC: &str = "bench-produce";

/// One run of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pair {
    /// `rdkafka_performance`.
    pub tool: Publishing,
    /// `kafka::Producer`.
    pub ours: Publishing,
    /// Our records a second over the tool's.
    pub rate_ratio: f64,
    /// Our CPU for a record over the tool's.
    pub cpu_ratio: f64,
}

/// Measures both, ours first or second.
///
/// # Errors
/// Kafka or the tool does not do as asked.
pub async fn pair(ground: &Ground, tool: &ClientTool, records: u64, ours_first: bool) -> Result<Pair, BenchError> {
    let spec = TopicSpec { name: "bench", partitions: PARTITIONS, config: &[] };
    ground.admin().create_topics(&[(TOPIC, spec)], 1).await?;
    let settings = as_by_default(ground)?;
    let (tool, ours) = if ours_first {
        let ours = ours(ground, &settings, records).await?;
        (of_tool(ground, &settings, tool, records).await?, ours)
    } else {
        let tool = of_tool(ground, &settings, tool, records).await?;
        (tool, ours(ground, &settings, records).await?)
    };
    Ok(Pair {
        tool,
        ours,
        rate_ratio: ours.records_per_second / tool.records_per_second.max(f64::EPSILON),
        cpu_ratio: ours.client_cpu_us / tool.client_cpu_us.max(f64::EPSILON),
    })
}

/// The producer's own settings, where a user sets nothing.
fn as_by_default(ground: &Ground) -> Result<KafkaSettings, BenchError> {
    let mut reader = Reader::from_pairs([("KAFKA_BOOTSTRAP_SERVERS", ground.kafka.bootstrap_servers.as_str())]);
    let settings = KafkaSettings::read(&mut reader);
    reader.finish()?;
    Ok(settings)
}

/// What both send.
fn record() -> NewRecord {
    let recipe = Recipe { document: Document::Full, ..Recipe::default() };
    NewRecord { key: None, timestamp_ms: None, ..recipe.record(0, &Arc::from(TOPIC)) }
}

async fn of_tool(
    ground: &Ground,
    settings: &KafkaSettings,
    tool: &ClientTool,
    records: u64,
) -> Result<Publishing, BenchError> {
    let NewRecord { value, headers, .. } = record();
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers: Vec<_> =
        headers.iter().map(|header| (header.name.to_string(), text(header.value.as_deref()))).collect();
    let properties = Producer::properties(settings, CLIENT);
    let command = tool.producer(TOPIC, records, &text(value.as_deref()), &headers, &properties);
    let sampler = Sampler::start(&ground.servers()?)?;
    let (before, ended) = (sampler.sample(), cpu_of_ended());
    let mut process = Process::spawn(command).map_err(BenchError::process("rdkafka_performance"))?;
    let run = tokio::task::spawn_blocking(move || figures(&mut process)).await??;
    let span = sampler.sample().since(&before);
    Ok(Publishing::of(run.records, run.took.as_secs_f64(), cpu_of_ended() - ended, &span))
}

async fn ours(ground: &Ground, settings: &KafkaSettings, records: u64) -> Result<Publishing, BenchError> {
    let record = record();
    let pages: Vec<Vec<NewRecord>> = (0..records.div_ceil(PAGE))
        .map(|page| vec![record.clone(); PAGE.min(records - page * PAGE) as usize])
        .collect();
    let producer = Producer::new(settings, CLIENT)?;
    let sampler = Sampler::start(&ground.servers()?)?;
    let (before, cpu, began) = (sampler.sample(), own_cpu(), Instant::now());
    let mut sending = stream::iter(pages).map(|page| producer.send_all(page)).buffered(UNDER_WAY);
    while let Some(sent) = sending.next().await {
        sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (cpu, span) = (own_cpu() - cpu, sampler.sample().since(&before));
    Ok(Publishing::of(records, seconds, cpu, &span))
}

/// CPU seconds of this process, its sampler included.
fn own_cpu() -> f64 {
    Stat::of(std::process::id()).map_or(0.0, |stat| stat.ticks as f64 / proc::ticks_per_second())
}
