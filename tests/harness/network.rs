//! Proxies in front of the servers, for tests of what a network does.

use fault_proxy::{Protocol, Proxy};
use tokio::sync::{Mutex, MutexGuard};

use crate::stack::{kafka_proxy, stack};
use crate::world::World;

/// Kafka's proxy, for one test at a time: the broker knows only one. Dropped, it is healed.
pub struct Network {
    kafka: &'static Proxy,
    _turn: MutexGuard<'static, ()>,
}

impl Network {
    /// Waits for its turn. To be taken before the test's world, whose turn others may wait for.
    pub async fn take() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let kafka = tokio::task::spawn_blocking(kafka_proxy).await.expect("the stack");
        Self { kafka, _turn: turn }
    }

    /// The proxy.
    pub fn kafka(&self) -> &Proxy {
        self.kafka
    }

    /// The world for services that go through the proxy. The test's own clients go around it.
    pub fn through_kafka_proxy(&self, world: &World) -> World {
        world.with("KAFKA_BOOTSTRAP_SERVERS", self.kafka.address().to_string())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.kafka.heal();
    }
}

impl World {
    /// A proxy of its own in front of Cassandra, and the world for services that go through it. The test's own session goes
    /// around it.
    pub fn through_cassandra_proxy(&self) -> (Proxy, Self) {
        let proxy = Proxy::start(Protocol::Cql, stack().cassandra().address()).expect("a proxy");
        let world = self.with("CASSANDRA_PORT", proxy.address().port().to_string());
        (proxy, world)
    }
}
