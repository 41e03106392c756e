//! What the machine and the servers give at most, whoever asks: the client library's own consumer reading the topic, the
//! leanest loop writing the rows, and both at once. A pipeline does both, so its efficiency is its rate over the last: each round
//! has a drain of ours too, and the loop once more at its cost.
//!
//! - [`rows`] are made ready before any clock starts, by the processor's own code.
//! - [`closed_loop`] pushes them.
//! - [`point`] is one measured push; a sweep is many, each on an empty table and a server at rest.

mod closed_loop;
mod point;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use schema::record::{NewRecord, Record};
use serde::{Deserialize, Serialize};

use crate::Voice;
use crate::ceiling::point::Pusher;
pub use crate::ceiling::point::{Push, PushPoint};
use crate::ceiling::rows::Rows;
use crate::client_tool::{ClientTool, ToolRun, cpu_of_ended, figures};
use crate::contender::Contender;
use crate::contest::Case;
use crate::drain::Drain;
use crate::failure::BenchError;
use crate::ground::{CASSANDRA, Ground, KAFKA};
use crate::load::Loaded;
use crate::run::Run;
use crate::sampler::{Sampler, Span};
use crate::statistics::Spread;
use crate::warming::Warming;

/// Rows of a request.
const ROWS_PER_REQUEST: [usize; 7] = [1, 5, 10, 20, 30, 50, 100];
/// Requests under way.
const IN_FLIGHT: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// So many of the best points are measured again with all rows.
const FINALISTS: usize = 4;

/// How much is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CeilingOptions {
    /// Rows written at each point of the sweep.
    pub sweep_rows: usize,
    /// How often the sweep is gone through, and everything else repeated.
    pub rounds: u32,
}

/// Everything that was measured, in the order in which it was.
#[derive(Debug, Serialize)]
pub struct Ceilings {
    /// How much was measured.
    pub options: CeilingOptions,
    /// The topic.
    pub loaded: Loaded,
    /// Pushes until the server was warm.
    pub warm_up: Vec<Push>,
    /// The grid, forth and back in turn.
    pub sweep: Vec<Push>,
    /// The best points with all rows.
    pub finals: Vec<Push>,
    /// The best of them by its median rate.
    pub best: PushPoint,
    /// The client library's consumer alone.
    pub consumer: Vec<Consumption>,
    /// Both at once, until both were done.
    pub both: Vec<Both>,
    /// Drains by ours until the server was warm for them too: the pushes have warmed up other paths.
    pub drain_warm_up: Vec<Run>,
    /// The same topic drained by ours, once after each of `both`.
    pub drains: Vec<Run>,
    /// The best point by a loop that computes for each row as long as the drain before it took of the processor, once after each
    /// of `drains`: what is left of the ceiling for a client of that cost.
    pub working: Vec<Push>,
}

/// One run of the client library's own consumer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Consumption {
    /// Records read.
    pub records: u64,
    /// By the tool's own clock: from the first record to the last.
    pub seconds: f64,
    /// Records a second.
    pub records_per_second: f64,
    /// Of the tool, its start included.
    pub client_cpu_us: f64,
    /// Of Kafka, for a record.
    pub kafka_cpu_us: f64,
    /// Time that the host took from this machine, percent.
    pub steal_percent: f64,
}

/// Reading and writing at the same time, without anything between the two.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Both {
    /// Records read and rows written.
    pub records: u64,
    /// From the common start until both were done.
    pub seconds: f64,
    /// Records over seconds: no pipeline on this machine can do more.
    pub records_per_second: f64,
    /// When the reading was done, start of the tool included.
    pub read_seconds: f64,
    /// When the writing was done.
    pub written_seconds: f64,
    /// Of both clients, for a record.
    pub clients_cpu_us: f64,
    /// Of Kafka, for a record.
    pub kafka_cpu_us: f64,
    /// Of Cassandra, for a record.
    pub cassandra_cpu_us: f64,
    /// Time that the host took from this machine, percent.
    pub steal_percent: f64,
    /// Time that nobody used, percent.
    pub idle_percent: f64,
}

