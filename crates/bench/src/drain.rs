//! One run: an empty table, a full topic, a contender that is started, and a clock that stops when everything is in the table
//! and, where Kafka has the contender's offsets, committed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::Voice;
use crate::census::Census;
use crate::contender::{Offsets, Running};
use crate::contest::Case;
use crate::curve::{Curve, Point};
use crate::failure::BenchError;
use crate::ground::{CASSANDRA, Ground, KAFKA};
use crate::run::{End, Run, Seen};
use crate::sampler::{Sampler, Snapshot};

/// The name of the contender's tree in the sampler.
pub(crate) const CONTENDER: &str = "contender";
/// How often the first row is looked for. After a while less often: a look costs Cassandra a tenth of a millisecond or more.
const FIRST: Duration = Duration::from_millis(5);
const FIRST_LATER: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_secs(2);
/// How often rows, and then commits, are looked at.
const EVERY: Duration = Duration::from_millis(100);
/// Of a run that is over soon.
const EVERY_OF_SHORT: Duration = Duration::from_millis(20);
const SHORT: u64 = 100_000;
/// Without a new row, or a new commit, for so long a run is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rows that are missing are waited for while rows come in, which is looked at so often.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// A run that is to be made.
#[derive(Clone, Copy)]
pub(crate) struct Drain<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) case: &'a Case,
    pub(crate) voice: &'a Voice,
}

/// What is used from the start of the contender on.
struct Meter {
    sampler: Sampler,
    before: Snapshot,
    running: Vec<Running>,
    began: Instant,
}

impl Meter {
    /// The first process that has ended although nobody asked it to.
    fn ended(&self) -> Option<End> {
        self.running.iter().find_map(Running::ended).map(End::Ended)
    }

    fn point(&self, rows: u64) -> Point {
        let now = self.sampler.sample();
        let used = now.since(&self.before);
        Point {
            seconds: now.at.duration_since(self.began).as_secs_f64(),
            rows: rows as f64,
            contender: used.cpu_seconds(CONTENDER),
            kafka: used.cpu_seconds(KAFKA),
            cassandra: used.cpu_seconds(CASSANDRA),
        }
    }
}

