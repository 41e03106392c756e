//! How far a topic was read.

use std::collections::BTreeMap;

use kafka::Start;

/// How far a topic was read.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The next offset to read, by partition.
    pub(super) next: BTreeMap<i32, i64>,
    /// Where the topic ended before the last whole look. Behind the last record there may be transaction markers, so the
    /// next offset alone does not tell that nothing is new.
    pub(super) ends: BTreeMap<i32, i64>,
}

impl Place {
    /// Whether the topic was made anew: it ends before the place we had reached.
    pub(super) fn is_void(&self, offsets: &BTreeMap<i32, (i64, i64)>) -> bool {
        self.next.iter().any(|(partition, next)| offsets.get(partition).is_none_or(|(_, end)| end < next))
    }

    /// Where the next look begins; none where nothing is new.
    pub(super) fn start(&self, offsets: &BTreeMap<i32, (i64, i64)>) -> Option<Start> {
        if ends(offsets) == self.ends {
            return None;
        }
        let next = |(partition, (low, _)): (&i32, &(i64, i64))| {
            (*partition, self.next.get(partition).copied().unwrap_or(*low).max(*low))
        };
        Some(Start::At(offsets.iter().map(next).collect()))
    }
}

pub(super) fn ends(offsets: &BTreeMap<i32, (i64, i64)>) -> BTreeMap<i32, i64> {
    offsets.iter().map(|(partition, (_, end))| (*partition, *end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_goes_on_where_the_last_one_ended_and_takes_new_partitions_from_their_beginning() {
        let mut place = Place::default();
        let offsets = BTreeMap::from([(0, (5, 9)), (1, (0, 3))]);
        assert_eq!(place.start(&offsets), Some(Start::At(BTreeMap::from([(0, 5), (1, 0)]))));
        place.next = BTreeMap::from([(0, 8)]);
        place.ends = ends(&offsets);
        assert_eq!(place.start(&offsets), None, "a transaction marker is nothing new");
        let grown = BTreeMap::from([(0, (6, 9)), (1, (0, 3)), (2, (4, 5))]);
        assert_eq!(place.start(&grown), Some(Start::At(BTreeMap::from([(0, 8), (1, 0), (2, 4)]))));
    }

    #[test]
    fn a_topic_that_ends_before_our_place_was_made_anew() {
        let place = Place { next: BTreeMap::from([(0, 8)]), ends: BTreeMap::new() };
        assert!(!place.is_void(&BTreeMap::from([(0, (0, 8))])));
        assert!(place.is_void(&BTreeMap::from([(0, (0, 7))])));
        assert!(place.is_void(&BTreeMap::new()));
    }
}
