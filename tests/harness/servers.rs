//! Who may disturb the servers: one test at a time, while no other test stands on them.

use std::sync::{Arc, OnceLock};

use local_stack::{Node, StackError};
use tokio::sync::RwLock;

use crate::stack::stack;

/// Read by every world, written by one that disturbs. One world a test: a second one would wait behind a writer that waits
/// for the first.
pub(crate) fn turn() -> Arc<RwLock<()>> {
    static TURN: OnceLock<Arc<RwLock<()>>> = OnceLock::new();
    Arc::clone(TURN.get_or_init(Arc::default))
}

/// Both servers, for the test that has them alone. Dropped, they run again.
pub struct Servers(pub(crate) ());

type Act = fn(&Node) -> Result<(), StackError>;

impl Servers {
    /// Kills, starts, pauses or resumes Kafka, or fills its disk.
    pub async fn kafka(&self, act: Act) {
        on(|| stack().kafka(), act).await;
    }

    /// Kills, starts, pauses or resumes Cassandra.
    pub async fn cassandra(&self, act: Act) {
        on(|| stack().cassandra(), act).await;
    }
}

async fn on(node: fn() -> &'static Node, act: Act) {
    tokio::task::spawn_blocking(move || act(node())).await.expect("the act").expect("the server obeys");
}

impl Drop for Servers {
    #[expect(clippy::print_stderr, reason = "the test harness shows what a failed test prints")]
    fn drop(&mut self) {
        for node in [stack().kafka(), stack().cassandra()] {
            let healed =
                if node.pid().is_some() { node.resume().and_then(|()| node.fill_disk(false)) } else { node.start() };
            if let Err(error) = healed {
                eprintln!("the servers could not be healed: {error}");
            }
        }
    }
}
