//! A few letters that go first, so that a remedy that is none does little harm.

/// How many go first, and how many of them may come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canary {
    /// So many are replayed and waited for, before the others go.
    pub letters: usize,
    /// The others stay where they are when more than so many of a hundred came back.
    pub percent: f64,
}

impl Canary {
    /// Whether the others may go. Nothing is known of what was not processed in time, so that counts as little as what came
    /// back.
    pub fn tolerates(&self, boomeranged: usize, unconfirmed: usize, replayed: usize) -> bool {
        unconfirmed == 0 && boomeranged as f64 * 100.0 <= replayed as f64 * self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_go_only_when_few_enough_came_back_and_all_were_processed() {
        let canary = Canary { letters: 10, percent: 20.0 };
        assert!(canary.tolerates(0, 0, 10));
        assert!(canary.tolerates(2, 0, 10));
        assert!(!canary.tolerates(3, 0, 10));
        assert!(!canary.tolerates(0, 1, 10));
        assert!(canary.tolerates(0, 0, 0), "where all were refused or parked nothing speaks against it");
        assert!(!Canary { percent: 0.0, ..canary }.tolerates(1, 0, 1_000_000));
    }
}
