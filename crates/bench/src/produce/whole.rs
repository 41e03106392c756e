//! The producer as a user runs it: it fetches pages of the API, checks each user, publishes, and keeps its place.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use local_stack::port;
use schema::topics::TopicSpec;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client_tool::cpu_of_ended;
use crate::failure::BenchError;
use crate::ground::Ground;
use crate::own::Own;
use crate::plan::PARTITIONS;
use crate::produce::Publishing;
use crate::sampler::Sampler;

/// Users of a page: as many as the API gives at once.
const PAGE: u64 = 5_000;
/// A seed that ends in a letter, as the API wants it.
const SEED: &str = "sluicebench";
/// How long a run may take.
const LONGEST: Duration = Duration::from_secs(900);
/// How long the simulator may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);
/// The tree of the simulator in a sampler.
const SIMULATOR: &str = "simulator";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `producer`.
    pub producer: PathBuf,
    /// `randomuser-sim`.
    pub simulator: PathBuf,
}

/// One run of the producer, from the start of its process to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Whole {
    /// Whether a page and the place behind it became visible together.
    pub transactions: bool,
    /// What came of it.
    #[serde(flatten)]
    pub publishing: Publishing,
    /// CPU of the simulator of the API for a user, microseconds.
    pub api_cpu_us: f64,
}

/// What the simulator of the API gives one client that does nothing but fetch, page after page.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Api {
    /// Users fetched.
    pub users: u64,
    /// Users a second: no producer that fetches one page at a time can do more.
    pub users_per_second: f64,
}

/// Runs the producer for so many users, rounded to whole pages.
///
/// # Errors
/// A program does not start, or the producer does not end as asked.
pub async fn whole(ground: &Ground, programs: &Programs, users: u64, transactions: bool) -> Result<Whole, BenchError> {
    let pages = users.div_ceil(PAGE).max(1);
    let run = Uuid::now_v7().simple().to_string();
    let topic = format!("bench-produce-{run}");
    let spec = TopicSpec { name: "bench", partitions: PARTITIONS, config: &[] };
    ground.admin().create_topics(&[(topic.as_str(), spec)], 1).await?;
    let (simulator, url) = start_simulator(ground, programs).await?;
    let sampler = Sampler::start(&ground.servers()?)?;
    sampler.watch(SIMULATOR, simulator.pid());
    let (before, ended, began) = (sampler.sample(), cpu_of_ended(), Instant::now());
    let mut environment = ground.environment();
    let switch = if transactions { "on" } else { "off" };
    for (name, value) in [
        ("KAFKA_TOPIC_USER_DATA", topic),
        ("API_BASE_URL", url),
        ("API_SEED", SEED.to_owned()),
        ("API_BATCH_SIZE", PAGE.to_string()),
        ("API_RATE_LIMIT_USERS", u32::MAX.to_string()),
        ("PRODUCER_NAME", run),
        ("PRODUCER_MODE", "once".to_owned()),
        ("PRODUCER_BATCHES", pages.to_string()),
        ("PRODUCER_TRANSACTIONS", switch.to_owned()),
    ] {
        environment.insert(name, value);
    }
    let producer = Own::start(ground, "producer", &programs.producer, &[], environment)?;
    let status = tokio::task::spawn_blocking(move || producer.wait_for(LONGEST)).await?;
    let (seconds, after) = (began.elapsed().as_secs_f64(), sampler.sample());
    match status {
        Some(status) if status.success() => {}
        Some(status) => return Err(BenchError::Unreadable(format!("the producer ended with {status}: see its log"))),
        None => return Err(BenchError::Unreadable(format!("the producer has not ended in {} s", LONGEST.as_secs()))),
    }
    let (span, users) = (after.since(&before), pages * PAGE);
    Ok(Whole {
        transactions,
        publishing: Publishing::of(users, seconds, cpu_of_ended() - ended, &span),
        api_cpu_us: span.cpu_seconds(SIMULATOR) * 1e6 / users as f64,
    })
}

/// Fetches so many users and does nothing with them.
///
/// # Errors
/// The simulator does not start or answer.
pub async fn api(ground: &Ground, programs: &Programs, users: u64) -> Result<Api, BenchError> {
    let (_simulator, url) = start_simulator(ground, programs).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let pages = users.div_ceil(PAGE).max(1);
    let began = Instant::now();
    for page in 1..=pages {
        let query = format!("{url}?seed={SEED}&page={page}&results={PAGE}");
        client.get(query).send().await?.error_for_status()?.bytes().await?;
    }
    let users = pages * PAGE;
    Ok(Api { users, users_per_second: users as f64 / began.elapsed().as_secs_f64() })
}

async fn start_simulator(ground: &Ground, programs: &Programs) -> Result<(Own, String), BenchError> {
    let free = port::free(&[]).map_err(BenchError::process("randomuser-sim"))?;
    let mut environment = ground.environment();
    environment.insert("SIM_ADDR", format!("127.0.0.1:{free}"));
    environment.insert("SIM_RATE_LIMIT_USERS", "0".to_owned());
    let simulator = Own::start(ground, "randomuser-sim", &programs.simulator, &[], environment)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let deadline = Instant::now() + READY_WITHIN;
    while client.get(format!("http://127.0.0.1:{free}/stats")).send().await.is_err() {
        if Instant::now() > deadline {
            return Err(BenchError::Unreadable("randomuser-sim does not answer: see its log".to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok((simulator, format!("http://127.0.0.1:{free}/api/")))
}
