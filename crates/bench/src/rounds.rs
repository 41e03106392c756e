//! In which order contenders run: forwards, then backwards, and so on, so that a machine that becomes slower or faster does so
//! for all of them.

/// The places of `count` contenders in a round, from 1.
pub(crate) fn order(count: usize, round: u32) -> Vec<usize> {
    let forwards = 0..count;
    if round % 2 == 1 { forwards.collect() } else { forwards.rev().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_goes_backwards() {
        assert_eq!([1, 2, 3].map(|round| order(3, round)), [[0, 1, 2], [2, 1, 0], [0, 1, 2]]);
        assert!(order(0, 1).is_empty());
    }
}
