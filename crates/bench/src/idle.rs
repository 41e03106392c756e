//! What the services use while there is nothing to do, and with ten records a second.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use schema::topics::TopicSpec;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Voice;
use crate::failure::BenchError;
use crate::ground::Ground;
use crate::latency::{Beginning, Schedule, prompt, send};
use crate::own::Own;
use crate::plan::PARTITIONS;
use crate::records::Recipe;
use crate::sampler::{Sampler, Snapshot};

/// Records a second of the second part.
const TRICKLE: u64 = 10;
/// How long a service may do what it does after its start before anything counts.
const SETTLED: Duration = Duration::from_secs(20);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(5);

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Services {
    /// `producer`.
    pub producer: PathBuf,
    /// `stream-processor`.
    pub processor: PathBuf,
    /// `dlq-replayer`.
    pub replayer: PathBuf,
}

/// One service over one part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Idle {
    /// Which.
    pub service: Cow<'static, str>,
    /// Records a second meanwhile.
    pub records_per_second: u64,
    /// How long it was watched.
    pub seconds: f64,
    /// Of one core, percent.
    pub core_percent: f64,
    /// Resident memory at the beginning, bytes.
    pub resident_bytes: u64,
    /// How much it grew in an hour if it went on as the straight line through all looks does, bytes.
    pub growth_bytes_per_hour: f64,
    /// Context switches a second because a thread had to wait.
    pub wake_ups_per_second: f64,
}

/// Watches all three for `watched`, without records and with a few.
///
/// # Errors
/// A server or a service does not do as asked.
pub async fn idle(
    ground: &Ground,
    services: &Services,
    watched: Duration,
    voice: &Voice,
) -> Result<Vec<Idle>, BenchError> {
    let topic = format!("bench-idle-{}", Uuid::now_v7().simple());
    let spec = TopicSpec { name: "bench", partitions: PARTITIONS, config: &[] };
    ground.admin().create_topics(&[(topic.as_str(), spec)], 1).await?;
    let mut environment = ground.environment();
    environment.insert("KAFKA_TOPIC_USER_DATA", topic.clone());
    environment.insert("KAFKA_GROUP_ID", topic.clone());
    let mut producing = environment.clone();
    // Its next run is months away.
    producing.insert("PRODUCER_MODE", "cron".to_owned());
    producing.insert("PRODUCER_CRON", "@yearly".to_owned());
    let running = [
        ("producer", Own::start(ground, "producer", &services.producer, &[], producing)?),
        ("stream-processor", Own::start(ground, "stream-processor", &services.processor, &[], environment.clone())?),
        ("dlq-replayer", Own::start(ground, "dlq-replayer", &services.replayer, &["serve"], environment)?),
    ];
    let sampler = Sampler::start(&[])?;
    for (name, service) in &running {
        sampler.watch(name, service.pid());
    }
    tokio::time::sleep(SETTLED).await;
    let mut found = watch(&sampler, &running, watched, 0).await?;

    let schedule = Schedule { rate: TRICKLE, warm_up: SETTLED, counted: watched };
    let (kafka, recipe) = (prompt(ground)?, Recipe { seed: u64::from(std::process::id()), ..Recipe::default() });
    let (_sending, stop) = mpsc::channel();
    let (to, beginning) = (Arc::<str>::from(topic), Beginning::after(Duration::ZERO));
    let sent = tokio::task::spawn_blocking(move || send(&schedule, &recipe, &to, &kafka, beginning, &stop));
    tokio::time::sleep(SETTLED).await;
    found.extend(watch(&sampler, &running, watched, TRICKLE).await?);
    sent.await??;
    for (name, service) in running {
        if let Some(status) = service.wait_for(Duration::ZERO) {
            return Err(BenchError::Unreadable(format!("{name} ended by itself with {status}: see its log")));
        }
        tokio::task::spawn_blocking(move || service.end()).await??;
    }
    for idle in &found {
        // Whoever listens no more does not stop the run.
        let _ = voice.send(format!(
            "{} at {} records/s: {:.2} % of a core",
            idle.service, idle.records_per_second, idle.core_percent
        ));
    }
    Ok(found)
}

async fn watch(
    sampler: &Sampler,
    running: &[(&'static str, Own); 3],
    watched: Duration,
    rate: u64,
) -> Result<Vec<Idle>, BenchError> {
    let first = sampler.sample_everything();
    let end = first.at + watched;
    // What each service had in memory so many seconds after the beginning.
    let mut looks: [Vec<(f64, f64)>; 3] = Default::default();
    let mut next = first.at;
    loop {
        tokio::time::sleep_until(next.into()).await;
        for ((_, service), looks) in running.iter().zip(&mut looks) {
            looks.push((first.at.elapsed().as_secs_f64(), service.resident_bytes()? as f64));
        }
        if next == end {
            break;
        }
        next = (next + LOOK).min(end);
    }
    let last = sampler.sample_everything();
    Ok(running.iter().zip(&looks).map(|((name, _), looks)| of(name, rate, &first, &last, looks)).collect())
}

fn of(service: &'static str, records_per_second: u64, first: &Snapshot, last: &Snapshot, looks: &[(f64, f64)]) -> Idle {
    let span = last.since(first);
    let switches = last.usage(service).voluntary_switches - first.usage(service).voluntary_switches;
    Idle {
        service: Cow::Borrowed(service),
        records_per_second,
        seconds: span.seconds,
        core_percent: span.cores(service) * 100.0,
        resident_bytes: looks.first().map_or(0, |(_, bytes)| *bytes as u64),
        growth_bytes_per_hour: slope(looks) * 3_600.0,
        wake_ups_per_second: switches as f64 / span.seconds.max(f64::EPSILON),
    }
}

/// Of the straight line with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_slope_of_the_line_through_all_looks() {
        assert_eq!(slope(&[(0.0, 10.0), (1.0, 12.0), (2.0, 14.0)]), 2.0);
        assert_eq!(slope(&[(0.0, 10.0), (1.0, 13.0), (2.0, 10.0)]), 0.0);
        assert_eq!(slope(&[(3.0, 10.0)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }
}
