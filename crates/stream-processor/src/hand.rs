//! What a worker has in hand: the receipts of the records that it took, until each is settled, let go or passed on.
//!
//! A partition that is given back waits for what is under way, and must not wait for what merely waits: behind an open
//! breaker, a poison flood or a DLQ that takes nothing. So receipts that are not wanted any more are let go while there is
//! trouble, and without any after a last wait. Their records are read again by the partition's next owner, and a row that is
//! written all the same is the same row (I3).

use std::cell::RefCell;
use std::time::Duration;

use kafka::{Outcome, Receipt, Revokes};
use tokio::time::Instant;

/// How long a revoke waits for what is under way although no trouble is known: far longer than a server that answers needs,
/// far shorter than a drain.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How often trouble is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Hand {
    receipts: RefCell<Vec<Option<Receipt>>>,
    revokes: Option<Revokes>,
}

impl Hand {
    /// The receipts of what was taken; a record's place is its receipt's.
    pub(crate) fn new(receipts: Vec<Receipt>) -> Self {
        let revokes = receipts.first().map(Receipt::revokes);
        Self { receipts: RefCell::new(receipts.into_iter().map(Some).collect()), revokes }
    }

    /// False once the record of that place is settled or let go.
    pub(crate) fn holds(&self, place: usize) -> bool {
        self.receipts.borrow().get(place).is_some_and(Option::is_some)
    }

    /// The record of that place is durable at its destination; nothing happens if it was let go.
    pub(crate) fn settle(&self, place: usize, outcome: Outcome) {
        if let Some(receipt) = self.receipts.borrow_mut().get_mut(place).and_then(Option::take) {
            receipt.settle(outcome);
        }
    }

    /// The record of that place in a hand of its own, for a task that goes on with it; none if it was settled or let go.
    pub(crate) fn part_with(&self, place: usize) -> Option<Self> {
        let receipt = self.receipts.borrow_mut().get_mut(place).and_then(Option::take)?;
        Some(Self::new(vec![receipt]))
    }

    /// Lets go of what is not wanted any more; returns when nothing is left. Safe to cancel.
    pub(crate) async fn let_go(&self, in_trouble: impl Fn() -> bool) {
        let Some(revokes) = &self.revokes else { return };
        loop {
            revokes.until(|| self.holds_unwanted()).await;
            let told = Instant::now();
            while self.holds_unwanted() && !in_trouble() && told.elapsed() < LAST_WAIT {
                tokio::time::sleep(LOOK).await;
            }
            let mut receipts = self.receipts.borrow_mut();
            for slot in receipts.iter_mut() {
                slot.take_if(|receipt| !receipt.is_wanted());
            }
            if receipts.iter().all(Option::is_none) {
                return;
            }
        }
    }

    fn holds_unwanted(&self) -> bool {
        self.receipts.borrow().iter().flatten().any(|receipt| !receipt.is_wanted())
    }
}
