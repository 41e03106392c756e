//! Many values of one small size, each in a slot that it keeps until it is taken out.
//!
//! They lie in blocks: a million of them grow without being copied, and leave no half-used space behind.

use std::mem;

/// Values of one block.
const BLOCK: usize = 4096;

/// The place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u32);

/// See the module's page.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    blocks: Vec<Vec<Option<T>>>,
    free: Vec<Slot>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Shelf<T> {
    /// Puts a value into a slot of its own.
    pub(super) fn put(&mut self, value: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.place(slot) {
                *place = Some(value);
            }
            return slot;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let before = (self.blocks.len() - 1) * BLOCK;
        let within = self.blocks.last_mut().map_or(0, |block| {
            block.push(Some(value));
            block.len() - 1
        });
        Slot(number(before + within))
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.blocks.get(slot.0 as usize / BLOCK)?.get(slot.0 as usize % BLOCK)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.place(slot)?.as_mut()
    }

    /// Takes a value out; its slot may be another one's from now on.
    pub(super) fn take(&mut self, slot: Slot) -> Option<T> {
        let value = mem::take(self.place(slot)?)?;
        self.free.push(slot);
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let all = self.blocks.iter().flatten().enumerate();
        all.filter_map(|(at, value)| Some((Slot(number(at)), value.as_ref()?)))
    }

    fn place(&mut self, slot: Slot) -> Option<&mut Option<T>> {
        self.blocks.get_mut(slot.0 as usize / BLOCK)?.get_mut(slot.0 as usize % BLOCK)
    }
}

#[expect(clippy::expect_used, reason = "four thousand million values do not fit the memory")]
fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^32 values")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_keep_their_slots_across_blocks_and_a_free_slot_is_used_again() {
        let mut shelf = Shelf::default();
        let slots: Vec<_> = (0..2 * BLOCK + 1).map(|value| shelf.put(value)).collect();
        assert_eq!(shelf.get(slots[BLOCK]), Some(&BLOCK));
        assert_eq!((shelf.take(slots[7]), shelf.take(slots[7])), (Some(7), None));
        assert_eq!(shelf.iter().count(), 2 * BLOCK);
        assert_eq!(shelf.put(99), slots[7]);
        *shelf.get_mut(slots[7]).expect("a value") += 1;
        assert_eq!(shelf.get(slots[7]), Some(&100));
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_and_not_taken(steps in prop::collection::vec(any::<Option<u8>>(), 0..200)) {
            let mut shelf = Shelf::default();
            let mut held: Vec<(Slot, u8)> = Vec::new();
            for step in steps {
                match step {
                    Some(value) => held.push((shelf.put(value), value)),
                    None => {
                        if let Some((slot, value)) = held.pop() {
                            prop_assert_eq!(shelf.take(slot), Some(value));
                        }
                    }
                }
            }
            held.sort_unstable();
            let found: Vec<_> = shelf.iter().map(|(slot, value)| (slot, *value)).collect();
            prop_assert_eq!(found, held);
        }
    }
}
