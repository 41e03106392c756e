//! A run from its start to its report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use local_stack::{Artifacts, port};
use serde_json::json;
use service::shutdown::Shutdown;
use tokio::task::JoinSet;

use crate::api::{self, Api, Expected};
use crate::census::{self, Check};
use crate::crew::{Crew, Programs};
use crate::diary::{Diary, Voice};
use crate::failure::TortureError;
use crate::fault::{End, Service};
use crate::findings::Findings;
use crate::ground::{Ground, REPLAYS};
use crate::load::Load;
use crate::model::Model;
use crate::recipe::Recipe;
use crate::report::{Records, Report};
use crate::schedule::schedule;
use crate::sight::Sight;
use crate::trial::Trial;
use crate::watch::Watch;
use crate::{bounds, gather, replays, rest};

/// How often the state is told.
const TELL: Duration = Duration::from_secs(5);
/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides on the faults and the records.
    pub seed: u64,
    /// How long faults are done.
    pub duration: Duration,
    /// Turns of the publisher per second; a turn is one or two records. The producer brings a hundred users a second more.
    pub rate: u32,
    /// Where everything of the run goes: data, logs, offsets and the report.
    pub folder: PathBuf,
    /// The numbered DDL.
    pub cql: PathBuf,
    /// The services.
    pub programs: Programs,
}

/// Does it. Ended early by `stop`, everything is ended and what was seen so far is reported.
///
/// # Errors
/// The run could not be carried out; what it finds out about the services is in the report.
pub async fn run(
    options: &Options,
    artifacts: &Artifacts,
    stop: &Shutdown,
    voice: Voice,
) -> Result<Report, TortureError> {
    let logs = options.folder.join("logs");
    std::fs::create_dir_all(&logs).map_err(TortureError::file(&logs))?;
    let diary = Diary::new(voice);
    diary.say("starting Kafka and Cassandra");
    let Some(ground) = stop.cuts(Box::pin(Ground::start(&options.folder, &options.cql, artifacts))).await else {
        return Ok(interrupted(Report::new(options.seed, Duration::ZERO, Vec::new(), Vec::new(), &Sight::default())));
    };
    let ground = Arc::new(ground?);
    let seed = users_seed(options.seed);
    let api = Arc::new(Api::start().await?);
    let crew = Arc::new(Crew::new(&ground, &options.programs, &options.folder, &api.url(), &seed)?);
    let report = faults(options, &ground, &api, &crew, diary.begin(), &seed, stop).await?;
    report.write(&options.folder.join("report.json"))?;
    Ok(report)
}

fn interrupted(report: Report) -> Report {
    Report { interrupted: true, ..report }
}

/// A seed of the API: never of 18 characters, and with a letter at its end.
fn users_seed(seed: u64) -> String {
    format!("torture{:08x}x", (seed ^ (seed >> 32)) & 0xffff_ffff)
}

async fn faults(
    options: &Options,
    ground: &Arc<Ground>,
    api: &Arc<Api>,
    crew: &Arc<Crew>,
    diary: Diary,
    seed: &str,
    stop: &Shutdown,
) -> Result<Report, TortureError> {
    for service in [Service::Processor, Service::Replayer, Service::Producer] {
        crew.standing(service).start()?;
    }
    let topics = &ground.kafka.topics;
    let load = Load::start(&ground.kafka, Recipe::new(options.seed, topics, &ground.kafka.group_id), options.rate)?;
    let watch = Watch::new(Arc::clone(crew), diary.clone())?;
    let looked_enough = Shutdown::new(Duration::ZERO);
    // Dropped with this function, however it ends.
    let mut watching = JoinSet::new();
    watching.spawn(watch.clone().follow(looked_enough.clone()));
    let trial = Trial {
        ground: Arc::clone(ground),
        crew: Arc::clone(crew),
        api: Arc::clone(api),
        watch: watch.clone(),
        diary: diary.clone(),
        stop: stop.clone(),
        seed: options.seed,
    };
    let planned = schedule(options.seed, options.duration);
    let count: usize = planned.iter().map(|burst| burst.faults.len()).sum();
    diary.say(&format!("{count} faults in {} s, seed {}", options.duration.as_secs(), options.seed));
    let done = async {
        trial.run(&planned, options.duration).await?;
        stop.cuts(tokio::time::sleep(options.duration.saturating_sub(diary.elapsed()))).await;
        Ok::<_, TortureError>(())
    };
    tokio::select! {
        done = done => done?,
        () = tell(&load, &watch, &diary) => {}
    }
    let duration = diary.elapsed();
    let seen =
        |watch: &Watch| watch.sight(|sight| Report::new(options.seed, duration, diary.faults(), diary.kills(), sight));
    if stop.is_requested() {
        diary.say("ending everything");
        return Ok(interrupted(seen(&watch)));
    }

    diary.say("the load stops, everything is healed");
    trial.end(&crew.producer, End::Terminate).await?;
    let model = load.stop().await?;
    watch.sight(Sight::load_stopped);
    let mut checks = vec![];
    let Some(rested) = stop.cuts(rest::come_to_rest(ground, &diary)).await else {
        return Ok(interrupted(seen(&watch)));
    };
    checks.push(rested?);
    checks.push(audit(crew, &diary).await?);
    for service in [Service::Replayer, Service::Processor] {
        trial.end(crew.standing(service), End::Terminate).await?;
    }
    looked_enough.request();
    while let Some(watched) = watching.join_next().await {
        watched??;
    }
    diary.say("reading topics and table");
    let findings = gather::gather(ground).await?;
    offsets(&options.folder, &findings)?;
    let expected = match &findings.place {
        Some(place) => api::expected(seed, place.page.saturating_sub(1))?,
        None => Vec::new(),
    };
    checks.extend(judged(&findings, &model, &expected, seed));
    checks.extend(watch.sight(|sight| bounds::checks(sight, diary.wrongs())));
    ground.stop().await?;
    checks.push(left_behind(ground, crew)?);
    let mut report = seen(&watch);
    report.records = records(&findings, report.records.settled, &model);
    report.checks = checks;
    Ok(report)
}

