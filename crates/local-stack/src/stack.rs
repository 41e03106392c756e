//! Kafka and Cassandra together.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::artifacts::Artifacts;
use crate::cassandra;
use crate::data_dir;
use crate::failure::StackError;
use crate::kafka;
use crate::node::{Launch, Misfire, Node};
use crate::options::StackOptions;
use crate::port;

/// How often a start is tried again when another process was quicker to take a port that we had found free.
pub(crate) const ATTEMPTS: u32 = 5;

/// A running Kafka and a running Cassandra. Dropping it kills both; [`Stack::stop`] ends them in order.
#[derive(Debug)]
pub struct Stack {
    kafka: Node,
    cassandra: Node,
    /// Held while the stack lives, so that no other one works on the same data.
    _lock: File,
}

impl Stack {
    /// Starts both servers at the same time and returns when both answer real requests.
    ///
    /// # Errors
    /// [`StackError`], each a sentence with the remedy; nothing is left running then.
    pub fn start(options: &StackOptions, artifacts: &Artifacts) -> Result<Self, StackError> {
        // The servers run in directories of their own, so every path they get must be whole.
        let data_dir = std::path::absolute(&options.data_dir).map_err(StackError::file(&options.data_dir))?;
        let options = StackOptions { data_dir, ..options.clone() };
        let logs = options.data_dir.join("logs");
        std::fs::create_dir_all(&logs).map_err(StackError::file(&logs))?;
        let lock = data_dir::lock(&options.data_dir)?;
        for name in ["kafka.log", "cassandra.log"] {
            data_dir::keep_previous(&logs.join(name))?;
        }
        let abandoned = AtomicBool::new(false);
        let (kafka, cassandra) = std::thread::scope(|scope| {
            let start = |what, fixed_port, prepare| {
                let (options, abandoned) = (&options, &abandoned);
                move || {
                    let started = start_node(what, fixed_port, prepare, options, artifacts, abandoned);
                    if started.is_err() {
                        abandoned.store(true, Ordering::Relaxed);
                    }
                    started
                }
            };
            let kafka = scope.spawn(start("Kafka", options.kafka_port, kafka::prepare));
            let cassandra = start("Cassandra", options.cassandra_port, cassandra::prepare)();
            let kafka = kafka.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (kafka, cassandra)
        });
        match (kafka, cassandra) {
            (Ok(kafka), Ok(cassandra)) => Ok(Self { kafka, cassandra, _lock: lock }),
            // The cause, not the one that was given up because of it.
            (Err(StackError::Abandoned { .. }), Err(error)) | (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// The process whose stack works on `data_dir` now, starting ones included; `None` when there is none.
    ///
    /// # Errors
    /// [`StackError::File`] when the directory cannot be looked at.
    pub fn holder(data_dir: &Path) -> Result<Option<u32>, StackError> {
        data_dir::holder(data_dir)
    }

    /// The Kafka broker.
    #[must_use]
    pub fn kafka(&self) -> &Node {
        &self.kafka
    }

    /// The Cassandra node.
    #[must_use]
    pub fn cassandra(&self) -> &Node {
        &self.cassandra
    }

    /// Starts whichever server does not run, both at the same time, on the same ports and data.
    ///
    /// # Errors
    /// The first [`StackError`] of [`Node::start`].
    pub fn start_again(&self) -> Result<(), StackError> {
        self.on_both(Node::start)
    }

    /// Ends both servers in order, at the same time; the data stays.
    ///
    /// # Errors
    /// [`StackError::Process`] when the system refuses.
    pub fn stop(&self) -> Result<(), StackError> {
        self.on_both(Node::stop)
    }

    fn on_both(&self, act: fn(&Node) -> Result<(), StackError>) -> Result<(), StackError> {
        std::thread::scope(|scope| {
            let kafka = scope.spawn(|| act(&self.kafka));
            let cassandra = act(&self.cassandra);
            kafka.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(cassandra)
        })
    }
}

type Prepare = fn(&StackOptions, &Artifacts, u16, u16) -> Result<Launch, StackError>;

fn start_node(
    what: &'static str,
    fixed_port: Option<u16>,
    prepare: Prepare,
    options: &StackOptions,
    artifacts: &Artifacts,
    abandoned: &AtomicBool,
) -> Result<Node, StackError> {
    let process_error = |source| StackError::Process { what, source };
    if let Some(port) = fixed_port
        && !port::is_free(port).map_err(process_error)?
    {
        return Err(StackError::PortInUse { what, port, holder: port::holder(port) });
    }
    let mut lost = fixed_port.unwrap_or_default();
    for _ in 0..ATTEMPTS {
        let port = match fixed_port {
            Some(port) => port,
            None => port::free(options.kafka_proxied.as_slice()).map_err(process_error)?,
        };
        let named = [options.kafka_port, options.cassandra_port, options.kafka_proxied];
        let taken: Vec<u16> = named.into_iter().flatten().chain([port]).collect();
        let internal = port::free(&taken).map_err(process_error)?;
        let node = Node::new(prepare(options, artifacts, port, internal)?);
        match node.start_unless(abandoned) {
            Ok(()) => return Ok(node),
            Err(Misfire::Failed(StackError::PortInUse { port: in_use, .. })) if Some(in_use) != fixed_port => {
                lost = in_use
            }
            Err(Misfire::LostPort) => lost = port,
            Err(Misfire::Failed(error)) => return Err(error),
        }
    }
    Err(StackError::PortInUse { what, port: lost, holder: port::holder(lost) })
}