/// Measures all of it on `loaded`, which holds flat or full records with keys of their own, and drains it by `ours`.
///
/// # Errors
/// A server or a tool does not do as asked.
pub async fn ceilings(
    ground: &Ground,
    loaded: Loaded,
    tool: ClientTool,
    ours: Contender,
    options: CeilingOptions,
    voice: &Voice,
) -> Result<Ceilings, BenchError> {
    let say = |line: String| {
        // Whoever listens no more does not stop the run.
        let _ = voice.send(line);
    };
    say(format!("making {} rows ready", loaded.records));
    let rows = Arc::new(rows_of(&loaded).await?);
    let mut pusher = Pusher::open(ground, rows).await?;
    let warm_up = warm(ground, &mut pusher, options.sweep_rows, &say).await?;
    let sweep = sweep(ground, &mut pusher, options, &say).await?;
    let best = best_of(&sweep, FINALISTS);
    let mut finals = Vec::new();
    for round in 0..options.rounds {
        for point in in_turn(&best, round) {
            let push = pusher.push(ground, point, usize::MAX).await?;
            say(format!("all rows, {push}"));
            finals.push(push);
        }
    }
    let Some(best) = best_of(&finals, 1).into_iter().next() else {
        return Err(BenchError::Unreadable("nothing was measured: let there be a round at least".to_owned()));
    };
    let case = Case { name: ours.name.clone(), contender: ours, topic: loaded.clone(), processes: 1 };
    let drain_warm_up = ground.warm_up(&case, voice).await?;
    let (mut consumer, mut both, mut drains, mut working) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let alone = consume(ground, &loaded, &tool).await?;
        say(format!("consumer alone: {:.0} records/s, {:.2} us", alone.records_per_second, alone.client_cpu_us));
        consumer.push(alone);
        let together = at_once(ground, &loaded, &tool, &mut pusher, best).await?;
        say(format!("both at once: {:.0} records/s", together.records_per_second));
        both.push(together);
        let drain = Run { round, ..Drain { ground, case: &case, voice }.run().await? };
        say(drain.line());
        let as_long = Duration::from_secs_f64(drain.cpu_us_per_record.contender / 1e6);
        let push = pusher.push_with(ground, best, usize::MAX, as_long).await?;
        say(format!("computing as long as that drain, {push}"));
        drains.push(drain);
        working.push(push);
    }
    Ok(Ceilings { options, loaded, warm_up, sweep, finals, best, consumer, both, drain_warm_up, drains, working })
}

async fn rows_of(loaded: &Loaded) -> Result<Rows, BenchError> {
    let loaded = loaded.clone();
    let make = move || {
        let topic: Arc<str> = loaded.topic.as_str().into();
        Rows::of((0..loaded.records).map(|index| {
            let NewRecord { topic, timestamp_ms, key, value, headers, .. } = loaded.recipe.record(index, &topic);
            // Where it lies shows in the row, by as many digits.
            let partition = i32::try_from(index % u64::try_from(loaded.partitions).unwrap_or(1)).unwrap_or_default();
            let offset = i64::try_from(index).unwrap_or_default() / i64::from(loaded.partitions);
            Record { topic, partition, offset, timestamp_ms, key, value, headers }
        }))
    };
    tokio::task::spawn_blocking(make).await?
}

/// Pushes until the server compiles next to nothing.
async fn warm(
    ground: &Ground,
    pusher: &mut Pusher,
    rows: usize,
    say: &impl Fn(String),
) -> Result<Vec<Push>, BenchError> {
    let (mut pushes, mut warming) = (Vec::new(), Warming::default());
    loop {
        // In turn, because a single row and a batch go different ways in the server.
        let mut compiling_percent = 0.0_f64;
        for rows_per_request in [1, 20] {
            let push = pusher.push(ground, PushPoint { rows_per_request, in_flight: 16 }, rows).await?;
            say(format!("warming up, {push}"));
            compiling_percent = compiling_percent.max(push.compiling_percent);
            pushes.push(push);
        }
        if !warming.goes_on(compiling_percent) {
            return Ok(pushes);
        }
    }
}

async fn sweep(
    ground: &Ground,
    pusher: &mut Pusher,
    options: CeilingOptions,
    say: &impl Fn(String),
) -> Result<Vec<Push>, BenchError> {
    let point = |rows_per_request| IN_FLIGHT.map(|in_flight| PushPoint { rows_per_request, in_flight });
    let grid: Vec<PushPoint> = ROWS_PER_REQUEST.into_iter().flat_map(point).collect();
    let mut pushes = Vec::new();
    for round in 0..options.rounds {
        for point in in_turn(&grid, round) {
            let push = pusher.push(ground, point, options.sweep_rows).await?;
            say(format!("round {}, {push}", round + 1));
            pushes.push(push);
        }
    }
    Ok(pushes)
}

/// Forth in even rounds and back in odd ones, so that a drift of the machine is nobody's gain.
fn in_turn(points: &[PushPoint], round: u32) -> Vec<PushPoint> {
    let mut points = points.to_vec();
    if round % 2 == 1 {
        points.reverse();
    }
    points
}

/// The points with the highest median rates, the best first.
fn best_of(pushes: &[Push], count: usize) -> Vec<PushPoint> {
    let mut points: Vec<(f64, PushPoint)> = Vec::new();
    for push in pushes {
        if points.iter().all(|(_, point)| *point != push.point) {
            let rates = pushes.iter().filter(|other| other.point == push.point).map(|other| other.rows_per_second);
            points.push((Spread::of(rates).map_or(0.0, |rates| rates.median), push.point));
        }
    }
    points.sort_by(|one, other| other.0.total_cmp(&one.0));
    points.into_iter().take(count).map(|(_, point)| point).collect()
}

