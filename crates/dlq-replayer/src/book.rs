//! The fold of the dead-letter topic and its ledger: which dead letters there are and what became of each.
//!
//! - Of letters with the same id and the same bytes only the newest counts: it is one failure told twice, by a service that
//!   crashed between its dead letter and its commit.
//! - Of letters with the same id and different bytes the newest goes by the id, the others go by their coordinates.
//! - A ledger entry speaks of the letter at its coordinates that failed at its time, and of no other.
//! - An entry that says how a replay ended speaks of that replay only: where something else became of the letter meanwhile, it
//!   is passed over.
//! - A letter that was replayed and came back is boomeranged, whether or not the job lived to write that down.
//!
//! A million letters fit 64 MB: of each there are only numbers. Of its id there is a hash, keyed anew for each book; who needs
//! the id reads the letter again. Two ids of the same hash would at worst let one of their letters go by its coordinates,
//! because letters count as the same only where a second hash, of id and bytes, agrees too.

mod account;
mod kind;
mod shelf;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use chrono::{DateTime, Utc};
use hashbrown::HashTable;
use schema::reason::{Reason, Stage};

use crate::book::account::{Account, Said};
pub use crate::book::kind::Kind;
use crate::book::kind::{KindNumber, Kinds};
use crate::book::shelf::{Shelf, Slot};
use crate::disposition::{Entry, State, Unreadable};
use crate::letter::{Coordinates, Letter};
use crate::selection::Selection;

/// What is remembered of a letter: enough to count it and to find it again.
#[derive(Debug, Clone, Copy)]
struct Remembered {
    /// Stands for the id it brought.
    id: u64,
    /// Stands for id, key and value.
    digest: u64,
    offset: i64,
    /// When the broker took it, milliseconds since 1970.
    appended_ms: i64,
    /// When its record failed, microseconds since 1970.
    failed_us: i64,
    partition: i32,
    kind: KindNumber,
}

const _: () =
    assert!(size_of::<Option<Remembered>>() == 48, "with its place among the holders a letter takes 60 bytes");

impl Remembered {
    fn at(&self) -> Coordinates {
        Coordinates { partition: self.partition, offset: self.offset }
    }

    fn age(&self) -> (i64, Coordinates) {
        (self.appended_ms, self.at())
    }
}

/// One letter of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Where it lies.
    pub dlq: Coordinates,
    /// What became of it.
    pub state: State,
    /// How often the ledger says that it was replayed.
    pub replays: u32,
    /// Whether it goes by the id that it brings, and not by its coordinates.
    pub is_named: bool,
}

/// How many letters there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// All of them.
    pub total: u64,
    /// By what became of them; every state is there.
    pub by_state: BTreeMap<State, u64>,
    /// By reason; `None` where the letter says none.
    pub by_reason: BTreeMap<Option<Reason>, u64>,
    /// By stage; `None` where the letter says none.
    pub by_stage: BTreeMap<Option<Stage>, u64>,
    /// When the broker took the oldest unresolved one, milliseconds since 1970.
    pub oldest_unresolved_ms: Option<i64>,
}

/// Letters of one fingerprint; those without one are told apart by all else that is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// What they have in common.
    pub kind: &'a Kind,
    /// How many they are.
    pub count: u64,
    /// The same by what became of them; states of nobody are left out.
    pub by_state: BTreeMap<State, u64>,
    /// When the first of them failed.
    pub first_failed_at: DateTime<Utc>,
    /// When the last of them failed.
    pub last_failed_at: DateTime<Utc>,
    /// The last of them: of all of them retention deletes it last.
    pub example: Choice,
}

/// See the module's page.
#[derive(Debug, Default)]
pub struct Book {
    letters: Shelf<Remembered>,
    kinds: Kinds,
    /// Who goes by an id.
    holders: HashTable<Slot>,
    /// Who brought the same id with other bytes and does not go by it, by the digest; almost always nobody.
    rivals: HashTable<Slot>,
    account: Account,
    /// The letters that came back, each with the job that had replayed it.
    boomerangs: HashSet<(u64, u64)>,
    unreadable: Option<Unreadable>,
    /// Where each partition begins, as far as that was told.
    begins: BTreeMap<i32, i64>,
    hasher: RandomState,
}

