//! What ends a run from outside: a shutdown, or the end of its time.

use std::time::Duration;

use service::health::Health;
use service::shutdown::Shutdown;
use tokio::time::Instant;

/// The bounds of one run. What is cut by them leaves the cursor where it was.
#[derive(Debug, Clone)]
pub struct Bounds {
    shutdown: Shutdown,
    deadline: Option<Instant>,
    health: Health,
}

impl Bounds {
    /// Bounds of a run that begins now and may take `duration`.
    pub fn new(shutdown: Shutdown, duration: Option<Duration>, health: Health) -> Self {
        Self { shutdown, deadline: duration.map(|duration| Instant::now() + duration), health }
    }

    /// Whether no new page may be begun.
    pub fn are_over(&self) -> bool {
        self.shutdown.is_requested() || self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Runs `future`, alive meanwhile; none when the bounds are reached first.
    pub async fn cut<F: Future>(&self, future: F) -> Option<F::Output> {
        let within = self.shutdown.cuts(self.health.while_waiting(future));
        match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, within).await.ok().flatten(),
            None => within.await,
        }
    }

    /// Waits so long; none when the bounds are reached first.
    pub async fn sleep(&self, wait: Duration) -> Option<()> {
        self.cut(tokio::time::sleep(wait)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_is_cut_by_its_time_or_by_a_shutdown() {
        let shutdown = Shutdown::new(Duration::ZERO);
        let second = Duration::from_secs(1);
        let timed = Bounds::new(shutdown.clone(), Some(second * 10), Health::new());
        let endless = Bounds::new(shutdown.clone(), None, Health::new());
        assert_eq!(timed.sleep(second).await, Some(()));
        assert!(!timed.are_over());
        assert_eq!(timed.sleep(second * 100).await, None);
        assert!(timed.are_over() && !endless.are_over());
        assert_eq!(endless.sleep(second * 100).await, Some(()));
        shutdown.request();
        assert_eq!(endless.sleep(second).await, None);
        assert!(endless.are_over());
    }
}
