//! The consumer: one OS thread that polls, keeps the ledgers and commits.
//!
//! The client is polled from a plain thread and never by the async runtime, so a slow sink cannot cost the group membership
//! and no wake-up can be lost. In each turn, highest first: shutdown, rebalance events, reports, commit, poll. What is decided
//! is decided in [`crate::assignments`]; this is the shell around it. Nothing here waits for a broker without a bound.
//!
//! # Why the frontier may step to the end of a partition
//! Behind a transaction the last offset is a marker that is never delivered. The client says "end of partition at E" by an event
//! in the partition's own fetch queue (librdkafka's `rd_kafka_fetch_reply_handle_partition`: raised when the next offset to fetch
//! equals the last stable offset of the answer). Claim: when the event is polled, every record below E that a `read_committed`
//! reader can ever see has been polled.
//! 1. The next offset to fetch moves only when a fetch answer is parsed, by the thread that puts the answer's records into the
//!    queue, records first. So when it equals E, all records below E are in the queue or were polled. What lies below the last
//!    stable offset is decided: no record can appear there later.
//! 2. The event goes into the same queue by the same thread, and the queue is first in, first out: records below E come out
//!    before it.
//! 3. A seek, a pause or a new assignment in between raises the partition's version. Events of the old version are dropped by
//!    the library at the poll, records and ends alike, and fetching begins anew.
//! 4. We poll from one thread, and a record is in the ledger before the next poll. An event of a partition that is not held any
//!    more finds no ledger, and one of an older epoch cannot come: giving back or restarting a partition raises its version.
//!
//! So [`crate::ledger::Ledger::reach`] moves only what comes next; an open record still holds the frontier back (I1). Were the
//! library ever to say an end behind what it delivered, that is a partition that went back, and it is read anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::mpsc::UnboundedSender;

use crate::assign::LOOK_AT_TOPICS;
use crate::assignments::{Assignments, Delivered};
use crate::budget::Limits;
use crate::commit::CommitPolicy;
use crate::error::{Class, ClientError, class};
use crate::member::Member;
use crate::polled::{Fetched, Polled, poll};
use crate::rebalance::Event;
use crate::receipt::{Inbox, Report, Work};
use crate::revoke::{Bounds, leave};
use crate::settings::{GroupProtocol, KafkaSettings};
use crate::status::{Counters, Status};

