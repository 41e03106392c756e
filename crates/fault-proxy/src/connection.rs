//! One connection of a client, and ours to the server for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::counters::{Tally, add};
use crate::cql::{self, FrameError};
use crate::gate::Gate;
use crate::kafka::{self, Client};
use crate::proxy::Protocol;
use crate::pump::{Passage, Pump};
use crate::rules::Rules;

/// Why a connection ends before both sides have said goodbye.
#[derive(Debug)]
pub(crate) enum Cut {
    /// A fault says so.
    Fault,
    /// One side is gone.
    Broken(io::Error),
    /// What passes cannot be followed any further.
    Unreadable(FrameError),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<FrameError> for Cut {
    fn from(error: FrameError) -> Self {
        Self::Unreadable(error)
    }
}

pub(crate) struct Connection {
    number: u64,
    protocol: Protocol,
    gate: Gate,
    tally: Arc<Tally>,
}

impl Connection {
    pub(crate) fn new(number: u64, protocol: Protocol, rules: watch::Receiver<Rules>, tally: Arc<Tally>) -> Self {
        tally.connections.fetch_add(1, Ordering::Relaxed);
        tally.open.fetch_add(1, Ordering::Relaxed);
        Self { number, protocol, gate: Gate::new(rules), tally }
    }

    /// Until both sides have said goodbye or the connection is cut. A cut is a reset towards both sides: an orderly end
    /// would tell them more than a broken network does.
    pub(crate) async fn run(mut self, mut client: TcpStream, upstream: SocketAddr) {
        let number = self.number;
        match self.forward(&mut client, upstream).await {
            Ok(()) => return,
            Err(Cut::Fault) => add(&self.tally.cut, 1),
            Err(Cut::Broken(error)) => {
                tracing::debug!(%error, number, "a connection broke");
                add(&self.tally.broken, 1);
            }
            Err(Cut::Unreadable(error)) => {
                tracing::warn!(%error, number, "a connection cannot be followed and is cut");
                add(&self.tally.broken, 1);
            }
        }
        reset(&client);
    }

    async fn forward(&mut self, client: &mut TcpStream, upstream: SocketAddr) -> Result<(), Cut> {
        client.set_nodelay(true)?;
        let begun = match self.protocol {
            Protocol::Kafka => self.introduction(client).await?,
            Protocol::Tcp | Protocol::Cql => Vec::new(),
        };
        let mut server = tokio::select! {
            cut = self.gate.cut() => return Err(cut),
            server = TcpStream::connect(upstream) => server?,
        };
        let forwarded = async {
            server.set_nodelay(true)?;
            let (to_server, to_client) = match self.protocol {
                Protocol::Tcp | Protocol::Kafka => (Passage::BytesToServer, Passage::BytesToClient),
                Protocol::Cql => {
                    let (requests, answers) = cql::line(self.number);
                    (Passage::Requests(Box::new(requests)), Passage::Answers(answers))
                }
            };
            let pump = |passage| Pump::new(self.gate.clone(), passage, Arc::clone(&self.tally));
            let (from_client, into_client) = client.split();
            let (from_server, into_server) = server.split();
            tokio::try_join!(
                pump(to_server).run(begun, from_client, into_server),
                pump(to_client).run(Vec::new(), from_server, into_client),
            )?;
            Ok(())
        };
        forwarded.await.inspect_err(|_| reset(&server))
    }

    /// Learns the client's name, if it gives one, and gives the bytes that it took to learn it. They are taken even while
    /// nothing may pass: otherwise nobody would know whose connection it is.
    async fn introduction(&mut self, client: &mut TcpStream) -> Result<Vec<u8>, Cut> {
        let mut begun = Vec::new();
        loop {
            match kafka::client(&begun) {
                Client::Named(name) => {
                    self.gate.introduce(name);
                    return Ok(begun);
                }
                Client::Nameless => return Ok(begun),
                Client::Unknown => {}
            }
            let taken = tokio::select! {
                cut = self.gate.cut() => return Err(cut),
                taken = client.read_buf(&mut begun) => taken?,
            };
            if taken == 0 {
                return Ok(begun);
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets the drop of the stream reset the connection instead of ending it in order.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection is ended in order instead of reset");
    }
}
