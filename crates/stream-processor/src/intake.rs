//! What the consumer has handed out and no worker has taken.

use std::collections::VecDeque;

use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

/// See the module's page. One worker waits for what arrives, the others behind it.
pub(crate) struct Intake<T>(Mutex<Queue<T>>);

struct Queue<T> {
    arriving: UnboundedReceiver<Vec<T>>,
    arrived: VecDeque<T>,
}

impl<T> Intake<T> {
    pub(crate) fn new(arriving: UnboundedReceiver<Vec<T>>) -> Self {
        Self(Mutex::new(Queue { arriving, arrived: VecDeque::new() }))
    }

    /// Waits for something and takes what there is, at most `most`, into `taken`; false when there is nothing and nothing will
    /// come. Safe to cancel.
    pub(crate) async fn take(&self, most: usize, taken: &mut Vec<T>) -> bool {
        let mut queue = self.0.lock().await;
        let Queue { arriving, arrived } = &mut *queue;
        if arrived.is_empty() {
            let Some(first) = arriving.recv().await else { return false };
            arrived.extend(first);
        }
        // What is handed over at once seldom makes whole batches.
        while arrived.len() < most
            && let Ok(more) = arriving.try_recv()
        {
            arrived.extend(more);
        }
        let most = most.min(arrived.len());
        taken.extend(arrived.drain(..most));
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn a_worker_takes_as_much_as_is_there_however_it_was_handed_over() {
        let (handed_over, arriving) = unbounded_channel();
        let intake = Intake::new(arriving);
        for at_once in [0..7, 7..8, 8..15] {
            handed_over.send(at_once.collect()).unwrap();
        }
        drop(handed_over);
        let mut taken: Vec<i32> = Vec::new();
        for all in [10, 15] {
            assert!(intake.take(10, &mut taken).await);
            assert_eq!(taken, (0..all).collect::<Vec<_>>(), "in order, and no fewer than there are");
        }
        assert!(!intake.take(10, &mut taken).await, "nothing is there and nothing will come");
    }
}
