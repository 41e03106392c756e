//! One shard: a consumer with its polling thread, and a single-threaded runtime with long-lived workers that write.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cassandra::{CassandraError, Session, UserTable};
use kafka::{Admin, ClientError, ConsumeError, GroupConsumer, Options, Producer, Status, UNREACHABLE_REMEDY, Work};
use schema::dead_letter::App;
use service::health::{Health, MAIN_LOOP};
use service::shutdown::Shutdown;
use tokio::task::JoinSet;

use crate::dead_letters::{DLQ, DeadLetters, Unsent};
use crate::floodgate::Floodgate;
use crate::gate::Gate;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::progress::{Progress, Standing};
use crate::settings::ProcessorSettings;
use crate::trouble::Trouble;
use crate::worker::{Line, work};
use crate::writer::{CASSANDRA, Writer, remedy};

/// Workers of a shard when `CASSANDRA_MAX_IN_FLIGHT` is 0: few enough that batches fill up under load, enough to keep a node
/// busy.
const WORKERS: usize = 8;
/// How often the shard looks after its consumer.
const LOOK: Duration = Duration::from_secs(1);

/// The name of the brokers in `/readyz`.
const KAFKA: &str = "kafka";

/// A shard ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShardError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    #[error("a worker ended early: {0}")]
    Worker(String),
    #[error(transparent)]
    DeadLetter(#[from] Unsent),
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[source] std::io::Error),
}

/// What a shard is given.
#[derive(Clone)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) settings: Arc<ProcessorSettings>,
    pub(crate) producer: Arc<Producer>,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) progress: Progress,
    pub(crate) floodgate: Arc<Floodgate>,
    pub(crate) app: App,
}