impl Book {
    /// Enters a letter.
    pub fn letter(&mut self, letter: &Letter) {
        if let Some(boomerang) = &letter.boomerang {
            self.boomerangs.insert((self.hash(&boomerang.of), self.job(Some(&boomerang.replay_id))));
        }
        let new = Remembered {
            id: self.hash(&letter.id),
            digest: self.hasher.hash_one((&letter.id, &letter.key, &letter.value)),
            offset: letter.dlq.offset,
            appended_ms: letter.appended_ms,
            failed_us: letter.failed_at.timestamp_micros(),
            partition: letter.dlq.partition,
            kind: self.kinds.number_of(letter),
        };
        let Some((holder, held)) = self.holder(new.id) else {
            let slot = self.letters.put(new);
            return index(&mut self.holders, &self.letters, slot, by_id);
        };
        if held.digest == new.digest {
            self.tell_anew(holder, new);
            return;
        }
        if let Some(twin) = self.rival(&new) {
            if !self.tell_anew(twin, new) {
                return;
            }
            if new.age() > held.age() {
                self.strike_rival(twin);
                self.dethrone(holder, twin);
            }
            return;
        }
        let slot = self.letters.put(new);
        if new.age() > held.age() {
            self.dethrone(holder, slot);
        } else {
            index(&mut self.rivals, &self.letters, slot, by_digest);
        }
    }

    /// The failure that the letter in `slot` tells is told by `new` too; the newer of both stays. Returns whether that is `new`.
    fn tell_anew(&mut self, slot: Slot, new: Remembered) -> bool {
        let Some(known) = self.letters.get_mut(slot).filter(|known| known.age() < new.age()) else { return false };
        *known = new;
        true
    }

    /// Gives the name of the letter in `holder` to the one in `heir`.
    fn dethrone(&mut self, holder: Slot, heir: Slot) {
        let Some(id) = self.letters.get(holder).map(|held| held.id) else { return };
        if let Some(slot) = self.holders.find_mut(id, |slot| *slot == holder) {
            *slot = heir;
        }
        index(&mut self.rivals, &self.letters, holder, by_digest);
    }

    fn holder(&self, id: u64) -> Option<(Slot, Remembered)> {
        let is_of = |slot: &Slot| self.letters.get(*slot).is_some_and(|letter| letter.id == id);
        let slot = *self.holders.find(id, is_of)?;
        Some((slot, *self.letters.get(slot)?))
    }

    /// A letter of the same id and bytes that does not go by its id.
    fn rival(&self, new: &Remembered) -> Option<Slot> {
        let is_twin =
            |slot: &Slot| self.letters.get(*slot).is_some_and(|known| (known.id, known.digest) == (new.id, new.digest));
        self.rivals.find(new.digest, is_twin).copied()
    }

    fn strike_rival(&mut self, slot: Slot) -> bool {
        let digest = self.letters.get(slot).map_or(0, |letter| letter.digest);
        self.rivals.find_entry(digest, |known| *known == slot).map(|entry| entry.remove()).is_ok()
    }

    fn is_named(&self, slot: Slot, letter: &Remembered) -> bool {
        self.holders.find(letter.id, |known| *known == slot).is_some()
    }

    /// Enters what was read from the ledger, in the order of its topic. Returns the state that an entry brings, where it is
    /// news.
    pub fn entry(&mut self, entry: Result<Entry, Unreadable>) -> Option<State> {
        match entry {
            Ok(Entry::Made(made)) => {
                let (id, job) = (self.hash(&made.id), self.job(made.replay_id.as_deref()));
                self.account.enter(&made, id, job).then_some(made.state)
            }
            Ok(Entry::Withdrawn(id)) => {
                self.account.withdraw(self.hash(&id));
                None
            }
            Err(unreadable) => {
                self.unreadable.get_or_insert(unreadable);
                None
            }
        }
    }

    /// The first ledger entry that could not be read. As long as there is one, nothing may be replayed.
    pub fn unreadable(&self) -> Option<&Unreadable> {
        self.unreadable.as_ref()
    }

