//! The API's limit, in its own unit: never more users than so many in any window of time.
//!
//! Users count from the moment their answer is here, not from the moment they were asked for: the API counts at some moment
//! between the two, so a window at our end that ends with the answer covers the API's own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Users asked for lately.
#[derive(Debug)]
pub struct RateLimit {
    users: u64,
    window: Duration,
    /// Oldest first; the sum of the users is `total`.
    charged: VecDeque<(Instant, u64)>,
    total: u64,
    /// Whether the youngest charge still waits for its answer.
    open: bool,
}

impl RateLimit {
    /// At most `users` in any window of length `window`, both ends included.
    pub fn new(users: u32, window: Duration) -> Self {
        Self { users: u64::from(users), window, charged: VecDeque::new(), total: 0, open: false }
    }

    /// How long to wait, from `now`, before `users` more may be asked for; zero when they may be now.
    pub fn wait(&mut self, users: u32, now: Instant) -> Duration {
        // The answer to a request that was given up may still come to be counted.
        if self.open {
            self.answered(now);
        }
        while let Some((at, gone)) = self.charged.front().copied() {
            if now.saturating_duration_since(at) <= self.window {
                break;
            }
            self.charged.pop_front();
            self.total -= gone;
        }
        let mut total = self.total + u64::from(users);
        let mut wait = Duration::ZERO;
        for (at, leaving) in &self.charged {
            if total <= self.users {
                break;
            }
            total -= leaving;
            wait = (*at + self.window + Duration::from_nanos(1)).saturating_duration_since(now);
        }
        wait
    }

    /// Notes that `users` are being asked for.
    pub fn charge(&mut self, users: u32, now: Instant) {
        self.charged.push_back((now, u64::from(users)));
        self.total += u64::from(users);
        self.open = true;
    }

    /// Notes that the answer to the last charge is here, or will not be waited for.
    pub fn answered(&mut self, now: Instant) {
        if let Some(last) = self.charged.back_mut() {
            last.0 = now;
        }
        self.open = false;
    }

    /// Takes the last charge back: the answer carried no users.
    pub fn refund(&mut self) {
        if let Some((_, users)) = self.charged.pop_back() {
            self.total -= users;
        }
        self.open = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(300);

    #[test]
    fn users_fit_until_the_limit_and_then_wait_for_the_oldest_to_leave_the_window() {
        let start = Instant::now();
        let mut limit = RateLimit::new(250, WINDOW);
        for seconds in [0, 10] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(limit.wait(100, now), Duration::ZERO);
            limit.charge(100, now);
            limit.answered(now);
        }
        let now = start + Duration::from_secs(20);
        assert_eq!(limit.wait(50, now), Duration::ZERO);
        let wait = limit.wait(100, now);
        assert_eq!(wait, Duration::from_secs(280) + Duration::from_nanos(1));
        assert_eq!(limit.wait(100, now + wait), Duration::ZERO);
        assert!(limit.wait(250, now + wait) > Duration::ZERO);
    }

    #[test]
    fn a_refunded_request_leaves_no_trace() {
        let now = Instant::now();
        let mut limit = RateLimit::new(100, WINDOW);
        limit.charge(100, now);
        limit.refund();
        assert_eq!(limit.wait(100, now), Duration::ZERO);
    }

    #[test]
    fn a_request_that_was_given_up_counts_from_the_moment_it_was() {
        let start = Instant::now();
        let mut limit = RateLimit::new(100, WINDOW);
        limit.charge(100, start);
        let later = start + Duration::from_secs(100);
        assert_eq!(limit.wait(100, later), WINDOW + Duration::from_nanos(1));
    }

    proptest! {
        /// The API counts each answer at a moment of its own choice between question and answer; no window of its
        /// clock ever holds more users than the limit, and no wait is longer than a window.
        #[test]
        fn no_window_of_the_api_ever_holds_more_users_than_the_limit(
            requests in proptest::collection::vec((1_u32..=100, 0_u64..200, 0_u64..50, 0.0_f64..=1.0), 1..60),
        ) {
            let window = Duration::from_millis(1000);
            let mut limit = RateLimit::new(100, window);
            let mut now = Instant::now();
            let mut counted: Vec<(Instant, u32)> = Vec::new();
            for (users, pause_ms, latency_ms, share) in requests {
                now += Duration::from_millis(pause_ms);
                let wait = limit.wait(users, now);
                prop_assert!(wait <= window + Duration::from_nanos(1));
                now += wait;
                prop_assert_eq!(limit.wait(users, now), Duration::ZERO);
                limit.charge(users, now);
                let latency = Duration::from_millis(latency_ms);
                counted.push((now + latency.mul_f64(share), users));
                now += latency;
                limit.answered(now);
            }
            for (first, _) in &counted {
                let inside = counted.iter().filter(|(at, _)| *at >= *first && *at - *first <= window);
                prop_assert!(inside.map(|(_, users)| u64::from(*users)).sum::<u64>() <= 100);
            }
        }
    }
}
