//! How fast a replay goes.

use std::time::{Duration, Instant};

/// Records of one transaction, at most.
const CHUNK: usize = 500;

/// At most so many records per second, spread over the second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    per_second: u32,
    began: Instant,
    sent: u64,
}

impl Pace {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.max(1), began: now, sent: 0 }
    }

    /// How many records go into one transaction: about a tenth of a second's.
    pub(crate) fn chunk(&self) -> usize {
        usize::try_from(self.per_second.div_ceil(10)).unwrap_or(CHUNK).clamp(1, CHUNK)
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count as u64;
    }

    /// How long the next chunk has to wait at `now`.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let due = Duration::from_secs_f64(self.sent as f64 / f64::from(self.per_second));
        due.saturating_sub(now.saturating_duration_since(self.began))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_rate_and_one_chunk(rate in 1_u32..5_000, chunks in 1_usize..300) {
            let began = Instant::now();
            let mut pace = Pace::new(rate, began);
            let chunk = pace.chunk();
            let (mut now, mut sent) = (began, Vec::new());
            for _ in 0..chunks {
                now += pace.wait(now);
                sent.push(now);
                pace.sent(chunk);
            }
            for (at, first) in sent.iter().enumerate() {
                let within = sent[at..].iter().take_while(|at| **at < *first + Duration::from_secs(1)).count();
                prop_assert!((within - 1) * chunk <= rate as usize, "{within} chunks of {chunk} at {rate}/s");
            }
        }
    }

    #[test]
    fn who_is_late_does_not_wait() {
        let began = Instant::now();
        let mut pace = Pace::new(10, began);
        pace.sent(10);
        assert_eq!(pace.wait(began), Duration::from_secs(1));
        assert_eq!(pace.wait(began + Duration::from_secs(2)), Duration::ZERO);
    }
}