fn judged(findings: &Findings, model: &Model, expected: &[Expected], seed: &str) -> [Check; 9] {
    [
        census::published(findings, model),
        census::users(findings, expected, seed),
        census::rows(findings),
        census::dead_letters(findings, model),
        census::committed(findings),
        replays::at_most_once(findings, REPLAYS),
        replays::accounted(findings),
        replays::parked(findings),
        replays::states(findings),
    ]
}

/// Tells the state now and then, for ever.
async fn tell(load: &Load, watch: &Watch, diary: &Diary) {
    loop {
        tokio::time::sleep(TELL).await;
        let (settled, pause) = watch.sight(|sight| (sight.settled(), sight.longest_pause()));
        diary.say(&format!(
            "{} records acknowledged to the publisher, {settled} settled, longest pause {:.1} s, {} faults done",
            load.acknowledged(),
            pause.as_secs_f64(),
            diary.faults().len(),
        ));
    }
}

/// The processor's own account: it ends with 0 when no record is unaccounted for.
async fn audit(crew: &Crew, diary: &Diary) -> Result<Check, TortureError> {
    const LIMIT: Duration = Duration::from_secs(120);
    const NAME: &str = "stream-processor audit finds every record accounted for";
    let launch = crew.audit();
    diary.say("stream-processor audit");
    let process = launch.spawn()?;
    let waiting = tokio::task::spawn_blocking(move || process.wait_for(LIMIT));
    let wrong = match waiting.await? {
        Some(status) if status.success() => Vec::new(),
        Some(status) => vec![format!("it ended with {status}; see {}", launch.log.display())],
        None => vec![format!("it did not end within {} s", LIMIT.as_secs())],
    };
    Ok(Check::of(NAME, "exit status 0".to_owned(), wrong))
}

/// Everything has ended and every port is free.
fn left_behind(ground: &Ground, crew: &Crew) -> Result<Check, TortureError> {
    let running = crew.members().filter(|member| member.process().is_some());
    let mut wrong: Vec<String> = running.map(|member| format!("{} still runs", member.name())).collect();
    let servers = [ground.stack.kafka(), ground.stack.cassandra()].map(|node| node.address().port());
    for port in crew.members().filter_map(|member| member.port()).chain(servers) {
        if !port::is_free(port).map_err(TortureError::Port)? {
            wrong.push(format!("port {port} is held by {}", port::holder(port).unwrap_or_default()));
        }
    }
    Ok(Check::of("no process is left and every port is free", "all have ended".to_owned(), wrong))
}

fn records(findings: &Findings, settled: u64, model: &Model) -> Records {
    let published = findings.records.len() as u64;
    let repeated = census::repeated_letters(findings);
    let planted = model.planted.len() as u64;
    Records {
        published,
        replayed: findings.records.iter().filter(|record| record.replay.is_some()).count() as u64,
        rows: findings.rows.len() as u64,
        dead_letters: findings.letters.len() as u64 - repeated,
        repeated_dead_letters: repeated,
        planted_dead_letters: planted,
        parked: findings.parked.len() as u64,
        settled,
        redelivered: settled.saturating_sub(published),
    }
}

/// Where the group stood and where the topic ended, for whoever looks into a failure.
fn offsets(folder: &Path, findings: &Findings) -> Result<(), TortureError> {
    let path = folder.join("offsets.json");
    let partitions: BTreeMap<String, _> = findings
        .ends
        .iter()
        .map(|(partition, end)| {
            let visible = findings.records.iter().filter(|record| record.partition == *partition);
            let last = visible.map(|record| record.offset).max();
            let committed = findings.committed.get(partition);
            (partition.to_string(), json!({"end": end, "committed": committed, "last_record": last}))
        })
        .collect();
    std::fs::write(&path, json!(partitions).to_string()).map_err(TortureError::file(&path))
}
