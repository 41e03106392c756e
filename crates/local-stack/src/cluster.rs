//! Three Kafka brokers, each of them a controller too: every partition has three replicas, and a write is acknowledged when
//! two have it. One of them may be away at a time.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::artifacts::Artifacts;
use crate::data_dir;
use crate::failure::StackError;
use crate::kafka::Broker;
use crate::node::{Misfire, Node};
use crate::options::{ClusterOptions, Profile};
use crate::port;
use crate::probe;
use crate::stack::ATTEMPTS;

const WHAT: &str = "Kafka";
const NAMES: [&str; 3] = ["Kafka broker 1", "Kafka broker 2", "Kafka broker 3"];

/// Running Kafka brokers. Dropping it kills them all; [`Cluster::stop`] ends them in order.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Node>,
    /// Held while the cluster lives, so that no other one works on the same data.
    _lock: File,
}

/// Who has a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// Number of the partition.
    pub partition: i32,
    /// Place of its leader in [`Cluster::brokers`]; `None` while it has none.
    pub leader: Option<usize>,
    /// How many replicas have all of it.
    pub in_sync: usize,
}

impl Cluster {
    /// Starts all brokers at the same time and returns when each is a member of the cluster.
    ///
    /// # Errors
    /// [`StackError`], each a sentence with the remedy; nothing is left running then.
    pub fn start(options: &ClusterOptions, artifacts: &Artifacts) -> Result<Self, StackError> {
        // The servers run in directories of their own, so every path they get must be whole.
        let data_dir = std::path::absolute(&options.data_dir).map_err(StackError::file(&options.data_dir))?;
        let logs = data_dir.join("logs");
        std::fs::create_dir_all(&logs).map_err(StackError::file(&logs))?;
        let lock = data_dir::lock(&data_dir)?;
        for id in 1..=NAMES.len() {
            data_dir::keep_previous(&logs.join(format!("kafka-{id}.log")))?;
        }
        let mut lost = 0;
        for _ in 0..ATTEMPTS {
            let brokers = prepare(options, artifacts, &data_dir)?;
            match start_all(&brokers) {
                Ok(()) => return Ok(Self { brokers, _lock: lock }),
                Err(Misfire::Failed(StackError::PortInUse { port, .. })) => lost = port,
                Err(Misfire::LostPort) => {}
                Err(Misfire::Failed(error)) => return Err(error),
            }
        }
        Err(StackError::PortInUse { what: WHAT, port: lost, holder: port::holder(lost) })
    }

    /// The brokers, which can be killed, paused and started one by one.
    #[must_use]
    pub fn brokers(&self) -> &[Node] {
        &self.brokers
    }

    /// Addresses of all brokers, as clients take them.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<String> = self.brokers.iter().map(|broker| broker.address().to_string()).collect();
        addresses.join(",")
    }

    /// Who has the partitions of a topic, as the first broker says that answers.
    ///
    /// # Errors
    /// [`StackError::Process`] when no broker answers.
    pub fn partitions(&self, topic: &str) -> Result<Vec<PartitionState>, StackError> {
        let mut problem = StackError::NotRunning { what: WHAT };
        for broker in self.brokers.iter().filter(|broker| broker.pid().is_some()) {
            match probe::kafka_metadata(broker.address(), Some(topic)) {
                Ok(metadata) => {
                    let place = |id: i32| usize::try_from(id).ok()?.checked_sub(1);
                    let state = |partition: &crate::metadata::Partition| PartitionState {
                        partition: partition.index,
                        leader: place(partition.leader),
                        in_sync: partition.in_sync.len(),
                    };
                    return Ok(metadata.partitions.iter().map(state).collect());
                }
                Err(source) => problem = StackError::Process { what: WHAT, source },
            }
        }
        Err(problem)
    }

    /// Ends all brokers in order, at the same time; the data stays.
    ///
    /// # Errors
    /// [`StackError::Process`] when the system refuses.
    pub fn stop(&self) -> Result<(), StackError> {
        on_all(&self.brokers, Node::stop)
    }
}

/// On ports that are free now.
fn prepare(options: &ClusterOptions, artifacts: &Artifacts, data_dir: &Path) -> Result<Vec<Node>, StackError> {
    let mut taken = Vec::new();
    let mut next = || {
        let port = port::free(&taken).map_err(|source| StackError::Process { what: WHAT, source })?;
        taken.push(port);
        Ok(port)
    };
    let mut ports = Vec::new();
    let mut controllers = Vec::new();
    for id in (1_u16..).take(NAMES.len()) {
        ports.push(next()?);
        controllers.push((id, next()?));
    }
    let broker = |((what, (id, _)), port): ((&'static str, &(u16, u16)), u16)| Broker {
        what,
        id: *id,
        dir: data_dir.join(format!("kafka-{id}")),
        log: data_dir.join(format!("logs/kafka-{id}.log")),
        port,
        proxied: None,
        controllers: &controllers,
        profile: Profile::Test,
        heap_mib: options.heap_mib,
        properties: &options.properties,
        ready_within: options.ready_within,
    };
    let brokers: Vec<Broker<'_>> = NAMES.into_iter().zip(&controllers).zip(ports).map(broker).collect();
    // The first time each formats its storage.
    on_all(&brokers, |broker| broker.prepare(artifacts).map(Node::new))
}

/// None is ready before most are there, so they start together.
fn start_all(brokers: &[Node]) -> Result<(), Misfire> {
    let abandoned = AtomicBool::new(false);
    on_all(brokers, |broker| match broker.start_unless(&abandoned) {
        // Given up because of another, which tells the cause.
        Ok(()) | Err(Misfire::Failed(StackError::Abandoned { .. })) => Ok(()),
        Err(misfire) => {
            abandoned.store(true, Ordering::Relaxed);
            Err(misfire)
        }
    })
}

/// On each at the same time.
fn on_all<T: Sync, R: Send, E: Send, C: FromIterator<R>>(
    things: &[T],
    act: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<C, E> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = things.iter().map(|thing| scope.spawn(|| act(thing))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
