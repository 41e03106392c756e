//! How many batches may be in flight: fewer while Cassandra hurts, more again while it does not.
//!
//! The rule of TCP's congestion control (RFC 5681), counted in batches and without a clock. A batch that fails for too much
//! load halves the limit, but batches that were sent before the last cut say nothing about it and do not cut again. A success
//! below the threshold of the last trouble raises the limit by one, which doubles it in a round trip; above the threshold a
//! whole round of successes raises it by one.

/// Which cut a batch was sent after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round(u64);

/// See the module's page.
#[derive(Debug)]
pub struct Concurrency {
    most: usize,
    limit: usize,
    threshold: usize,
    /// Successes at this limit.
    successes: usize,
    round: u64,
}

impl Concurrency {
    /// At most `most` batches, at least one; all of them to begin with.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, limit: most, threshold: most, successes: 0, round: 0 }
    }

    /// Batches that may be in flight now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// To be kept with every batch that is sent.
    pub fn round(&self) -> Round {
        Round(self.round)
    }

    /// A batch was acknowledged.
    pub fn succeeded(&mut self) {
        if self.limit == self.most {
            return;
        }
        self.successes += 1;
        if self.limit < self.threshold || self.successes >= self.limit {
            self.limit += 1;
            self.successes = 0;
        }
    }

    /// A batch of that round failed for a reason that is not its rows' fault; true when that is news, and the limit was cut.
    pub fn hurt(&mut self, round: Round) -> bool {
        let news = round == self.round();
        if news {
            self.cut_to(self.limit / 2);
        }
        news
    }

    /// Nothing gets through: whoever begins again begins with one.
    pub fn collapse(&mut self) {
        self.threshold = self.threshold.min(self.limit / 2);
        self.limit = 1;
        self.successes = 0;
        self.round += 1;
    }

    fn cut_to(&mut self, limit: usize) {
        self.limit = limit.max(1);
        self.threshold = self.limit;
        self.successes = 0;
        self.round += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_round_that_fails_as_a_whole_halves_the_limit_once() {
        let mut concurrency = Concurrency::new(8);
        let round = concurrency.round();
        assert!(concurrency.hurt(round));
        assert!((0..7).all(|_| !concurrency.hurt(round)), "sent before the cut: no news");
        assert_eq!(concurrency.limit(), 4);
        concurrency.hurt(concurrency.round());
        concurrency.hurt(concurrency.round());
        concurrency.hurt(concurrency.round());
        assert_eq!(concurrency.limit(), 1, "one goes always");
    }

    #[test]
    fn after_a_cut_it_grows_by_one_a_round() {
        let mut concurrency = Concurrency::new(8);
        concurrency.hurt(concurrency.round());
        for _ in 0..4 {
            assert_eq!(concurrency.limit(), 4);
            concurrency.succeeded();
        }
        assert_eq!(concurrency.limit(), 5);
        (0..5 + 6 + 7).for_each(|_| concurrency.succeeded());
        assert_eq!(concurrency.limit(), 8);
        (0..100).for_each(|_| concurrency.succeeded());
        assert_eq!(concurrency.limit(), 8, "never beyond what is configured");
    }

    #[test]
    fn after_an_outage_it_begins_with_one_and_doubles_up_to_half_of_what_was() {
        let mut concurrency = Concurrency::new(64);
        concurrency.collapse();
        assert_eq!(concurrency.limit(), 1);
        (0..31).for_each(|_| concurrency.succeeded());
        assert_eq!(concurrency.limit(), 32);
        (0..31).for_each(|_| concurrency.succeeded());
        assert_eq!(concurrency.limit(), 32, "from there a whole round for each");
    }

    /// A server that fails whatever is beyond its capacity: the limit settles around it, whatever it is.
    #[test]
    fn it_settles_around_what_a_server_can_take() {
        for capacity in 1..=16 {
            let mut concurrency = Concurrency::new(16);
            let (mut good, mut bad) = (0, 0);
            for _ in 0..1_000 {
                let (sent, round) = (concurrency.limit(), concurrency.round());
                for index in 0..sent {
                    if index < capacity {
                        concurrency.succeeded();
                        good += 1;
                    } else {
                        concurrency.hurt(round);
                        bad += 1;
                    }
                }
            }
            assert!(good * 2 >= 1_000 * capacity, "at least half of its capacity is used: {good} of {capacity}");
            assert!(bad * 2 <= good + 1_000, "most of what is sent succeeds: {bad} beside {good}");
        }
    }

    proptest! {
        #[test]
        fn the_limit_stays_between_one_and_the_configured_maximum(
            most in 0usize..100,
            events in prop::collection::vec(0u8..4, 0..500),
        ) {
            let mut concurrency = Concurrency::new(most);
            let old = concurrency.round();
            for event in events {
                match event {
                    0 => { concurrency.hurt(concurrency.round()); }
                    1 => { concurrency.hurt(old); }
                    2 => concurrency.collapse(),
                    _ => concurrency.succeeded(),
                }
                prop_assert!((1..=most.max(1)).contains(&concurrency.limit()));
            }
        }
    }
}
