//! The consumer: one OS thread that polls, keeps the ledgers and commits.
//!
//! The client is polled from a plain thread and never by the async runtime, so a slow sink cannot cost the group membership
//! and no wake-up can be lost. In each turn, highest first: shutdown, rebalance events, reports, commit, poll.
//!
//! # The revoke protocol
//! 1. stop dispatch: queued records of the partition are not started any more
//! 2. drain: wait for what was started, under a deadline, taking reports
//! 3. commit the frontier
//! 4. end the epoch: the ledger is dropped; what reports later is ignored (I5)
//! 5. give the partition back
//!
//! Lost partitions skip 2 and 3: somebody else already reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;

use crate::assignments::Assignments;
use crate::budget::{Budget, Limits};
use crate::commit::CommitPolicy;
use crate::error::{Class, ClientError, class};
use crate::message;
use crate::rebalance::{Event, GroupContext, give_back, take};
use crate::receipt::{Inbox, Report, Work};
use crate::settings::{GroupProtocol, KafkaSettings};
use crate::status::{Counters, Status};

/// Longest wait of one poll: how late a shutdown, a commit or a rebalance can be noticed.
const POLL: Duration = Duration::from_millis(100);
/// Records taken between two looks at everything else.
const BURST: usize = 256;
/// A budget that stays spent this long means an outage: pause, so that polling can go on and keeps the membership.
const STALL: Duration = Duration::from_millis(500);
/// How often the status is refreshed.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// What a group consumer is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the client in the broker's logs.
    pub client_id: String,
    /// Topics to subscribe to.
    pub topics: Vec<String>,
    /// Bound on what is read and not passed by the frontier.
    pub limits: Limits,
    /// Longest time between a settlement and its commit.
    pub commit_interval: Duration,
    /// How long a revoke or a shutdown waits for what was started.
    pub drain: Duration,
}

/// The consumer ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The client cannot go on.
    #[error("the Kafka consumer cannot go on: {0}")]
    Client(#[source] KafkaError),
    /// The workers are gone.
    #[error("nobody takes the records any more")]
    NoWorkers,
    /// The polling thread panicked.
    #[error("the polling thread panicked")]
    Panicked,
}

/// A running consumer.
#[derive(Debug)]
pub struct GroupConsumer {
    thread: JoinHandle<Result<bool, ConsumeError>>,
    stop: Arc<AtomicBool>,
    status: Arc<Status>,
}

impl GroupConsumer {
    /// Joins the group and delivers records into `work` until [`Self::stop`].
    pub fn spawn(settings: &KafkaSettings, options: Options, work: UnboundedSender<Work>) -> Result<Self, ClientError> {
        let mut config = settings.group_consumer(&options.client_id);
        let consumer: BaseConsumer<GroupContext> =
            config.create_with_context(GroupContext::default()).or_else(|error| {
                if settings.group_protocol == GroupProtocol::Classic {
                    return Err(ClientError::Config(error));
                }
                tracing::warn!(%error, "group protocol consumer is not available, falling back to classic");
                config.set("group.protocol", "classic").set("partition.assignment.strategy", "cooperative-sticky");
                config.create_with_context(GroupContext::default()).map_err(ClientError::Config)
            })?;
        let stop = Arc::new(AtomicBool::new(false));
        let status = Arc::new(Status::default());
        let now = Instant::now();
        let polling = Polling {
            budget: Budget::new(options.limits),
            policy: CommitPolicy::new(options.commit_interval, options.limits.records as u64 / 2, now),
            assignments: Assignments::default(),
            inbox: Arc::default(),
            reports: Vec::new(),
            work,
            stop: Arc::clone(&stop),
            status: Arc::clone(&status),
            spent_since: None,
            paused: false,
            status_due: now,
            told: None,
            options,
            consumer,
        };
        let thread = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(|| polling.run())
            .map_err(ClientError::Thread)?;
        Ok(Self { thread, stop, status })
    }

    /// What it shows of itself.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// True when it has ended, asked or not.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks it to drain, commit and leave the group.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Waits for its end; true when everything in flight came to rest before the deadline. Blocks.
    pub fn join(self) -> Result<bool, ConsumeError> {
        self.thread.join().unwrap_or(Err(ConsumeError::Panicked))
    }
}

