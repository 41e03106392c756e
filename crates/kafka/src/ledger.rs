//! The ledger of one partition for one assignment: what was delivered, what is settled.
//!
//! The rule a reader would otherwise break: only [`Ledger::frontier`] may be committed (I1). It is one past the longest
//! settled prefix, so a record that is still in flight keeps every later one uncommitted. Offsets that the broker never
//! delivers (transaction markers, compaction) need no entry: the frontier steps over them. Behind the last record it does so
//! when the client says that it has read to the end, see [`Ledger::reach`].

use std::collections::VecDeque;

use crate::account::Account;

/// How a record came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Cassandra acknowledged its row.
    Written,
    /// The broker acknowledged its dead letter.
    DeadLettered,
    /// Left out for a reason that was counted.
    Skipped,
}

/// Settled records by outcome, of the prefix that the frontier has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Rows acknowledged.
    pub written: u64,
    /// Dead letters acknowledged.
    pub dead_lettered: u64,
    /// Left out with a reason.
    pub skipped: u64,
}

impl Settled {
    /// All three together.
    pub fn total(self) -> u64 {
        self.written + self.dead_lettered + self.skipped
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Written => self.written += 1,
            Outcome::DeadLettered => self.dead_lettered += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

/// What [`Ledger::deliver`] says of an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// New: it is now open.
    Opened,
    /// Below the next one: delivered before, or another record in its place. Not opened.
    Behind,
}

/// What [`Ledger::settle`] says of an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It was open. `records` and `bytes` are what the frontier passed by it, to be refunded; 0 when an earlier offset is
    /// still open.
    Accepted {
        /// Records that the frontier passed.
        records: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// It was never delivered here, or it was settled before: nothing changed.
    Unknown,
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    bytes: u32,
    timestamp_ms: Option<i64>,
    outcome: Option<Outcome>,
}

/// See the module's page.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Delivered and not yet passed by the frontier, by ascending offset.
    slots: VecDeque<Slot>,
    /// The lowest offset that may come next; none until the first one shows where the partition begins.
    next: Option<i64>,
    /// Offset from which on records are counted.
    from: Option<i64>,
    /// Records that were ever opened, those of earlier assignments included.
    delivered: u64,
    settled: Settled,
}

impl Ledger {
    /// An empty account that begins with the first record there is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with `account`, which was committed with `offset`.
    pub fn resume(account: &Account, offset: i64) -> Self {
        let settled = account.settled();
        let delivered = settled.total();
        Self { slots: VecDeque::new(), next: Some(offset), from: Some(account.from), delivered, settled }
    }

    /// Opens `offset`, which weighs `bytes` and carries the record's own timestamp.
    pub fn deliver(&mut self, offset: i64, bytes: usize, timestamp_ms: Option<i64>) -> Delivery {
        if self.next.is_some_and(|next| offset < next) {
            return Delivery::Behind;
        }
        self.from.get_or_insert(offset);
        self.slots.push_back(Slot {
            offset,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            timestamp_ms,
            outcome: None,
        });
        self.next = Some(offset + 1);
        self.delivered += 1;
        Delivery::Opened
    }

    /// Everything below `end` that can be delivered was delivered: the frontier steps over what lies between. False when `end`
    /// is behind what was delivered, so that the claim cannot be about these records.
    pub fn reach(&mut self, end: i64) -> bool {
        if self.next.is_some_and(|next| end < next) {
            return false;
        }
        self.from.get_or_insert(end);
        self.next = Some(end);
        true
    }

    /// Settles `offset` and moves the frontier as far as it goes.
    pub fn settle(&mut self, offset: i64, outcome: Outcome) -> Settlement {
        let Some(index) = self.position(offset) else { return Settlement::Unknown };
        match self.slots.get_mut(index) {
            Some(slot) if slot.outcome.is_none() => slot.outcome = Some(outcome),
            _ => return Settlement::Unknown,
        }
        let (mut records, mut bytes) = (0, 0);
        while let Some(Slot { outcome: Some(outcome), bytes: weight, .. }) = self.slots.front() {
            self.settled.count(*outcome);
            records += 1;
            bytes += *weight as usize;
            self.slots.pop_front();
        }
        Settlement::Accepted { records, bytes }
    }

    /// Offset from which on records are counted; none until the first one is known.
    pub fn from(&self) -> Option<i64> {
        self.from
    }

    /// The next offset to read after a restart; none until the first one is known.
    pub fn frontier(&self) -> Option<i64> {
        self.slots.front().map(|slot| slot.offset).or(self.next)
    }

