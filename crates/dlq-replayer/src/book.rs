//! The fold of the dead-letter topic and its ledger: which dead letters there are and what became of each.
//!
//! - Of letters with the same id and the same bytes only the newest counts: it is one failure told twice, by a service that
//!   crashed between its dead letter and its commit.
//! - Of letters with the same id and different bytes the newest goes by the id, the others go by their coordinates.
//! - A ledger entry speaks of the letter at its coordinates that failed at its time, and of no other.
//! - An entry that says how a replay ended speaks of that replay only: where something else became of the letter meanwhile, it
//!   is passed over.
//! - A letter that was replayed and came back is boomeranged, whether or not the job lived to write that down.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use schema::reason::{Reason, Stage};

use crate::disposition::{Disposition, Entry, State, Unreadable};
use crate::letter::{Coordinates, Letter};
use crate::selection::Selection;

/// What is remembered of a letter: enough to count it and to find it again.
#[derive(Debug, Clone)]
struct Remembered {
    /// The id it brought.
    id: Arc<str>,
    digest: u64,
    appended_ms: i64,
    failed_at: DateTime<Utc>,
    reason: Option<Reason>,
    stage: Option<Stage>,
    wanted: bool,
}

/// One letter of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Where it lies.
    pub dlq: Coordinates,
    /// The id it goes by.
    pub id: Arc<str>,
    /// What became of it.
    pub state: State,
    /// How often the ledger says that it was replayed.
    pub replays: u32,
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

/// See the module's page.
#[derive(Debug, Default)]
pub struct Book {
    letters: BTreeMap<Coordinates, Remembered>,
    /// Who goes by an id.
    holders: HashMap<Arc<str>, Coordinates>,
    /// Who brought the same id with other bytes and does not go by it, by the digest of the bytes; almost always nobody.
    rivals: HashMap<Arc<str>, HashMap<u64, Coordinates>>,
    ledger: HashMap<Coordinates, Disposition>,
    /// By the id of the letter that was replayed: the jobs whose replay of it came back.
    boomerangs: HashMap<String, Vec<String>>,
    unreadable: Option<Unreadable>,
}

impl Book {
    /// Enters a letter. `wanted` is whether the selection wants it.
    pub fn letter(&mut self, letter: &Letter, wanted: bool) {
        if self.letters.contains_key(&letter.dlq) {
            return;
        }
        if let Some(boomerang) = &letter.boomerang {
            let jobs = self.boomerangs.entry(boomerang.of.clone()).or_default();
            if !jobs.contains(&boomerang.replay_id) {
                jobs.push(boomerang.replay_id.clone());
            }
        }
        let remembered = Remembered {
            id: letter.id.as_str().into(),
            digest: digest(letter),
            appended_ms: letter.appended_ms,
            failed_at: letter.failed_at,
            reason: letter.reason,
            stage: letter.stage,
            wanted,
        };
        if self.name(letter.dlq, &remembered) {
            self.letters.insert(letter.dlq, remembered);
        }
    }

    /// Names a letter that is not in the book yet, and those that brought the same id anew. False where a newer letter tells
    /// the same failure.
    fn name(&mut self, at: Coordinates, letter: &Remembered) -> bool {
        let age = (letter.appended_ms, at);
        let holder = self.holders.get(&letter.id).copied();
        let Some((holder, held)) = holder.and_then(|holder| Some((holder, self.letters.get(&holder)?))) else {
            self.holders.insert(Arc::clone(&letter.id), at);
            return true;
        };
        let (held_digest, held_age) = (held.digest, (held.appended_ms, holder));
        if held_digest == letter.digest {
            if age < held_age {
                return false;
            }
            self.letters.remove(&holder);
            self.holders.insert(Arc::clone(&letter.id), at);
            return true;
        }
        let rivals = self.rivals.entry(Arc::clone(&letter.id)).or_default();
        if let Some(twin) = rivals.get(&letter.digest).copied() {
            if self.letters.get(&twin).is_some_and(|rival| age < (rival.appended_ms, twin)) {
                return false;
            }
            self.letters.remove(&twin);
            rivals.remove(&letter.digest);
        }
        if age > held_age {
            rivals.insert(held_digest, holder);
            self.holders.insert(Arc::clone(&letter.id), at);
        } else {
            rivals.insert(letter.digest, at);
        }
        true
    }

    /// Takes a letter's name away. The newest of those that brought the same id gets it.
    fn unname(&mut self, at: Coordinates, letter: &Remembered) {
        let holds = self.holders.get(&letter.id) == Some(&at);
        if holds {
            self.holders.remove(&letter.id);
        }
        let Some(rivals) = self.rivals.get_mut(&letter.id) else { return };
        if holds {
            let age = |at: &Coordinates| self.letters.get(at).map(|letter| (letter.appended_ms, *at));
            if let Some((digest, heir)) = rivals.iter().max_by_key(|(_, at)| age(at)).map(|(digest, at)| (*digest, *at))
            {
                rivals.remove(&digest);
                self.holders.insert(Arc::clone(&letter.id), heir);
            }
        } else {
            rivals.remove(&letter.digest);
        }
        if rivals.is_empty() {
            self.rivals.remove(&letter.id);
        }
    }