    /// Forgets the letters of a partition below `offset`: retention has deleted them.
    pub fn forget_before(&mut self, partition: i32, offset: i64) {
        if self.begins.insert(partition, offset) == Some(offset) {
            return;
        }
        let is_gone = |letter: &Remembered| letter.partition == partition && letter.offset < offset;
        let gone: Vec<Slot> = self.letters.iter().filter(|(_, letter)| is_gone(letter)).map(|(slot, _)| slot).collect();
        let (mut ids, mut vacant) = (HashSet::new(), HashSet::new());
        for slot in gone {
            let is_rival = self.strike_rival(slot);
            let Some(letter) = self.letters.take(slot) else { continue };
            ids.insert(letter.id);
            let holding = self.holders.find_entry(letter.id, |known| !is_rival && *known == slot);
            if let Ok(entry) = holding {
                entry.remove();
                vacant.insert(letter.id);
            }
        }
        self.boomerangs.retain(|(of, _)| !ids.contains(of));
        self.account.forget_before(partition, offset);
        self.crown_heirs(&vacant);
    }

    /// Gives each of these names to the newest of those that brought the same id.
    fn crown_heirs(&mut self, vacant: &HashSet<u64>) {
        let mut heirs: HashMap<u64, (Slot, (i64, Coordinates))> = HashMap::new();
        for slot in &self.rivals {
            let Some(rival) = self.letters.get(*slot).filter(|rival| vacant.contains(&rival.id)) else { continue };
            let newest = heirs.entry(rival.id).or_insert((*slot, rival.age()));
            if newest.1 < rival.age() {
                *newest = (*slot, rival.age());
            }
        }
        for (slot, _) in heirs.into_values() {
            self.strike_rival(slot);
            index(&mut self.holders, &self.letters, slot, by_id);
        }
    }

    fn said(&self, letter: &Remembered) -> Option<&Said> {
        self.account.of(letter.at()).filter(|said| said.failed_us == letter.failed_us)
    }

    fn state(&self, letter: &Remembered) -> State {
        match self.said(letter) {
            None => State::Unresolved,
            Some(said) if said.state == State::Replayed && self.boomerangs.contains(&(said.id, said.job)) => {
                State::Boomeranged
            }
            Some(said) => said.state,
        }
    }

    fn choice(&self, slot: Slot, letter: &Remembered) -> Choice {
        Choice {
            dlq: letter.at(),
            state: self.state(letter),
            replays: self.said(letter).map_or(0, |said| said.replays),
            is_named: self.is_named(slot, letter),
        }
    }

    /// What the selection takes at `now`, in no order; with a limit those that failed first. `default` are the states where
    /// the selection says nothing.
    fn taken(&self, selection: &Selection, default: &[State], now: DateTime<Utc>) -> Vec<Slot> {
        let kinds: Vec<bool> = self.kinds.iter().map(|kind| selection.wants_kind(kind)).collect();
        let ids: HashSet<u64> = selection.ids.iter().map(|id| self.hash(id)).collect();
        let is_meant = |slot, letter: &Remembered| {
            if self.is_named(slot, letter) {
                ids.contains(&letter.id)
            } else {
                selection.ids.contains(&letter.at().to_string())
            }
        };
        let window = selection.window(now);
        let mut taken: Vec<Slot> = self
            .letters
            .iter()
            .filter(|(slot, letter)| {
                kinds.get(letter.kind.index()) == Some(&true)
                    && window.contains(&letter.failed_us)
                    && selection.wants_partition(letter.partition)
                    && (ids.is_empty() || is_meant(*slot, letter))
                    && selection.wants_state(self.state(letter), default)
            })
            .map(|(slot, _)| slot)
            .collect();
        let limit = selection.limit.and_then(|limit| usize::try_from(limit).ok());
        if let Some(limit) = limit.filter(|limit| *limit < taken.len()) {
            taken.select_nth_unstable_by_key(limit, |slot| self.order(*slot));
            taken.truncate(limit);
        }
        taken
    }

    /// Those that failed first come first.
    fn order(&self, slot: Slot) -> Option<(i64, Coordinates)> {
        self.letters.get(slot).map(|letter| (letter.failed_us, letter.at()))
    }

    /// The letter that lies there.
    pub fn at(&self, at: Coordinates) -> Option<Choice> {
        let (slot, letter) = self.letters.iter().find(|(_, letter)| letter.at() == at)?;
        Some(self.choice(slot, letter))
    }

    /// What the selection takes at `now`, those that failed first first.
    pub fn chosen(&self, selection: &Selection, default: &[State], now: DateTime<Utc>) -> Vec<Choice> {
        let mut taken = self.taken(selection, default, now);
        taken.sort_unstable_by_key(|slot| self.order(*slot));
        taken.into_iter().filter_map(|slot| Some(self.choice(slot, self.letters.get(slot)?))).collect()
    }