impl Drain<'_> {
    /// Makes it. What the contender does wrong is in the run.
    pub(crate) async fn run(&self) -> Result<Run, BenchError> {
        let ground = self.ground;
        ground.truncate().await?;
        let quiet = ground.quiet().await?;
        let written_before = ground.written().await?;
        let group = format!("bench-{}-{}", self.case.contender.name.replace('/', "-"), Utc::now().timestamp_micros());
        let work = ground.folder().join("runs").join(&group);
        std::fs::create_dir_all(&work).map_err(BenchError::file(&work))?;
        let meter = self.start(&group, &work)?;

        let mut curve = Curve::default();
        let first_row = self.first_row(&meter).await?;
        let mut end = match &first_row {
            Ok(_) => self.rows(&meter, written_before, &mut curve).await?,
            Err(end) => end.clone(),
        };
        let rows_seconds = (end == End::Done).then(|| curve.last().seconds);
        let mut committed_seconds = None;
        if end == End::Done && self.case.contender.offsets == Offsets::Group {
            match self.committed(&meter, &group).await? {
                Ok(seconds) => committed_seconds = Some(seconds),
                Err(why) => end = why,
            }
        }
        let stopped = meter.point(0);
        let after = meter.sampler.sample_everything();
        let (census, end) = self.census(&meter, end).await?;
        let written = ground.written().await?.saturating_sub(written_before);
        let (span, usage) = (after.since(&meter.before), after.usage(CONTENDER));
        let running = meter.running;
        let ending =
            tokio::task::spawn_blocking(move || running.iter().map(Running::end).collect::<Result<Vec<_>, _>>());
        let exit = ending.await??.join(", ");
        // Its log stays; what it kept for itself is of no use to anybody, and goes at the latest with the next command's data.
        let _ = std::fs::remove_dir_all(&work);
        let seen = Seen {
            end,
            exit,
            quiet,
            first_row: first_row.ok(),
            rows_seconds,
            committed_seconds,
            stopped,
            curve,
            usage,
            span,
            load: after.load,
            written,
            census,
        };
        Ok(Run::of(self.case, seen))
    }

    fn start(&self, group: &str, work: &Path) -> Result<Meter, BenchError> {
        let mut environment = self.ground.environment();
        environment.insert("KAFKA_TOPIC_USER_DATA", self.case.topic.topic.clone());
        environment.insert("KAFKA_GROUP_ID", group.to_owned());
        let sampler = Sampler::start(&self.ground.servers()?)?;
        let before = sampler.sample_everything();
        let (began, mut running) = (Instant::now(), Vec::new());
        for _ in 0..self.case.processes {
            let process = self.case.contender.start(&environment, work, &work.with_extension("log"))?;
            sampler.watch(CONTENDER, process.pid());
            running.push(process);
        }
        Ok(Meter { sampler, before, running, began })
    }

    /// Waits for the first row.
    async fn first_row(&self, meter: &Meter) -> Result<Result<Point, End>, BenchError> {
        let any = format!("SELECT id FROM {} LIMIT 1", self.ground.table());
        loop {
            if !self.ground.ask(&any).await?.rows.is_empty() {
                return Ok(Ok(meter.point(1)));
            }
            if let Some(ended) = meter.ended() {
                return Ok(Err(ended));
            }
            if meter.began.elapsed() > PATIENCE {
                return Ok(Err(End::Stalled));
            }
            tokio::time::sleep(if meter.began.elapsed() < LATER { FIRST } else { FIRST_LATER }).await;
        }
    }

    /// Follows the rows until as many were written as there have to be.
    async fn rows(&self, meter: &Meter, before: u64, curve: &mut Curve) -> Result<End, BenchError> {
        let (wanted, every) = (self.case.topic.expected.writes, self.every());
        let mut moved = Instant::now();
        loop {
            let written = self.ground.written().await?.saturating_sub(before);
            if written as f64 > curve.last().rows {
                moved = Instant::now();
            }
            curve.push(meter.point(written));
            if written >= wanted {
                return Ok(End::Done);
            }
            if let Some(ended) = meter.ended() {
                return Ok(ended);
            }
            if moved.elapsed() > PATIENCE {
                return Ok(End::Stalled);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Waits until the group has passed every record.
    async fn committed(&self, meter: &Meter, group: &str) -> Result<Result<f64, End>, BenchError> {
        let (admin, topic) = (self.ground.admin(), &self.case.topic.topic);
        let ends = admin.offsets(topic).await?.unwrap_or_default();
        let (mut moved, mut last) = (Instant::now(), BTreeMap::new());
        loop {
            let committed = admin.committed(group, topic).await?;
            let behind =
                |(partition, (low, end)): (&i32, &(i64, i64))| low < end && committed.get(partition) != Some(end);
            if !ends.iter().any(behind) {
                return Ok(Ok(meter.began.elapsed().as_secs_f64()));
            }
            if committed != last {
                (moved, last) = (Instant::now(), committed);
            }
            if let Some(ended) = meter.ended() {
                return Ok(Err(ended));
            }
            if moved.elapsed() > PATIENCE {
                return Ok(Err(End::Uncommitted));
            }
            tokio::time::sleep(self.every()).await;
        }
    }

    fn every(&self) -> Duration {
        if self.case.topic.expected.writes <= SHORT { EVERY_OF_SHORT } else { EVERY }
    }

    /// Reads the table; where rows are missing although enough were written, some were written more than once, and as long
    /// as more come in they are waited for.
    async fn census(&self, meter: &Meter, end: End) -> Result<(Census, End), BenchError> {
        let (ground, expected) = (self.ground, &*self.case.topic.expected);
        let mut census = ground.census(expected).await?;
        match (&end, census.missing) {
            // Two writes to one row in one batch count as one: the count never came to its end, and the rows did.
            (End::Stalled, 0) => return Ok((census, End::Late)),
            (End::Done, 1..) => {}
            _ => return Ok((census, end)),
        }
        let _ = self.voice.send(format!("{} rows are missing so far", census.missing));
        let mut written = ground.written().await?;
        while census.missing > 0 && meter.ended().is_none() {
            tokio::time::sleep(STRAGGLERS).await;
            let now = ground.written().await?;
            census = ground.census(expected).await?;
            if now == written {
                break;
            }
            written = now;
        }
        Ok((census, End::Late))
    }
}
