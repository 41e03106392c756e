//! Waiting for something to become so.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Longest wait: far above what any step takes on a busy machine, because a wait that is too short is a test that lies.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks `look` until it is `Ok`. After a minute and a half the test fails with `what` and what was seen last.
pub async fn wait_for<T, S: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, S>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > PATIENCE => {
                panic!("{what}: not so after {} s; seen last: {seen:?}", PATIENCE.as_secs())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
