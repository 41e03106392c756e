//! The wish that the service ends, told to everything that runs in it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Tells that the service is to drain, and until when. Clones share one state.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    deadline: Arc<OnceLock<Instant>>,
    drain: Duration,
}

impl Shutdown {
    /// A shutdown that gives a drain `drain` from the moment it is requested.
    pub fn new(drain: Duration) -> Self {
        Self { token: CancellationToken::new(), deadline: Arc::default(), drain }
    }

    /// A shutdown of a part: requested with this one, or alone.
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), deadline: Arc::default(), drain: self.drain }
    }

    /// Asks everything to drain. Only the first call sets the deadline.
    pub fn request(&self) {
        self.deadline.get_or_init(|| Instant::now() + self.drain);
        self.token.cancel();
    }

    /// Returns once a shutdown is requested.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether a shutdown is requested.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// When the drain has to be over; `None` before a shutdown is requested.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// Runs `future` until it is done (`Some`) or a shutdown is requested (`None`), whichever is first.
    pub async fn cuts<F: Future>(&self, future: F) -> Option<F::Output> {
        self.token.run_until_cancelled(future).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_the_whole_and_the_whole_not_with_the_part() {
        let whole = Shutdown::new(Duration::from_secs(5));
        let (part, other) = (whole.child(), whole.child());
        part.request();
        assert!(part.is_requested() && !whole.is_requested() && !other.is_requested());
        whole.request();
        assert!(other.is_requested());
    }

    #[tokio::test]
    async fn a_request_reaches_every_clone_and_sets_one_deadline() {
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let clone = shutdown.clone();
        assert_eq!((clone.is_requested(), clone.deadline()), (false, None));
        shutdown.request();
        let deadline = clone.deadline();
        assert!(deadline.is_some());
        shutdown.request();
        clone.requested().await;
        assert_eq!(clone.deadline(), deadline);
    }

    #[tokio::test]
    async fn a_request_cuts_what_would_wait_for_ever() {
        let shutdown = Shutdown::new(Duration::ZERO);
        assert_eq!(shutdown.cuts(async { 1 }).await, Some(1));
        shutdown.request();
        assert_eq!(shutdown.cuts(std::future::pending::<()>()).await, None);
    }
}
