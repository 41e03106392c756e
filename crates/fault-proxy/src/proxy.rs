//! The proxy: a listener on a thread of its own, so that no test that blocks holds up the network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use crate::connection::Connection;
use crate::counters::{Counters, Tally};
use crate::fault::Fault;
use crate::rules::Rules;

/// How long accepting rests after it failed, which means that this process has too many files open.
const BREATH: Duration = Duration::from_millis(50);

/// What passes through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Anything: bytes.
    Tcp,
    /// Kafka's protocol without TLS: connections are known by their `client.id`.
    Kafka,
    /// Cassandra's native protocol, version 4, without TLS: writes can be answered for.
    Cql,
}

/// Why a proxy did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port cannot be listened on.
    #[error("a proxy cannot listen on port {port} of 127.0.0.1: {source}; choose another port")]
    Listen {
        /// The port; 0 is any free one.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// No thread, or no event loop for it.
    #[error("a proxy cannot get a thread: {0}; end other programs and try again")]
    Thread(io::Error),
}

/// A running proxy. Dropping it cuts its connections, frees its port and ends its thread, all before the drop returns.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream`, which need not serve yet.
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    pub fn start(protocol: Protocol, upstream: SocketAddr) -> Result<Self, StartError> {
        Self::start_on(0, protocol, upstream)
    }

    /// [`Proxy::start`] on a port that others know already, such as the one a broker advertises; 0 is any free one.
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    pub fn start_on(port: u16, protocol: Protocol, upstream: SocketAddr) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(listen)?
        };
        let (sender, rules) = watch::channel(Rules::new());
        let tally = Arc::new(Tally::default());
        let acceptor = Acceptor { listener, protocol, upstream, rules, tally: Arc::clone(&tally) };
        let thread = std::thread::Builder::new()
            .name(format!("fault-proxy-{}", address.port()))
            .spawn(move || runtime.block_on(acceptor.run()))
            .map_err(StartError::Thread)?;
        Ok(Self { address, rules: sender, tally, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Brings a fault over all connections, those that are open and those to come, in place of the one before;
    /// [`Fault::None`] heals it. Rules of [`Proxy::set_for`] stay.
    pub fn set(&self, fault: Fault) {
        self.rules.send_modify(|rules| rules.set(fault));
    }

    /// Brings a fault over the connections of Kafka clients whose `client.id` begins with `client_id_prefix`;
    /// [`Fault::None`] heals it. It goes before the fault for all. A connection of another protocol has no client id.
    pub fn set_for(&self, client_id_prefix: &str, fault: Fault) {
        self.rules.send_modify(|rules| rules.set_for(client_id_prefix, fault));
    }

    /// Heals every fault, those for single clients too.
    pub fn heal(&self) {
        self.rules.send_modify(Rules::heal);
    }

    /// What the proxy has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.counters()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.rules.send_modify(|rules| rules.over = true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(address = %self.address, "the proxy had panicked");
        }
    }
}

struct Acceptor {
    listener: tokio::net::TcpListener,
    protocol: Protocol,
    upstream: SocketAddr,
    rules: watch::Receiver<Rules>,
    tally: Arc<Tally>,
}

impl Acceptor {
    /// Until the proxy is dropped. The connections' tasks end with the event loop.
    async fn run(mut self) {
        let mut end = self.rules.clone();
        tokio::select! {
            _over = end.wait_for(|rules| rules.over) => {}
            () = self.accept() => {}
        }
    }

    async fn accept(&mut self) {
        for number in 0.. {
            let client = loop {
                match self.listener.accept().await {
                    Ok((client, _)) => break client,
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(BREATH).await;
                    }
                }
            };
            let connection = Connection::new(number, self.protocol, self.rules.clone(), Arc::clone(&self.tally));
            tokio::spawn(connection.run(client, self.upstream));
        }
    }
}
