//! Which parts of the dead-letter topic hold the chosen letters. Few letters far apart are not worth reading all that lies
//! between them, and letters close together are not worth a read each.

use std::collections::BTreeMap;

use crate::book::Choice;
use crate::letter::Coordinates;

/// Offsets between two letters that are read through rather than jumped over: a jump costs about as much.
const NEAR: i64 = 5000;

#[derive(Debug, Clone, Copy)]
struct Wanted {
    at: Coordinates,
    /// Its place among the chosen.
    place: u32,
    is_named: bool,
}

/// The chosen letters in the order of their partitions and offsets.
#[derive(Debug)]
pub(crate) struct Rounds {
    wanted: Vec<Wanted>,
}

impl Rounds {
    pub(crate) fn of(chosen: &[Choice]) -> Self {
        let places = 0_u32..;
        let wanted = places.zip(chosen);
        let mut wanted: Vec<_> =
            wanted.map(|(place, choice)| Wanted { at: choice.dlq, place, is_named: choice.is_named }).collect();
        wanted.sort_unstable_by_key(|wanted| wanted.at);
        Self { wanted }
    }

    /// What to read, one after another: of each partition an offset to begin with and the one to end before.
    pub(crate) fn ranges(&self) -> Vec<BTreeMap<i32, (i64, i64)>> {
        let mut rounds: Vec<BTreeMap<i32, (i64, i64)>> = Vec::new();
        for of_partition in self.wanted.chunk_by(|one, next| one.at.partition == next.at.partition) {
            let runs = of_partition.chunk_by(|one, next| next.at.offset - one.at.offset <= NEAR);
            for (round, run) in runs.enumerate() {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                if round == rounds.len() {
                    rounds.push(BTreeMap::new());
                }
                if let Some(ranges) = rounds.get_mut(round) {
                    ranges.insert(first.at.partition, (first.at.offset, last.at.offset + 1));
                }
            }
        }
        rounds
    }

    /// The place among the chosen of the letter that lies there, and whether it goes by the id that it brings.
    pub(crate) fn find(&self, at: Coordinates) -> Option<(usize, bool)> {
        let index = self.wanted.binary_search_by_key(&at, |wanted| wanted.at).ok()?;
        self.wanted.get(index).map(|wanted| (wanted.place as usize, wanted.is_named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::State;

    fn rounds(places: &[(i32, i64)]) -> Rounds {
        let choice = |(partition, offset): &(i32, i64)| Choice {
            dlq: Coordinates { partition: *partition, offset: *offset },
            state: State::Unresolved,
            replays: 0,
            is_named: *offset != 7,
        };
        Rounds::of(&places.iter().map(choice).collect::<Vec<_>>())
    }

    #[test]
    fn letters_close_together_are_read_at_once_and_those_far_apart_one_after_another() {
        let rounds = rounds(&[(1, 90_000), (0, 7), (1, 3), (0, NEAR + 7), (1, 4)]);
        assert_eq!(
            rounds.ranges(),
            [BTreeMap::from([(0, (7, NEAR + 8)), (1, (3, 5))]), BTreeMap::from([(1, (90_000, 90_001))])]
        );
    }

    #[test]
    fn a_letter_is_found_with_its_place_among_the_chosen() {
        let rounds = rounds(&[(1, 90_000), (0, 7), (1, 3)]);
        let find = |partition, offset| rounds.find(Coordinates { partition, offset });
        assert_eq!([find(1, 90_000), find(0, 7), find(0, 8)], [Some((0, true)), Some((1, false)), None]);
    }

    #[test]
    fn nothing_chosen_is_nothing_to_read() {
        assert!(rounds(&[]).ranges().is_empty());
    }
}