impl Shard {
    /// Runs on this thread until shutdown. True when everything in flight came to rest before the deadline.
    pub(crate) fn run(self) -> Result<bool, ShardError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ShardError::Runtime)?;
        tokio::task::LocalSet::new().block_on(&runtime, self.serve())
    }

    async fn serve(self) -> Result<bool, ShardError> {
        let shutdown = self.shutdown.clone();
        let Some(prepared) = shutdown.cuts(Box::pin(self.health.clone().while_waiting(self.prepare()))).await else {
            return Ok(true);
        };
        let (table, dlq_partitions) = prepared?;
        // From here on the polling loop is what has to turn.
        self.health.ended(MAIN_LOOP);
        let (queue, intake) = tokio::sync::mpsc::unbounded_channel();
        let consumer = GroupConsumer::spawn(&self.settings.kafka, self.options(), queue)?;
        let status = consumer.status();
        self.progress.attach(self.index, Arc::clone(&status));
        let name = table.name();
        let line = Rc::new(self.line(table, dlq_partitions, Intake::new(intake)));
        let mut workers = JoinSet::new();
        let count = self.workers();
        for _ in 0..count {
            workers.spawn_local(work(Rc::clone(&line)));
        }
        tracing::info!(shard = self.index, workers = count, table = name, "shard consumes");
        let ended = self.look_after(&consumer, &status, &line, &mut workers).await;
        consumer.stop();
        let joined = tokio::task::spawn_blocking(move || consumer.join()).await;
        self.health.ended(&self.name());
        ended?;
        Ok(joined.map_err(|error| ShardError::Worker(error.to_string()))??)
    }

    /// Until shutdown, or until the consumer or a worker ends by itself.
    async fn look_after(
        &self,
        consumer: &GroupConsumer,
        status: &Status,
        line: &Line,
        workers: &mut JoinSet<Result<(), Unsent>>,
    ) -> Result<(), ShardError> {
        let mut turns = 0;
        loop {
            tokio::select! {
                () = self.shutdown.requested() => return Ok(()),
                ended = workers.join_next() => return match ended {
                    Some(Err(error)) => Err(ShardError::Worker(error.to_string())),
                    Some(Ok(Err(error))) => Err(error.into()),
                    // A worker ends well only when the consumer hands out nothing any more: its own error says why.
                    Some(Ok(Ok(()))) | None => Ok(()),
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            if consumer.is_finished() {
                return Ok(());
            }
            self.look_at_brokers(status);
            self.progress.stands(self.index, standing(line));
            let now = status.turns();
            if now != turns {
                turns = now;
                self.health.tick_of(&self.name());
            }
        }
    }

    fn look_at_brokers(&self, status: &Status) {
        let kafka = self.what(KAFKA);
        if status.is_disconnected() {
            if self.health.not_ready(&kafka, "no broker is connected", UNREACHABLE_REMEDY) {
                tracing::warn!(remedy = UNREACHABLE_REMEDY, "no broker is connected, the line waits");
            }
        } else if self.health.ready(&kafka) {
            tracing::info!("a broker is connected again");
        }
    }

    fn name(&self) -> String {
        format!("shard {}", self.index)
    }

    /// The name of a dependency in `/readyz`: each shard has its own connections.
    fn what(&self, dependency: &str) -> String {
        if self.settings.shards == 1 { dependency.to_owned() } else { format!("{dependency} (shard {})", self.index) }
    }

    fn workers(&self) -> usize {
        let most = self.settings.cassandra.max_in_flight;
        if most == 0 { WORKERS } else { most }
    }

    fn options(&self) -> Options {
        Options {
            client_id: format!("stream-processor-{}", self.index),
            sibling: (self.settings.shards > 1).then_some(self.index),
            topics: vec![self.settings.kafka.topics.user_data.clone()],
            limits: self.settings.limits_of_shard(),
            commit_interval: self.settings.commit_interval,
            drain: self.settings.drain,
        }
    }

    fn line(&self, table: UserTable, dlq_partitions: i32, intake: Intake<Work>) -> Line {
        let kafka = &self.settings.kafka;
        Line {
            intake,
            writer: Writer {
                table: RefCell::new(Rc::new(table)),
                gate: Gate::new(&self.settings.retry, self.workers()),
                retry: self.settings.retry,
                held_up: Trouble::new(self.what("some rows"), self.health.clone()),
                trying_again: Cell::new(0),
                cluster: self.what(CASSANDRA),
                health: self.health.clone(),
                metrics: self.metrics.clone(),
            },
            dead_letters: Rc::new(DeadLetters {
                producer: Arc::clone(&self.producer),
                topic: kafka.topics.dlq.as_str().into(),
                partitions: dlq_partitions,
                group: kafka.group_id.clone(),
                app: self.app,
                retry: self.settings.retry,
                trouble: Trouble::new(self.what(DLQ), self.health.clone()),
                metrics: self.metrics.clone(),
            }),
            floodgate: Arc::clone(&self.floodgate),
            metrics: self.metrics.clone(),
        }
    }

    /// Waits for both topics and the table; nothing is created here.
    async fn prepare(&self) -> Result<(UserTable, i32), ClientError> {
        let kafka = &self.settings.kafka;
        let admin = Admin::new(kafka, "stream-processor-admin")?;
        let (retry, health) = (&self.settings.retry, &self.health);
        let topics = async {
            admin.wait_for(&kafka.topics.user_data, retry, health).await;
            admin.wait_for(&kafka.topics.dlq, retry, health).await
        };
        let (dlq_partitions, table) = tokio::join!(topics, self.table());
        Ok((table, dlq_partitions))
    }

    async fn table(&self) -> UserTable {
        let (mut delays, cassandra) = (self.settings.retry.delays(), self.what(CASSANDRA));
        loop {
            match open_table(&self.settings).await {
                Ok(table) => {
                    if self.health.ready(&cassandra) {
                        tracing::info!("cassandra is there");
                    }
                    return table;
                }
                Err(error) => {
                    let (reason, remedy) = (error.to_string(), remedy(error.class));
                    if self.health.not_ready(&cassandra, reason.clone(), remedy) {
                        tracing::warn!(reason, remedy, "cassandra cannot be written to, trying again");
                    }
                }
            }
            tokio::time::sleep(delays.next()).await;
        }
    }
}

fn standing(line: &Line) -> Standing {
    let gate = &line.writer.gate;
    Standing {
        breaker: gate.breaker(),
        concurrency: gate.concurrency(),
        rows_held_up: line.writer.held_up.reason(),
        dead_letters: line.dead_letters.trouble.reason(),
    }
}

/// Connects and prepares the upsert, once.
pub(crate) async fn open_table(settings: &ProcessorSettings) -> Result<UserTable, CassandraError> {
    let session = Session::connect(&settings.cassandra).await?;
    UserTable::open(&session, &settings.cassandra).await
}