    /// Enters what was read from the ledger, in the order of its topic. Returns the state that an entry brings, where it is
    /// news.
    pub fn entry(&mut self, entry: Result<Entry, Unreadable>) -> Option<State> {
        match entry {
            Ok(Entry::Made(made)) => match self.ledger.get(&made.dlq) {
                // A letter's id can change, and with it the entry's partition: the topic's order says nothing then.
                Some(known) if known.at > made.at => None,
                Some(known) if *known == made => None,
                Some(known) if made.is_ending() && !may_end(known, &made) => None,
                _ => {
                    let state = made.state;
                    self.ledger.insert(made.dlq, made);
                    Some(state)
                }
            },
            Ok(Entry::Withdrawn(id)) => {
                self.ledger.retain(|_, made| made.id != id);
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
        let gone = Coordinates { partition, offset: i64::MIN }..Coordinates { partition, offset };
        let gone: Vec<_> = self.letters.range(gone).map(|(at, _)| *at).collect();
        for at in gone {
            let Some(letter) = self.letters.remove(&at) else { continue };
            self.unname(at, &letter);
            self.boomerangs.remove(&*letter.id);
            self.ledger.remove(&at);
        }
    }

    fn disposition(&self, at: Coordinates, letter: &Remembered) -> Option<&Disposition> {
        self.ledger.get(&at).filter(|made| made.failed_at == letter.failed_at)
    }

    fn choice(&self, at: Coordinates, letter: &Remembered) -> Choice {
        let made = self.disposition(at, letter);
        let came_back = |made: &Disposition| {
            let jobs = self.boomerangs.get(&made.id);
            jobs.zip(made.replay_id.as_ref()).is_some_and(|(jobs, job)| jobs.contains(job))
        };
        let state = match made {
            None => State::Unresolved,
            Some(made) if made.state == State::Replayed && came_back(made) => State::Boomeranged,
            Some(made) => made.state,
        };
        let id = if self.holders.get(&letter.id) == Some(&at) { Arc::clone(&letter.id) } else { at.to_string().into() };
        Choice { dlq: at, id, state, replays: made.map_or(0, |made| made.replays) }
    }

    fn taken<'a>(
        &'a self,
        selection: &'a Selection,
        default: &'a [State],
    ) -> impl Iterator<Item = (&'a Remembered, Choice)> {
        self.letters
            .iter()
            .filter(|(_, letter)| letter.wanted)
            .map(|(at, letter)| (letter, self.choice(*at, letter)))
            .filter(|(_, choice)| selection.takes(&choice.id, choice.state, default))
    }

    /// What the selection takes, those that failed first first.
    pub fn chosen(&self, selection: &Selection, default: &[State]) -> Vec<Choice> {
        let mut taken: Vec<_> = self.taken(selection, default).collect();
        taken.sort_by_key(|(letter, choice)| (letter.failed_at, choice.dlq));
        let limit = selection.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        taken.into_iter().map(|(_, choice)| choice).take(limit).collect()
    }

    /// The letter that goes by this id.
    pub fn find(&self, id: &str) -> Option<Choice> {
        let held = self.holders.get(id).and_then(|at| Some((at, self.letters.get(at)?)));
        let found = held.or_else(|| {
            let named = self.rivals.values().flat_map(HashMap::values).find(|at| at.to_string() == id)?;
            Some((named, self.letters.get(named)?))
        });
        found.map(|(at, letter)| self.choice(*at, letter))
    }

    /// Counts what the selection takes.
    pub fn census(&self, selection: &Selection, default: &[State]) -> Census {
        let by_state = State::ALL.into_iter().map(|state| (state, 0)).collect();
        let mut census = Census { by_state, ..Census::default() };
        let limit = selection.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut taken: Vec<_> = self.taken(selection, default).collect();
        if taken.len() > limit {
            taken.sort_by_key(|(letter, choice)| (letter.failed_at, choice.dlq));
            taken.truncate(limit);
        }
        for (letter, choice) in taken {
            census.total += 1;
            *census.by_state.entry(choice.state).or_default() += 1;
            *census.by_reason.entry(letter.reason).or_default() += 1;
            *census.by_stage.entry(letter.stage).or_default() += 1;
            if choice.state == State::Unresolved {
                let oldest = census.oldest_unresolved_ms.get_or_insert(letter.appended_ms);
                *oldest = letter.appended_ms.min(*oldest);
            }
        }
        census
    }
}

/// Whether `ending` is how the replay that `known` speaks of ended, and not told yet.
fn may_end(known: &Disposition, ending: &Disposition) -> bool {
    let of_replay = known.state == State::Replayed || known.is_ending();
    of_replay && known.replay_id == ending.replay_id && known.state != ending.state
}

/// The same for the same key and value, in every run of one build.
fn digest(letter: &Letter) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&letter.key, &letter.value).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
