//! The network between the services and their servers: a proxy in front of each.

use std::time::Duration;

use fault_proxy::{CqlError, Fault, Protocol, Proxy};
use local_stack::Stack;
use service::shutdown::Shutdown;

use crate::failure::TortureError;
use crate::fault::{Excuse, Server, Trouble};

/// What a slow connection passes.
const SLOW: u32 = 20_000;
/// Connections are cut again after so long.
const CUT_EVERY: Duration = Duration::from_millis(700);
/// Beginning of the client id of the processors' senders of dead letters.
const DLQ_CLIENT: &str = "stream-processor-dlq";

/// See the module's page.
pub(crate) struct Network {
    kafka: Proxy,
    cassandra: Proxy,
}

impl Network {
    /// Stands before both servers; before Kafka on `port`, which its broker advertises.
    pub(crate) fn start(stack: &Stack, port: u16) -> Result<Self, TortureError> {
        let behind = stack.kafka().proxied_upstream().unwrap_or(stack.kafka().address());
        Ok(Self {
            kafka: Proxy::start_on(port, Protocol::Kafka, behind)?,
            cassandra: Proxy::start(Protocol::Cql, stack.cassandra().address())?,
        })
    }

    /// The proxy before a server.
    pub(crate) fn before(&self, server: Server) -> &Proxy {
        match server {
            Server::Kafka => &self.kafka,
            Server::Cassandra => &self.cassandra,
        }
    }

    /// Brings trouble over all connections to a server for a while.
    pub(crate) async fn trouble(&self, server: Server, trouble: Trouble, lasts: Duration, stop: &Shutdown) {
        let proxy = self.before(server);
        last(trouble, lasts, stop, |fault| proxy.set(fault)).await;
    }

    /// Brings trouble over the connections that carry dead letters for a while.
    pub(crate) async fn trouble_dead_letters(&self, trouble: Trouble, lasts: Duration, stop: &Shutdown) {
        last(trouble, lasts, stop, |fault| self.kafka.set_for(DLQ_CLIENT, fault)).await;
    }

    /// Answers a part of the writes in Cassandra's place for a while.
    pub(crate) async fn excuse(&self, excuse: Excuse, percent: u8, lasts: Duration, stop: &Shutdown) {
        let error = match excuse {
            Excuse::Overloaded => CqlError::Overloaded,
            Excuse::Unavailable => CqlError::Unavailable,
            Excuse::TimeoutApplied => CqlError::WriteTimeout { applied: true },
            Excuse::TimeoutNotApplied => CqlError::WriteTimeout { applied: false },
        };
        self.cassandra.set(Fault::Answer { error, share: f64::from(percent) / 100.0 });
        stop.cuts(tokio::time::sleep(lasts)).await;
        self.cassandra.set(Fault::None);
    }
}

async fn last(trouble: Trouble, lasts: Duration, stop: &Shutdown, set: impl Fn(Fault)) {
    let over = tokio::time::sleep(lasts);
    match trouble {
        Trouble::Reset => {
            let cuts = async {
                loop {
                    set(Fault::Reset);
                    tokio::time::sleep(CUT_EVERY).await;
                }
            };
            tokio::select! {
                () = cuts => {}
                _ = stop.cuts(over) => {}
            }
        }
        Trouble::Stall | Trouble::Slow | Trouble::HalfOpen => {
            set(match trouble {
                Trouble::Slow => Fault::Slow { bytes_per_second: SLOW },
                Trouble::HalfOpen => Fault::HalfOpen,
                Trouble::Stall | Trouble::Reset => Fault::Stall,
            });
            stop.cuts(over).await;
        }
    }
    set(Fault::None);
}