async fn consume(ground: &Ground, loaded: &Loaded, tool: &ClientTool) -> Result<Consumption, BenchError> {
    ground.quiet().await?;
    let sampler = Sampler::start(&ground.servers()?)?;
    let (before, children) = (sampler.sample(), cpu_of_ended());
    let reading = Reading::start(ground, loaded, tool)?;
    let run = tokio::task::spawn_blocking(move || reading.end()).await??;
    let span = sampler.sample().since(&before);
    let per_record = |seconds: f64| seconds * 1e6 / run.records.max(1) as f64;
    Ok(Consumption {
        records: run.records,
        seconds: run.took.as_secs_f64(),
        records_per_second: run.records as f64 / run.took.as_secs_f64().max(f64::EPSILON),
        client_cpu_us: per_record(cpu_of_ended() - children),
        kafka_cpu_us: per_record(span.cpu_seconds(KAFKA)),
        steal_percent: span.steal_percent,
    })
}

async fn at_once(
    ground: &Ground,
    loaded: &Loaded,
    tool: &ClientTool,
    pusher: &mut Pusher,
    best: PushPoint,
) -> Result<Both, BenchError> {
    pusher.make_ready(ground, best, usize::MAX).await?;
    let sampler = Sampler::start(&ground.servers()?)?;
    let (before, children) = (sampler.sample(), cpu_of_ended());
    let reading = Reading::start(ground, loaded, tool)?;
    let read = tokio::task::spawn_blocking(move || {
        let run = reading.end();
        (run, std::time::Instant::now())
    });
    let (pushed, written_at) = pusher.go(best, Duration::ZERO).await?;
    let (run, read_at) = read.await?;
    let (run, after) = (run?, sampler.sample());
    let span = after.since(&before);
    Ok(both(
        run.records,
        &span,
        pushed.client_cpu.as_secs_f64() + cpu_of_ended() - children,
        [read_at.duration_since(before.at).as_secs_f64(), written_at.duration_since(before.at).as_secs_f64()],
    ))
}

fn both(records: u64, span: &Span, clients: f64, [read_seconds, written_seconds]: [f64; 2]) -> Both {
    let per_record = |seconds: f64| seconds * 1e6 / records.max(1) as f64;
    let seconds = read_seconds.max(written_seconds);
    Both {
        records,
        seconds,
        records_per_second: records as f64 / seconds.max(f64::EPSILON),
        read_seconds,
        written_seconds,
        clients_cpu_us: per_record(clients),
        kafka_cpu_us: per_record(span.cpu_seconds(KAFKA)),
        cassandra_cpu_us: per_record(span.cpu_seconds(CASSANDRA)),
        steal_percent: span.steal_percent,
        idle_percent: span.idle_percent,
    }
}

/// The client library's own consumer at work.
struct Reading(local_stack::Process);

impl Reading {
    fn start(ground: &Ground, loaded: &Loaded, tool: &ClientTool) -> Result<Self, BenchError> {
        let brokers = &ground.kafka.bootstrap_servers;
        let command = tool.consumer(brokers, &loaded.topic, loaded.partitions, loaded.records);
        local_stack::Process::spawn(command).map(Self).map_err(BenchError::process("rdkafka_performance"))
    }

    /// Waits for it. Blocks.
    fn end(mut self) -> Result<ToolRun, BenchError> {
        figures(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(in_flight: usize, rate: f64) -> Push {
        Push { rows_per_second: rate, ..Push::of(PushPoint { rows_per_request: 10, in_flight }) }
    }

    #[test]
    fn the_best_point_is_the_one_with_the_highest_median() {
        let pushes = [push(1, 9.0), push(2, 5.0), push(1, 1.0), push(2, 6.0), push(1, 2.0), push(2, 7.0)];
        let best: Vec<usize> = best_of(&pushes, 2).into_iter().map(|point| point.in_flight).collect();
        assert_eq!(best, [2, 1]);
    }

    #[test]
    fn rounds_go_forth_and_back() {
        let grid = [1, 2, 4].map(|in_flight| PushPoint { rows_per_request: 1, in_flight });
        let order = |round| in_turn(&grid, round).into_iter().map(|point| point.in_flight).collect::<Vec<_>>();
        assert_eq!([order(0), order(1), order(2)], [[1, 2, 4], [4, 2, 1], [1, 2, 4]]);
    }

    #[test]
    fn both_at_once_last_until_the_slower_is_done() {
        let span = Span::default();
        let both = both(100, &span, 0.5, [2.0, 4.0]);
        assert_eq!((both.seconds, both.records_per_second, both.clients_cpu_us), (4.0, 25.0, 5_000.0));
    }
}