    /// Counts what the selection takes at `now`.
    pub fn census(&self, selection: &Selection, default: &[State], now: DateTime<Utc>) -> Census {
        let by_state = State::ALL.into_iter().map(|state| (state, 0)).collect();
        let mut census = Census { by_state, ..Census::default() };
        for letter in self.taken(selection, default, now).into_iter().filter_map(|slot| self.letters.get(slot)) {
            let Some(kind) = self.kinds.get(letter.kind) else { continue };
            let state = self.state(letter);
            census.total += 1;
            *census.by_state.entry(state).or_default() += 1;
            *census.by_reason.entry(kind.reason).or_default() += 1;
            *census.by_stage.entry(kind.stage).or_default() += 1;
            if state == State::Unresolved {
                let oldest = census.oldest_unresolved_ms.get_or_insert(letter.appended_ms);
                *oldest = letter.appended_ms.min(*oldest);
            }
        }
        census
    }

    /// What the selection takes at `now`, by fingerprint, the most frequent first.
    pub fn groups(&self, selection: &Selection, default: &[State], now: DateTime<Utc>) -> Vec<Group<'_>> {
        let mut of_kinds: Vec<Option<Tally>> = self.kinds.iter().map(|_| None).collect();
        for slot in self.taken(selection, default, now) {
            let Some(letter) = self.letters.get(slot) else { continue };
            let one = Tally::of(letter, slot, self.state(letter));
            if let Some(tally) = of_kinds.get_mut(letter.kind.index()) {
                *tally = Some(tally.map_or(one, |tally| tally.and(one)));
            }
        }
        let mut groups: HashMap<Result<&str, &Kind>, Tally> = HashMap::new();
        for (kind, tally) in self.kinds.iter().zip(of_kinds).filter_map(|(kind, tally)| Some((kind, tally?))) {
            let group = groups.entry(kind.fingerprint.as_deref().ok_or(kind));
            group.and_modify(|known| *known = known.and(tally)).or_insert(tally);
        }
        let mut groups: Vec<Group<'_>> = groups.into_values().filter_map(|tally| self.group(tally)).collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.first_failed_at, group.example.dlq));
        groups
    }

    fn group(&self, tally: Tally) -> Option<Group<'_>> {
        let example = self.letters.get(tally.slot)?;
        Some(Group {
            kind: self.kinds.get(example.kind)?,
            count: tally.states.iter().sum(),
            by_state: State::ALL.into_iter().zip(tally.states).filter(|(_, count)| *count > 0).collect(),
            first_failed_at: DateTime::from_timestamp_micros(tally.first_us)?,
            last_failed_at: DateTime::from_timestamp_micros(example.failed_us)?,
            example: self.choice(tally.slot, example),
        })
    }

    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// Stands for a job, be it none.
    fn job(&self, replay_id: Option<&str>) -> u64 {
        self.hasher.hash_one(replay_id)
    }
}

/// A group that is being counted.
#[derive(Debug, Clone, Copy)]
struct Tally {
    /// In the order of [`State::ALL`].
    states: [u64; State::ALL.len()],
    first_us: i64,
    last: (i64, Coordinates),
    /// The letter that failed last.
    slot: Slot,
}

impl Tally {
    fn of(letter: &Remembered, slot: Slot, state: State) -> Self {
        let states = State::ALL.map(|one| u64::from(one == state));
        Self { states, first_us: letter.failed_us, last: (letter.failed_us, letter.at()), slot }
    }

    fn and(self, other: Self) -> Self {
        let last = if self.last < other.last { other } else { self };
        let mut states = self.states;
        for (count, more) in states.iter_mut().zip(other.states) {
            *count += more;
        }
        Self { states, first_us: self.first_us.min(other.first_us), ..last }
    }
}

fn by_id(letter: &Remembered) -> u64 {
    letter.id
}

fn by_digest(letter: &Remembered) -> u64 {
    letter.digest
}

/// Enters a slot into a table of letters.
fn index(table: &mut HashTable<Slot>, letters: &Shelf<Remembered>, slot: Slot, by: impl Fn(&Remembered) -> u64) {
    let hash = |slot: &Slot| letters.get(*slot).map_or(0, &by);
    table.insert_unique(hash(&slot), slot, hash);
}

#[cfg(test)]
mod tests;