struct Polling {
    consumer: BaseConsumer<GroupContext>,
    options: Options,
    budget: Budget,
    policy: CommitPolicy,
    assignments: Assignments,
    inbox: Arc<Inbox>,
    reports: Vec<Report>,
    work: UnboundedSender<Work>,
    stop: Arc<AtomicBool>,
    status: Arc<Status>,
    spent_since: Option<Instant>,
    paused: bool,
    status_due: Instant,
    /// The last trouble that was logged, until a record comes.
    told: Option<String>,
}

impl Polling {
    fn run(mut self) -> Result<bool, ConsumeError> {
        let topics: Vec<&str> = self.options.topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&topics).map_err(ConsumeError::Client)?;
        while !self.stop.load(Ordering::SeqCst) {
            self.status.turned();
            self.serve_rebalances()?;
            self.take_reports();
            self.commit_if_due()?;
            self.refresh_status();
            self.poll()?;
        }
        self.close()
    }

    /// Takes records while there is room; with none, waits for reports; with none for long, pauses and polls on.
    fn poll(&mut self) -> Result<(), ConsumeError> {
        if self.budget.has_room() {
            self.spent_since = None;
            if self.paused {
                self.pause(false);
            }
            return self.take_records();
        }
        let since = *self.spent_since.get_or_insert_with(Instant::now);
        if !self.paused && since.elapsed() >= STALL {
            self.pause(true);
        }
        if self.paused {
            self.take_one(POLL)?;
        } else {
            self.inbox.wait(POLL);
        }
        Ok(())
    }

    fn take_records(&mut self) -> Result<(), ConsumeError> {
        let mut patience = POLL;
        for _ in 0..BURST {
            if !self.take_one(patience)? || !self.budget.has_room() {
                break;
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    /// Polls once; true when a record came.
    fn take_one(&mut self, patience: Duration) -> Result<bool, ConsumeError> {
        let record = match self.consumer.poll(patience) {
            None => return Ok(false),
            Some(Ok(polled)) => {
                self.told = None;
                let Some(held) = self.assignments.holding(polled.topic(), polled.partition()) else {
                    // Prefetched before its partition was given back; its new owner reads it.
                    return Ok(true);
                };
                let record = message::record(&polled, &held.topic);
                let bytes = message::weight(&record);
                if !held.deliver(&record, bytes) {
                    Counters::add(&self.status.counters.repeated, 1);
                    return Ok(true);
                }
                self.budget.charge(bytes);
                Work::new(record, held.handle())
            }
            Some(Err(error)) => {
                return match class(&error) {
                    Class::Fatal => Err(ConsumeError::Client(error)),
                    Class::Retry | Class::Rejoin | Class::Misconfigured | Class::Rejected => {
                        // The client repeats itself every second.
                        let told = error.to_string();
                        if self.told.as_ref() != Some(&told) {
                            tracing::warn!(%error, "kafka does not deliver");
                            self.told = Some(told);
                        }
                        Ok(false)
                    }
                };
            }
        };
        self.work.send(record).map_err(|_closed| ConsumeError::NoWorkers)?;
        Ok(true)
    }

    fn take_reports(&mut self) {
        let mut reports = std::mem::take(&mut self.reports);
        self.inbox.take(&mut reports);
        let mut late = 0;
        for report in reports.drain(..) {
            match self.assignments.settle(report) {
                Some((records, bytes)) => {
                    self.budget.refund(records, bytes);
                    self.policy.settled(1);
                }
                None => late += 1,
            }
        }
        self.reports = reports;
        if late > 0 {
            Counters::add(&self.status.counters.late, late);
        }
    }

    fn commit_if_due(&mut self) -> Result<(), ConsumeError> {
        if self.policy.due(Instant::now()) {
            return self.commit();
        }
        Ok(())
    }

    /// The only commit there is.
    fn commit(&mut self) -> Result<(), ConsumeError> {
        let due = self.assignments.uncommitted();
        let mut offsets = TopicPartitionList::with_capacity(due.len());
        for (topic, partition, frontier) in &due {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(*frontier)).map_err(ConsumeError::Client)?;
        }
        if due.is_empty() {
            self.policy.tried(Instant::now(), true);
            return Ok(());
        }
        let result = self.consumer.commit(&offsets, CommitMode::Sync);
        self.policy.tried(Instant::now(), result.is_ok());
        match result {
            Ok(()) => {
                Counters::add(&self.status.counters.commits_done, 1);
                self.assignments.committed(&due);
            }
            Err(error) => {
                Counters::add(&self.status.counters.commits_failed, 1);
                if class(&error) == Class::Fatal {
                    return Err(ConsumeError::Client(error));
                }
                tracing::warn!(%error, partitions = due.len(), "offsets were not committed, trying again");
            }
        }
        Ok(())
    }

    fn serve_rebalances(&mut self) -> Result<(), ConsumeError> {
        while let Some(event) = self.consumer.context().next_event() {
            match event {
                Event::Assign(partitions) => self.assign(&partitions)?,
                Event::Revoke { partitions, lost } => self.revoke(&partitions, lost)?,
            }
            self.status_due = Instant::now();
        }
        Ok(())
    }

    fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), ConsumeError> {
        for element in partitions.elements() {
            self.assignments.add(element.topic(), element.partition(), &self.inbox);
        }
        Counters::add(&self.status.counters.assigned, partitions.count());
        take(&self.consumer, partitions).map_err(ConsumeError::Client)?;
        if self.paused {
            self.pause(true);
        }
        tracing::info!(partitions = partitions.count(), held = self.assignments.len(), "partitions assigned");
        Ok(())
    }

    /// The numbered list of the module's page.
    fn revoke(&mut self, partitions: &TopicPartitionList, lost: bool) -> Result<(), ConsumeError> {
        let revoked: Vec<(String, i32)> =
            partitions.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        self.assignments.stop_dispatch(&revoked);
        let drained = lost || self.drain(&revoked);
        if !lost {
            self.commit()?;
        }
        let (records, bytes) = self.assignments.remove(&revoked);
        self.budget.refund(records, bytes);
        give_back(&self.consumer, partitions).map_err(ConsumeError::Client)?;
        let counters = &self.status.counters;
        Counters::add(if lost { &counters.lost } else { &counters.revoked }, revoked.len());
        tracing::info!(
            partitions = revoked.len(),
            held = self.assignments.len(),
            redelivered = records,
            drained,
            lost,
            "partitions given back"
        );
        Ok(())
    }

    /// Waits until nothing of `partitions` is under way; false when the deadline came first.
    fn drain(&mut self, partitions: &[(String, i32)]) -> bool {
        let deadline = Instant::now() + self.options.drain;
        loop {
            let idle = self.assignments.in_flight(partitions) == 0;
            // After the look at the count: what settled before it is in the inbox.
            self.take_reports();
            if idle {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.inbox.wait(left.min(POLL));
        }
    }

    fn close(mut self) -> Result<bool, ConsumeError> {
        let held = self.assignments.held();
        self.assignments.stop_dispatch(&held);
        let drained = self.drain(&held);
        self.commit()?;
        let (redelivered, _) = self.assignments.remove(&held);
        self.status.publish(Vec::new());
        tracing::info!(drained, redelivered, "consumer closed");
        Ok(drained)
    }

    /// Stops or resumes fetching of everything held. Pausing throws the prefetched records away, hence for outages only.
    fn pause(&mut self, pause: bool) {
        let mut partitions = TopicPartitionList::new();
        for (topic, partition) in self.assignments.held() {
            partitions.add_partition(&topic, partition);
        }
        let result = if pause { self.consumer.pause(&partitions) } else { self.consumer.resume(&partitions) };
        match result {
            Ok(()) => {
                self.paused = pause;
                self.status_due = Instant::now();
            }
            Err(error) => tracing::warn!(%error, pause, "partitions could not be paused or resumed"),
        }
    }

    fn refresh_status(&mut self) {
        let now = Instant::now();
        if now < self.status_due {
            return;
        }
        self.status_due = now + STATUS_EVERY;
        let paused = self.paused.then_some("the budget is spent: nothing settles");
        let context = self.consumer.context();
        self.status.connected(context.connected());
        self.status.publish(self.assignments.status(context, paused));
    }
}

/// Dropping the client leaves the group, on this thread, which is the one that polled. It waits until every partition is
/// given back, so from here on the context answers the coordinator by itself, whatever ended the loop.
impl Drop for Polling {
    fn drop(&mut self) {
        self.consumer.context().close();
        while let Some(event) = self.consumer.context().next_event() {
            let (what, answered) = match &event {
                Event::Assign(partitions) => ("taken", take(&self.consumer, partitions)),
                Event::Revoke { partitions, .. } => ("given back", give_back(&self.consumer, partitions)),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "partitions could not be {what} while closing");
            }
        }
    }
}
