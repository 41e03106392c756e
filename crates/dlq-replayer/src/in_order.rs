//! Puts what a topic yields, partition by partition, into the order in which it was chosen, without holding all of it.
//!
//! What comes early waits for its turn. Of more than [`WAITING`] the first ones go on without those that are still missing: a
//! long list is in order but for letters that lie far from those that failed at their time.

use std::collections::BTreeMap;

/// Items that wait, at most.
const WAITING: usize = 10_000;
/// Bytes that wait, about, at most.
const BYTES: usize = 32 << 20;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    waiting: BTreeMap<usize, (T, usize)>,
    bytes: usize,
    next: usize,
}

impl<T> InOrder<T> {
    pub(crate) fn new() -> Self {
        Self { waiting: BTreeMap::new(), bytes: 0, next: 0 }
    }

    /// Takes the item of a place in the order that weighs so many bytes; whose turn it is can be had from
    /// [`InOrder::next`].
    pub(crate) fn push(&mut self, place: usize, item: T, bytes: usize) {
        self.bytes += bytes;
        self.waiting.insert(place, (item, bytes));
    }

    /// The item whose turn it is.
    pub(crate) fn next(&mut self) -> Option<T> {
        let (first, _) = self.waiting.first_key_value()?;
        let is_its_turn = *first <= self.next || self.waiting.len() > WAITING || self.bytes > BYTES;
        if is_its_turn { self.pop() } else { None }
    }

    /// The first of those that wait: those before it will not come any more.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (place, (item, bytes)) = self.waiting.pop_first()?;
        self.bytes -= bytes;
        self.next = self.next.max(place + 1);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(places: &[usize], bytes: usize) -> Vec<usize> {
        let mut order = InOrder::new();
        let mut out = Vec::new();
        for place in places {
            order.push(*place, *place, bytes);
            out.extend(std::iter::from_fn(|| order.next()));
        }
        out.extend(std::iter::from_fn(|| order.pop()));
        out
    }

    proptest! {
        #[test]
        fn few_items_come_out_in_order_though_some_never_came(
            places in prop::collection::hash_set(0..500_usize, 0..100)
        ) {
            let places: Vec<_> = places.into_iter().collect();
            let mut sorted = places.clone();
            sorted.sort_unstable();
            prop_assert_eq!(through(&places, 1), sorted);
        }
    }

    #[test]
    fn items_whose_turn_has_come_do_not_wait() {
        let mut order = InOrder::new();
        order.push(1, 'b', 1);
        assert_eq!(order.next(), None);
        order.push(0, 'a', 1);
        assert_eq!([order.next(), order.next(), order.next()], [Some('a'), Some('b'), None]);
    }

    #[test]
    fn of_too_many_the_first_go_on_without_those_that_are_missing_and_none_is_lost() {
        let places: Vec<_> = (1..3 * WAITING).chain([0]).collect();
        let out = through(&places, 1);
        assert_eq!(out.len(), places.len());
        assert!(out.windows(2).filter(|pair| pair[0] > pair[1]).count() == 1, "only the late one is out of order");
        assert_eq!(through(&[2, 1, 0], BYTES + 1), [2, 1, 0], "heavy ones do not wait");
    }
}