    /// Timestamp of the record at the frontier, milliseconds since 1970; none when nothing is open.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.slots.front()?.timestamp_ms
    }

    /// Delivered records that the frontier has not passed, settled ones behind an open one included.
    pub fn unpassed(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of [`Self::unpassed`].
    pub fn unpassed_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.bytes as usize).sum()
    }

    /// What the frontier has passed since [`Self::from`], by outcome.
    pub fn settled(&self) -> Settled {
        self.settled
    }

    /// Records that were delivered, are not under way any more and have no outcome: 0 unless this code is wrong (I8).
    pub fn unaccounted(&self) -> i64 {
        let accounted = self.settled.total() + self.slots.len() as u64;
        self.delivered as i64 - accounted as i64
    }

    fn position(&self, offset: i64) -> Option<usize> {
        let first = self.slots.front()?.offset;
        let guess = usize::try_from(offset.checked_sub(first)?).ok()?;
        match self.slots.get(guess) {
            Some(slot) if slot.offset == offset => Some(guess),
            _ => self.slots.binary_search_by_key(&offset, |slot| slot.offset).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_offset_holds_the_frontier_back() {
        let mut ledger = Ledger::new();
        for offset in 10..13 {
            assert_eq!(ledger.deliver(offset, 100, None), Delivery::Opened);
        }
        assert_eq!(ledger.settle(11, Outcome::Written), Settlement::Accepted { records: 0, bytes: 0 });
        assert_eq!(ledger.frontier(), Some(10));
        assert_eq!(ledger.settle(10, Outcome::DeadLettered), Settlement::Accepted { records: 2, bytes: 200 });
        assert_eq!(ledger.frontier(), Some(12));
        assert_eq!(ledger.settled(), Settled { written: 1, dead_lettered: 1, skipped: 0 });
    }

    #[test]
    fn a_gap_is_stepped_over() {
        let mut ledger = Ledger::new();
        ledger.deliver(5, 1, None);
        ledger.deliver(9, 1, None);
        ledger.settle(5, Outcome::Written);
        assert_eq!(ledger.frontier(), Some(9));
        ledger.settle(9, Outcome::Written);
        assert_eq!(ledger.frontier(), Some(10));
    }

    #[test]
    fn nothing_delivered_means_nothing_to_commit() {
        assert_eq!(Ledger::new().frontier(), None);
    }

    #[test]
    fn the_end_is_stepped_to_but_never_over_an_open_offset() {
        let mut ledger = Ledger::new();
        assert!(ledger.reach(5), "an empty partition whose records were deleted");
        assert_eq!((ledger.frontier(), ledger.from()), (Some(5), Some(5)));
        ledger.deliver(7, 1, None);
        assert!(ledger.reach(9), "a marker at 8");
        assert_eq!(ledger.frontier(), Some(7));
        ledger.settle(7, Outcome::Written);
        assert_eq!(ledger.frontier(), Some(9));
        assert!(!ledger.reach(8), "an end behind what was delivered is another partition's");
        assert_eq!(ledger.frontier(), Some(9));
    }

    #[test]
    fn an_account_goes_on_where_it_was_committed() {
        let account = Account { topic_id: None, from: 2, written: 5, dead_lettered: 1, skipped: 0 };
        let mut ledger = Ledger::resume(&account, 10);
        assert_eq!((ledger.frontier(), ledger.settled().total(), ledger.unaccounted()), (Some(10), 6, 0));
        assert_eq!(ledger.deliver(9, 1, None), Delivery::Behind);
        ledger.deliver(11, 1, None);
        ledger.settle(11, Outcome::Skipped);
        assert_eq!(ledger.settled(), Settled { written: 5, dead_lettered: 1, skipped: 1 });
        assert_eq!((ledger.from(), ledger.frontier()), (Some(2), Some(12)));
    }

    #[test]
    fn repeats_change_nothing() {
        let mut ledger = Ledger::new();
        ledger.deliver(5, 7, None);
        assert_eq!(ledger.deliver(5, 7, None), Delivery::Behind);
        ledger.settle(5, Outcome::Written);
        assert_eq!(ledger.settle(5, Outcome::Written), Settlement::Unknown);
        assert_eq!(ledger.settle(99, Outcome::Written), Settlement::Unknown);
        assert_eq!(ledger.settled().total(), 1);
    }

    proptest! {
        /// I1 and I8 for any gaps, any order of settlement, any repeats, against a plain map as the model.
        #[test]
        fn frontier_is_one_past_the_longest_settled_prefix(
            gaps in prop::collection::vec(1i64..4, 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut ledger = Ledger::new();
            let mut model: BTreeMap<i64, bool> = BTreeMap::new();
            let mut charged = 0;
            for &offset in &offsets {
                ledger.deliver(offset, offset as usize, None);
                model.insert(offset, false);
                charged += offset as usize;
            }
            for index in order {
                let offset = *index.get(&offsets);
                if let Settlement::Accepted { bytes, .. } = ledger.settle(offset, Outcome::Written) {
                    prop_assert!(!model[&offset]);
                    charged -= bytes;
                } else {
                    prop_assert!(model[&offset]);
                }
                model.insert(offset, true);
                let open = model.iter().find(|(_, settled)| !**settled).map(|(offset, _)| *offset);
                prop_assert_eq!(ledger.frontier(), open.or(offsets.last().map(|last| last + 1)));
                prop_assert_eq!(ledger.unaccounted(), 0);
                prop_assert_eq!(ledger.unpassed_bytes(), charged);
            }
            for &offset in &offsets {
                if let Settlement::Accepted { bytes, .. } = ledger.settle(offset, Outcome::Skipped) {
                    charged -= bytes;
                }
            }
            prop_assert_eq!(charged, 0);
            prop_assert_eq!(ledger.unpassed(), 0);
            prop_assert_eq!(ledger.settled().total(), offsets.len() as u64);
        }
    }
}
