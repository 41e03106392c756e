//! Supervision: a task that ends before it should ends the process.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::shutdown::Shutdown;
use crate::telemetry::chain;

/// The long-lived tasks of one service. Clones share one account.
#[derive(Debug, Clone)]
pub struct Tasks {
    shutdown: Shutdown,
    first: Arc<OnceLock<TaskFailure>>,
    failed: Arc<Notify>,
}

/// How a task ended that should not have ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailure {
    /// It panicked; the log has the place.
    #[error("task {0} panicked")]
    Panicked(&'static str),
    /// It returned although no shutdown was requested.
    #[error("task {0} ended early")]
    EndedEarly(&'static str),
    /// It returned an error.
    #[error("task {task} failed: {error}")]
    Failed {
        /// Its name.
        task: &'static str,
        /// The error with its causes.
        error: String,
    },
}

impl Tasks {
    /// No tasks yet.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, first: Arc::default(), failed: Arc::default() }
    }

    /// Spawns a task that runs until a shutdown is requested. Whatever else it does is a failure.
    pub fn spawn<F, E>(&self, name: &'static str, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let task = tokio::spawn(future);
        let tasks = self.clone();
        tokio::spawn(async move {
            match task.await {
                Ok(Ok(())) if tasks.shutdown.is_requested() => {}
                Ok(Ok(())) => tasks.fail(TaskFailure::EndedEarly(name)),
                Ok(Err(error)) => tasks.fail(TaskFailure::Failed { task: name, error: chain(&error) }),
                // Cancelled: the runtime is being dropped, and with it everything else.
                Err(error) if error.is_cancelled() => {}
                Err(_) => tasks.fail(TaskFailure::Panicked(name)),
            }
        });
    }

    /// Reports a failure of something that is no task, such as a thread. Only the first one is kept.
    pub fn fail(&self, failure: TaskFailure) {
        self.first.get_or_init(|| failure);
        self.failed.notify_waiters();
    }

    /// Returns once something failed.
    pub async fn failed(&self) -> TaskFailure {
        loop {
            // Registered before the look, so that a failure in between is not missed.
            let mut notified = std::pin::pin!(self.failed.notified());
            notified.as_mut().enable();
            if let Some(failure) = self.first.get() {
                return failure.clone();
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;

    fn tasks() -> Tasks {
        Tasks::new(Shutdown::new(Duration::from_secs(1)))
    }

    #[tokio::test]
    async fn a_task_that_returns_early_is_a_failure() {
        let tasks = tasks();
        tasks.spawn("loop", async { Ok::<_, Infallible>(()) });
        assert_eq!(tasks.failed().await, TaskFailure::EndedEarly("loop"));
    }

    #[tokio::test]
    async fn a_task_that_panics_is_a_failure() {
        let tasks = tasks();
        tasks.spawn("loop", async {
            assert!(std::hint::black_box(false));
            Ok::<_, Infallible>(())
        });
        assert_eq!(tasks.failed().await, TaskFailure::Panicked("loop"));
    }

    #[tokio::test]
    async fn a_task_that_returns_an_error_is_a_failure_and_the_first_one_is_kept() {
        let tasks = tasks();
        tasks.spawn("loop", async { Err(std::io::Error::other("no")) });
        let failure = TaskFailure::Failed { task: "loop", error: "no".to_owned() };
        assert_eq!(tasks.failed().await, failure);
        tasks.fail(TaskFailure::EndedEarly("other"));
        assert_eq!(tasks.failed().await, failure);
    }

    #[tokio::test]
    async fn a_task_that_ends_at_shutdown_is_no_failure() {
        let tasks = tasks();
        let shutdown = tasks.shutdown.clone();
        let (done, ended) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("loop", async move {
            shutdown.requested().await;
            drop(done);
            Ok::<_, Infallible>(())
        });
        tasks.shutdown.request();
        assert!(ended.await.is_err());
        tokio::task::yield_now().await;
        assert!(tokio::time::timeout(Duration::from_millis(50), tasks.failed()).await.is_err());
    }
}
