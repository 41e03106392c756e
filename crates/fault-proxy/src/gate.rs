//! What the rules say to one connection.

use tokio::sync::watch;

use crate::connection::Cut;
use crate::rules::{Flow, Rules};

#[derive(Debug, Clone)]
pub(crate) struct Gate {
    rules: watch::Receiver<Rules>,
    name: Option<String>,
    born: u64,
}

impl Gate {
    pub(crate) fn new(rules: watch::Receiver<Rules>) -> Self {
        let born = rules.borrow().changes();
        Self { rules, name: None, born }
    }

    /// From now on the rules for this client hold too.
    pub(crate) fn introduce(&mut self, name: String) {
        self.name = Some(name);
    }

    /// What to do now; [`Gate::changed`] waits for another answer.
    ///
    /// # Errors
    /// The connection is to be cut.
    pub(crate) fn flow(&mut self) -> Result<Flow, Cut> {
        let flow = self.rules.borrow_and_update().flow(self.name.as_deref(), self.born);
        if flow == Flow::Cut { Err(Cut::Fault) } else { Ok(flow) }
    }

    /// Waits until the rules are others than [`Gate::flow`] saw last.
    ///
    /// # Errors
    /// The proxy is gone.
    pub(crate) async fn changed(&mut self) -> Result<(), Cut> {
        self.rules.changed().await.map_err(|_| Cut::Fault)
    }

    /// Waits until the connection is to be cut.
    pub(crate) async fn cut(&mut self) -> Cut {
        loop {
            if let Err(cut) = self.flow() {
                return cut;
            }
            if let Err(cut) = self.changed().await {
                return cut;
            }
        }
    }
}
