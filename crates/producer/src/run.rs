//! The loop: wait for the start of a run, fetch page after page, publish each, go on.

use std::time::Duration;

use chrono::Utc;
use kafka::{Admin, ClientError};
use schema::dead_letter::App;
use schema::version::VersionClock;
use service::Exit;
use service::process::Context;
use service::version::VERSION;
use tokio::time::Instant;
use uuid::Uuid;

use crate::attendance::Attendance;
use crate::bounds::Bounds;
use crate::cursor::Cursor;
use crate::fetch::Fetcher;
use crate::metrics::ProducerMetrics;
use crate::publish::{PublishError, Publisher};
use crate::request::ApiError;
use crate::schedule::{Mode, Moment, Schedule, Start};
use crate::settings::ProducerSettings;
use crate::shipment::{Destination, Shipment, Tally};

/// A wait for the calendar is looked at again this often, because the wall clock may be set meanwhile.
const CALENDAR: Duration = Duration::from_secs(10);

/// The producer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The Kafka client could not be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The HTTP client could not be built.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nothing more can be published by this process.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Runs the producer until its mode has no further run or `context.shutdown` is requested.
///
/// # Errors
/// See [`RunError`]; an outage is none of them.
pub async fn run(settings: ProducerSettings, context: Context) -> Result<Exit, RunError> {
    let metrics = ProducerMetrics::new(&context.metrics);
    let kafka = &settings.kafka;
    let admin = Admin::new(kafka, "producer")?;
    for topic in settings.topics() {
        let there = context.health.while_waiting(admin.wait_for(topic, &settings.retry, &context.health));
        if context.shutdown.cuts(there).await.is_none() {
            return Ok(exit(&settings.mode, 0));
        }
    }
    drop(admin);
    let Context { shutdown, health, .. } = context.clone();
    let attendance = Attendance::new(settings.retry, shutdown, health, metrics.clone());
    let Some(opened) = context.shutdown.cuts(Publisher::open(&settings, attendance)).await else {
        return Ok(exit(&settings.mode, 0));
    };
    let (publisher, cursor, clock) = opened?;
    let place = cursor.place();
    tracing::info!(name = settings.name, seed = &*place.seed, page = place.page, "producer goes on");
    let mut line = Line {
        fetcher: Fetcher::new(&settings, context.health.clone(), metrics.clone())?,
        publisher,
        destination: Destination {
            topic: kafka.topics.user_data.as_str().into(),
            dlq_topic: kafka.topics.dlq.as_str().into(),
            app: App { name: "producer", version: VERSION },
        },
        cursor,
        clock,
        metrics,
    };
    let mut schedule = Schedule::new(settings.mode.clone());
    let mut pages = 0;
    while let Some(start) = schedule.plan(Moment::now()) {
        if wait_for(start, &context).await.is_none() {
            break;
        }
        pages += line.run(&settings, &context).await?;
    }
    Ok(exit(&settings.mode, pages))
}

/// A single run was asked for its pages; a service with a schedule was asked to run.
fn exit(mode: &Mode, pages: u64) -> Exit {
    if matches!(mode, Mode::Once) && pages == 0 {
        tracing::error!("the run fetched nothing");
        return Exit::Failed;
    }
    Exit::Done
}

async fn wait_for(start: Start, context: &Context) -> Option<()> {
    loop {
        let wait = start.wait(Moment::now());
        if wait.is_zero() {
            return (!context.shutdown.is_requested()).then_some(());
        }
        let nap = context.health.while_waiting(tokio::time::sleep(wait.min(CALENDAR)));
        context.shutdown.cuts(nap).await?;
    }
}

/// What lives from run to run: the place in the API and the clients.
struct Line {
    fetcher: Fetcher,
    publisher: Publisher,
    destination: Destination,
    cursor: Cursor,
    clock: VersionClock,
    metrics: ProducerMetrics,
}

impl Line {
    /// One run; how many pages it brought home.
    async fn run(&mut self, settings: &ProducerSettings, context: &Context) -> Result<u64, PublishError> {
        let run_id = Uuid::now_v7();
        let bounds = Bounds::new(context.shutdown.clone(), settings.duration, context.health.clone());
        let batches = settings.batches.map_or(u64::MAX, |batches| u64::from(batches.get()));
        let mut pages = 0;
        while pages < batches && !bounds.are_over() {
            let began = Instant::now();
            let Some(page) = self.fetcher.page(self.cursor.place(), &bounds).await else { break };
            let place = self.cursor.place();
            let users = page.users.len();
            if let Some(ahead) = self.clock.stepped_back(Utc::now()) {
                tracing::warn!(
                    ahead_seconds = ahead.num_seconds(),
                    "the clock was stepped back: rows written before keep their newer versions until it has caught up"
                );
            }
            let shipment = Shipment::new(page, place, run_id, &mut self.clock, self.destination.clone());
            let next = self.cursor.following();
            let bookmark = self.cursor.bookmark(&next, self.clock.last(), self.publisher.owner());
            let Some(tally) = self.publisher.publish(shipment, &bookmark).await? else { break };
            let Tally { published, dead_lettered } = tally;
            tracing::info!(
                %run_id,
                seed = &*place.seed,
                page = place.page,
                users,
                published,
                dead_lettered,
                duration_seconds = began.elapsed().as_secs_f64(),
                "page finished"
            );
            self.metrics.page_done();
            self.cursor.advance(next);
            pages += 1;
        }
        tracing::debug!(%run_id, pages, "run ended");
        Ok(pages)
    }
}
