//! What the ledger says, in as few bytes as telling states takes.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use super::shelf::{Shelf, Slot};
use crate::disposition::{Disposition, State};
use crate::letter::Coordinates;

/// What is remembered of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    offset: i64,
    /// When the record failed, microseconds since 1970.
    pub(super) failed_us: i64,
    /// When the entry was made, microseconds since 1970.
    at_us: i64,
    /// Stands for the id.
    pub(super) id: u64,
    /// Stands for the job that replayed it, be it none.
    pub(super) job: u64,
    partition: i32,
    pub(super) replays: u32,
    pub(super) state: State,
}

impl Said {
    fn place(&self) -> Coordinates {
        Coordinates { partition: self.partition, offset: self.offset }
    }

    /// Whether `ending` is how the replay that this speaks of ended, and not told yet.
    fn may_end_by(&self, ending: &Self) -> bool {
        let of_replay = self.state == State::Replayed || self.state.is_ending();
        of_replay && self.job == ending.job && self.state != ending.state
    }
}

/// The ledger's last word on each dead letter.
#[derive(Debug, Default)]
pub(super) struct Account {
    words: Shelf<Said>,
    by_place: HashTable<Slot>,
    hasher: RandomState,
}

impl Account {
    pub(super) fn of(&self, at: Coordinates) -> Option<&Said> {
        let slot = self.by_place.find(self.hasher.hash_one(at), self.lies_at(at))?;
        self.words.get(*slot)
    }

    /// Enters an entry; `id` and `job` stand for those that it names. Returns whether it is news.
    pub(super) fn enter(&mut self, made: &Disposition, id: u64, job: u64) -> bool {
        let said = Said {
            offset: made.dlq.offset,
            failed_us: made.failed_at.timestamp_micros(),
            at_us: made.at.timestamp_micros(),
            id,
            job,
            partition: made.dlq.partition,
            replays: made.replays,
            state: made.state,
        };
        let hash = self.hasher.hash_one(made.dlq);
        if let Some(slot) = self.by_place.find(hash, self.lies_at(made.dlq)).copied() {
            let Some(known) = self.words.get_mut(slot) else { return false };
            // A letter's id can change, and with it the entry's partition: the topic's order says nothing then.
            let is_late = known.at_us > said.at_us || (said.state.is_ending() && !known.may_end_by(&said));
            let is_news = !is_late && *known != said;
            if is_news {
                *known = said;
            }
            return is_news;
        }
        let slot = self.words.put(said);
        let Self { words, by_place, hasher } = self;
        by_place.insert_unique(hash, slot, |slot| words.get(*slot).map_or(0, |said| hasher.hash_one(said.place())));
        true
    }

    /// Forgets what it says of the letters of this id.
    pub(super) fn withdraw(&mut self, id: u64) {
        self.forget(|said| said.id == id);
    }

    /// Forgets what it says of the letters of a partition below `offset`.
    pub(super) fn forget_before(&mut self, partition: i32, offset: i64) {
        self.forget(|said| said.partition == partition && said.offset < offset);
    }

    fn forget(&mut self, gone: impl Fn(&Said) -> bool) {
        let gone: Vec<Slot> = self.words.iter().filter(|(_, said)| gone(said)).map(|(slot, _)| slot).collect();
        for slot in gone {
            let Some(said) = self.words.take(slot) else { continue };
            if let Ok(entry) = self.by_place.find_entry(self.hasher.hash_one(said.place()), |known| *known == slot) {
                entry.remove();
            }
        }
    }

    fn lies_at(&self, at: Coordinates) -> impl Fn(&Slot) -> bool {
        move |slot| self.words.get(*slot).is_some_and(|said| said.place() == at)
    }
}
