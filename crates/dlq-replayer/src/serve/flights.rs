//! Replayed letters whose end nobody has told the ledger yet, and those that `serve` is to tell it about: of jobs that do not
//! wait, and of jobs that are not there any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::disposition::{Disposition, State};
use crate::homecoming;
use crate::letter::{Coordinates, Letter};
use crate::mailroom::Return;

/// A job that waits has told the end of its letters so long after their replay, or it is gone.
const ABANDONED: TimeDelta = TimeDelta::minutes(10);

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Flights {
    open: BTreeMap<Coordinates, Disposition>,
    /// What came back, by job and letter. A dead letter can be seen before the entry of its replay, so it is kept for a while.
    came_back: HashMap<(String, String), (Return, i64)>,
}

impl Flights {
    /// A dead letter was read.
    pub(super) fn letter(&mut self, letter: &Letter) {
        if let Some(boomerang) = &letter.boomerang {
            let back = Return { id: letter.id.clone(), reason: letter.reason };
            self.came_back.insert((boomerang.replay_id.clone(), boomerang.of.clone()), (back, letter.appended_ms));
        }
    }

    /// An entry that is news was read.
    pub(super) fn entry(&mut self, made: Disposition, users: &str) {
        let landed_there = made.landed.as_ref().is_some_and(|landed| landed.topic == users);
        if made.state == State::Replayed && landed_there {
            self.open.insert(made.dlq, made);
        } else {
            self.open.remove(&made.dlq);
        }
    }

    /// Whether a job of somebody else may be waiting for its letters.
    pub(super) fn is_attended_by_others(&self, me: &str, now: DateTime<Utc>) -> bool {
        self.open.values().any(|entry| entry.attended && entry.by != me && now - entry.at < ABANDONED)
    }

    /// Whether there is an end to tell.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.open.values().any(|entry| is_due(entry, now))
    }

    /// How the letters ended that the group has passed. The dead-letter topic was read after the group had been asked.
    pub(super) fn endings(&self, committed: &BTreeMap<i32, i64>, now: DateTime<Utc>) -> Vec<Disposition> {
        let due = self.open.values().filter(|entry| is_due(entry, now) && homecoming::is_passed(entry, committed));
        due.map(|entry| homecoming::ending(entry.clone(), self.back(entry), now)).collect()
    }

    /// These were told.
    pub(super) fn told(&mut self, endings: &[Disposition]) {
        for ending in endings {
            self.open.remove(&ending.dlq);
        }
    }

    fn back(&self, entry: &Disposition) -> Option<&Return> {
        let job = entry.replay_id.clone()?;
        self.came_back.get(&(job, entry.id.clone())).map(|(back, _)| back)
    }

    /// Forgets letters of a partition below `offset`, which retention has deleted, and returns of replays that have ended.
    pub(super) fn forget(&mut self, begins: &BTreeMap<i32, i64>, now: DateTime<Utc>) {
        self.open.retain(|at, _| begins.get(&at.partition).is_none_or(|begin| at.offset >= *begin));
        let awaited: HashSet<_> =
            self.open.values().filter_map(|entry| Some((entry.replay_id.as_deref()?, entry.id.as_str()))).collect();
        let young = (now - ABANDONED).timestamp_millis();
        self.came_back.retain(|(job, of), (_, appended_ms)| {
            *appended_ms > young || awaited.contains(&(job.as_str(), of.as_str()))
        });
    }
}

fn is_due(entry: &Disposition, now: DateTime<Utc>) -> bool {
    !entry.attended || now - entry.at >= ABANDONED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::Landed;
    use crate::fixture::{self, Placed as _};

    fn replayed(offset: i64, attended: bool) -> Disposition {
        let letter = fixture::read_letter(0, offset, offset);
        Disposition {
            landed: Some(Landed { topic: "user_data".to_owned(), partition: 1, offset: 100 + offset }),
            replay_id: Some("job".to_owned()),
            attended,
            ..Disposition::new(&letter, State::Replayed, 1, "me", "why", fixture::now())
        }
    }

    fn ended(flights: &Flights, committed: i64, now: DateTime<Utc>) -> Vec<(String, State)> {
        let endings = flights.endings(&BTreeMap::from([(1, committed)]), now);
        endings.into_iter().map(|entry| (entry.id, entry.state)).collect()
    }

    #[test]
    fn who_does_not_wait_is_ended_at_once_and_who_waits_when_it_is_gone() {
        let mut flights = Flights::default();
        flights.entry(replayed(1, false), "user_data");
        flights.entry(replayed(2, true), "user_data");
        let [one, two] = [1, 2].map(|offset| (format!("user_data/0/{offset}"), State::Confirmed));
        assert!(flights.is_attended_by_others("you", fixture::now()));
        assert!(!flights.is_attended_by_others("me", fixture::now()));
        assert_eq!(ended(&flights, 200, fixture::now()), std::slice::from_ref(&one));
        let later = fixture::now() + ABANDONED;
        assert!(!flights.is_attended_by_others("you", later));
        assert_eq!(ended(&flights, 200, later), [one.clone(), two]);
        assert_eq!(ended(&flights, 102, later), [one], "the group has not passed the other");
        flights.entry(Disposition { state: State::Confirmed, ..replayed(1, false) }, "user_data");
        assert!(!flights.is_due(fixture::now()), "it has ended");
    }

    #[test]
    fn what_came_back_is_boomeranged_though_it_was_read_before_its_entry() {
        let mut flights = Flights::default();
        let back = Letter::of(fixture::boomerang("user_data/0/1", "job", 1).at(0, 7));
        flights.letter(&back);
        let soon = DateTime::from_timestamp_millis(fixture::APPENDED_MS).expect("a date");
        flights.forget(&BTreeMap::new(), soon);
        flights.entry(replayed(1, false), "user_data");
        flights.forget(&BTreeMap::new(), soon + TimeDelta::days(1));
        let endings = flights.endings(&BTreeMap::from([(1, 200)]), soon);
        assert_eq!(endings[0].boomerang.as_ref(), Some(&back.id));
        flights.forget(&BTreeMap::from([(0, 2)]), soon + TimeDelta::days(1));
        assert!(!flights.is_due(soon), "retention has deleted its letter");
        flights.forget(&BTreeMap::new(), soon + TimeDelta::days(1));
        assert!(flights.came_back.is_empty(), "nobody waits for it");
    }

    #[test]
    fn nobody_can_follow_a_record_to_another_topic_or_to_a_place_that_nobody_knows() {
        let mut flights = Flights::default();
        flights.entry(replayed(1, false), "orders");
        flights.entry(Disposition { landed: None, ..replayed(2, false) }, "user_data");
        assert!(!flights.is_due(fixture::now()));
    }
}