/// Longest wait of one poll: how late a shutdown, a commit or a rebalance can be noticed.
pub(crate) const POLL: Duration = Duration::from_millis(200);
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
    /// Number of this consumer among those of its process, where there are several.
    pub sibling: Option<usize>,
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
    /// The client cannot be built a second time, with the other group protocol.
    #[error(transparent)]
    Again(#[from] ClientError),
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
    /// Joins the group and delivers records into `work`, as many at a time as were at hand, until [`Self::stop`].
    pub fn spawn(
        settings: &KafkaSettings,
        options: Options,
        work: UnboundedSender<Vec<Work>>,
    ) -> Result<Self, ClientError> {
        let member = Member::new(settings, &options)?;
        let stop = Arc::new(AtomicBool::new(false));
        let status = Arc::new(Status::default());
        let now = Instant::now();
        let policy = CommitPolicy::new(options.commit_interval, options.limits.records as u64 / 2, now);
        let inbox: Arc<Inbox> = Arc::default();
        let polling = Polling {
            assignments: Assignments::new(options.limits, policy, Arc::clone(&inbox)),
            bounds: Bounds::new(&options, settings.max_poll_interval()),
            inbox,
            reports: Vec::new(),
            work,
            fresh: Vec::new(),
            stop: Arc::clone(&stop),
            status: Arc::clone(&status),
            spent_since: None,
            paused: false,
            status_due: now,
            topics_due: now + LOOK_AT_TOPICS,
            told: None,
            settings: settings.clone(),
            options,
            member,
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

pub(crate) struct Polling {
    pub(crate) member: Member,
    settings: KafkaSettings,
    pub(crate) options: Options,
    pub(crate) bounds: Bounds,
    pub(crate) assignments: Assignments,
    pub(crate) inbox: Arc<Inbox>,
    reports: Vec<Report>,
    work: UnboundedSender<Vec<Work>>,
    /// Taken in this turn, not handed out yet.
    fresh: Vec<Work>,
    stop: Arc<AtomicBool>,
    pub(crate) status: Arc<Status>,
    spent_since: Option<Instant>,
    pub(crate) paused: bool,
    pub(crate) status_due: Instant,
    /// When to look next whether the topics are still the same.
    pub(crate) topics_due: Instant,
    /// The last trouble that was logged, until a record comes.
    told: Option<String>,
}

impl Polling {
    fn run(mut self) -> Result<bool, ConsumeError> {
        let ended = self.consume();
        leave(self.member);
        ended
    }

    fn consume(&mut self) -> Result<bool, ConsumeError> {
        self.subscribe()?;
        while !self.stop.load(Ordering::SeqCst) {
            self.status.turned();
            self.serve_rebalances()?;
            self.take_reports();
            self.commit_if_due()?;
            self.look_at_topics()?;
            self.refresh_status();
            self.member.find_way_back();
            self.poll()?;
        }
        self.close()
    }

    fn subscribe(&self) -> Result<(), ConsumeError> {
        let topics: Vec<&str> = self.options.topics.iter().map(String::as_str).collect();
        self.member.consumer.subscribe(&topics).map_err(ConsumeError::Client)
    }

    /// Takes records while there is room; with none, waits for reports; with none for long, pauses and polls on.
    fn poll(&mut self) -> Result<(), ConsumeError> {
        if self.assignments.has_room() {
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
            self.hand_out()
        } else {
            self.inbox.wait(POLL, self.assignments.worth_waking());
            Ok(())
        }
    }

    fn take_records(&mut self) -> Result<(), ConsumeError> {
        let mut patience = POLL;
        for _ in 0..BURST {
            if !self.take_one(patience)? || !self.assignments.has_room() {
                break;
            }
            patience = Duration::ZERO;
        }
        self.hand_out()
    }

    /// One message for all that was taken: each wakes the workers' runtime.
    fn hand_out(&mut self) -> Result<(), ConsumeError> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        self.work.send(std::mem::take(&mut self.fresh)).map_err(|_closed| ConsumeError::NoWorkers)
    }

    /// Polls once; true when a record or an end came.
    fn take_one(&mut self, patience: Duration) -> Result<bool, ConsumeError> {
        match poll(&self.member.records, &self.member.consumer, patience) {
            None | Some(Polled::Served) => Ok(false),
            Some(Polled::Record(fetched)) => {
                self.told = None;
                self.deliver(&fetched)?;
                Ok(true)
            }
            Some(Polled::End(end)) => {
                if !self.assignments.reach(&end.topic, end.partition, end.offset) {
                    self.went_back(&end.topic, end.partition, end.offset)?;
                }
                Ok(true)
            }
            Some(Polled::Fatal(_)) if self.member.is_protocol_refused() => {
                self.fall_back()?;
                Ok(false)
            }
            Some(Polled::Fatal(error)) => Err(ConsumeError::Client(error)),
            Some(Polled::Trouble(error)) => {
                // The client repeats itself every second.
                let told = error.to_string();
                if self.told.as_ref() != Some(&told) {
                    tracing::warn!(%error, "kafka does not deliver");
                    self.told = Some(told);
                }
                Ok(false)
            }
        }
    }

    fn deliver(&mut self, fetched: &Fetched) -> Result<(), ConsumeError> {
        let (topic, partition) = (fetched.topic(), fetched.partition());
        match self.assignments.deliver(&topic, partition, |topic| fetched.record(topic)) {
            Delivered::Opened(work) => {
                self.fresh.push(work);
                Ok(())
            }
            Delivered::Behind => self.went_back(&topic, partition, fetched.offset()),
            Delivered::Elsewhere => Ok(()),
        }
    }

    /// Joins again with the protocol that every broker knows. Nothing was ever assigned to a member that was refused.
    fn fall_back(&mut self) -> Result<(), ConsumeError> {
        tracing::warn!("the broker does not know the group protocol consumer, falling back to classic");
        let classic = Member::with(&self.settings, &self.options, GroupProtocol::Classic);
        self.member = classic.map_err(ConsumeError::Again)?;
        self.subscribe()
    }

    pub(crate) fn take_reports(&mut self) {
        let mut reports = std::mem::take(&mut self.reports);
        self.inbox.take(&mut reports);
        let late = reports.drain(..).filter(|report| !self.assignments.settle(*report)).count();
        self.reports = reports;
        Counters::add(&self.status.counters.late, late);
    }

    fn commit_if_due(&mut self) -> Result<(), ConsumeError> {
        self.take_answer(Duration::ZERO)?;
        if !self.member.commits.is_under_way() && self.assignments.commit_due(Instant::now()) {
            return self.commit();
        }
        Ok(())
    }

    /// The only commit there is. Its outcome is [`Self::take_answer`]'s.
    pub(crate) fn commit(&mut self) -> Result<(), ConsumeError> {
        let due = self.assignments.commit(Instant::now());
        if due.is_empty() {
            return Ok(());
        }
        self.member.commits.send(&self.member.consumer, due).map_err(ConsumeError::Client)
    }

    /// Notes the outcome of the commit under way, if it is known within `patience`.
    pub(crate) fn take_answer(&mut self, patience: Duration) -> Result<(), ConsumeError> {
        let Some(answer) = self.member.commits.answer(patience) else { return Ok(()) };
        self.assignments.committed(&answer.done);
        let Some((partitions, error)) = answer.failed else {
            Counters::add(&self.status.counters.commits_done, 1);
            return Ok(());
        };
        Counters::add(&self.status.counters.commits_failed, 1);
        self.assignments.not_committed();
        if class(&error) == Class::Fatal {
            return Err(ConsumeError::Client(error));
        }
        tracing::warn!(%error, partitions, "offsets were not committed, trying again");
        Ok(())
    }

    fn serve_rebalances(&mut self) -> Result<(), ConsumeError> {
        while let Some(event) = self.member.next_event() {
            match event {
                Event::Assign(partitions) => self.assigned(partitions),
                Event::Revoke { partitions, lost } => self.revoke(&partitions, lost)?,
            }
            self.status_due = Instant::now();
        }
        self.assign()
    }

    /// Stops or resumes fetching of everything held. Pausing throws the prefetched records away, hence for outages only.
    pub(crate) fn pause(&mut self, pause: bool) {
        let mut partitions = TopicPartitionList::new();
        for (topic, partition) in self.assignments.held() {
            partitions.add_partition(&topic, partition);
        }
        let consumer = &self.member.consumer;
        let result = if pause { consumer.pause(&partitions) } else { consumer.resume(&partitions) };
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
        let context = self.member.consumer.context();
        self.status.connected(context.connected());
        let remote = |topic: &str, partition| context.remote(topic, partition);
        self.status.publish(self.assignments.status(remote, paused));
    }
}
