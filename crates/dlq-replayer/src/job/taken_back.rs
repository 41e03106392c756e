//! What the ledger accounts for, and nobody can read.
//!
//! A broker can skip the end of a committed transaction on a partition. The end of the next transaction there is that of both, so
//! an abort would undo a replay that the ledger tells of. A job begins by making the letters of such replays unresolved again; only
//! then is ended what is hidden. What can be read although its letter was taken back, because the transaction that hid it was
//! somebody else's, is replayed twice: the same version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use kafka::{Hidden, KafkaSettings, ReadError, Start, TransactionalProducer};
use schema::record::Record;

use crate::disposition::{Disposition, Entry, Landed, State, Unreadable};
use crate::job::JobError;
use crate::letter::Coordinates;
use crate::mailroom::{CLIENT, MailError, Mailroom};
use crate::routes::Routes;

const WHY: &str = "it was published and could not be read where it landed";

/// Takes back what is hidden of earlier jobs, and ends it. The ledger itself is to be decided.
pub(super) async fn take_back(
    producer: &TransactionalProducer,
    kafka: &KafkaSettings,
    routes: &Routes,
    mailroom: &Mailroom,
) -> Result<(), JobError> {
    let failed = |source| JobError::after(0, source);
    let mut topics: BTreeSet<Arc<str>> = routes.topics().cloned().collect();
    topics.insert(kafka.topics.parked.as_str().into());
    let hidden = producer.hidden(topics).await.map_err(failed)?;
    if hidden.is_empty() {
        return Ok(());
    }
    let letters = letters_in(mailroom, &kafka.topics.ledger, hidden.clone()).await?;
    if !letters.is_empty() {
        tracing::warn!(
            letters = letters.len(),
            "dead letters cannot be read where they landed, they are unresolved again"
        );
        let (ledger, now) = (kafka.topics.ledger.as_str().into(), Utc::now());
        let back: Vec<_> = letters.into_iter().map(|entry| unresolved(entry, now).record(&ledger)).collect();
        producer.publish(&back).await.map_err(failed)?;
    }
    producer.end_hidden(&hidden).await.map_err(failed)
}

async fn letters_in(mailroom: &Mailroom, ledger: &str, hidden: Hidden) -> Result<Vec<Disposition>, JobError> {
    let (mailroom, ledger) = (mailroom.clone(), ledger.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let mut landings = Landings::new(|at: &Landed| hidden.contains(&at.topic, at.partition, at.offset));
        mailroom.each(&ledger, &Start::Beginning, |record| landings.entry(&record))?;
        Ok::<_, ReadError>(landings.letters())
    });
    let letters = read.await.map_err(MailError::from)??;
    letters.map_err(JobError::Unreadable)
}

/// The letters whose records landed where it is hidden, as far as the ledger is read.
struct Landings<F> {
    is_hidden: F,
    letters: BTreeMap<Coordinates, Disposition>,
    unreadable: Option<Unreadable>,
}

impl<F: Fn(&Landed) -> bool> Landings<F> {
    fn new(is_hidden: F) -> Self {
        Self { is_hidden, letters: BTreeMap::new(), unreadable: None }
    }

    /// An entry that cannot be read may tell of such a letter too.
    fn letters(self) -> Result<Vec<Disposition>, Unreadable> {
        match self.unreadable {
            Some(unreadable) => Err(unreadable),
            None => Ok(self.letters.into_values().collect()),
        }
    }

    fn entry(&mut self, record: &Record) {
        match Entry::of(record) {
            Ok(Entry::Made(made)) => {
                if self.letters.get(&made.dlq).is_some_and(|known| known.at > made.at) {
                    return;
                }
                let landed = made.landed.as_ref().filter(|_| matches!(made.state, State::Replayed | State::Parked));
                if landed.is_some_and(&self.is_hidden) {
                    self.letters.insert(made.dlq, made);
                } else {
                    self.letters.remove(&made.dlq);
                }
            }
            Ok(Entry::Withdrawn(id)) => self.letters.retain(|_, letter| letter.id != id),
            Err(unreadable) => {
                self.unreadable.get_or_insert(unreadable);
            }
        }
    }
}

/// As before the replay, or before it was parked.
fn unresolved(entry: Disposition, now: DateTime<Utc>) -> Disposition {
    let replays = entry.replays.saturating_sub(u32::from(entry.state == State::Replayed));
    Disposition {
        state: State::Unresolved,
        replays,
        replay_id: None,
        landed: None,
        attended: true,
        cause: None,
        at: now.trunc_subsecs(6).max(entry.at),
        by: CLIENT.to_owned(),
        why: WHY.to_owned(),
        ..entry
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use schema::record::NewRecord;

    use super::*;
    use crate::fixture::{self, Placed as _};

    /// The letter at this offset, whose record landed a hundred behind.
    fn landed(offset: i64, state: State) -> Disposition {
        let landed = Landed { topic: "user_data".to_owned(), partition: 1, offset: 100 + offset };
        let letter = fixture::read_letter(0, offset, offset);
        Disposition { landed: Some(landed), ..Disposition::new(&letter, state, 2, "me", "why", fixture::now()) }
    }

    /// The offsets of the letters that landed at 102 or behind.
    fn hidden(entries: &[Disposition]) -> Vec<i64> {
        let mut landings = Landings::new(|at: &Landed| at.offset >= 102);
        for (offset, entry) in (0..).zip(entries) {
            landings.entry(&entry.record(&"ledger".into()).at(0, offset));
        }
        landings.letters().expect("readable").into_iter().map(|letter| letter.dlq.offset).collect()
    }

    #[test]
    fn what_landed_where_it_is_hidden_is_taken_back_unless_the_ledger_says_something_else_since() {
        use State::{Confirmed, Discarded, Parked, Replayed};
        assert_eq!(
            hidden(&[landed(1, Replayed), landed(2, Replayed), landed(3, Parked), landed(4, Discarded)]),
            [2, 3]
        );
        assert_eq!(hidden(&[landed(2, Replayed), landed(2, Confirmed)]), [0_i64; 0]);
        let elsewhere = Disposition { landed: None, ..landed(2, Replayed) };
        assert_eq!(hidden(&[landed(2, Replayed), elsewhere.clone()]), [0_i64; 0]);
        let older = Disposition { at: elsewhere.at - TimeDelta::seconds(1), ..elsewhere };
        assert_eq!(hidden(&[landed(2, Replayed), older]), [2], "the topic's order says nothing across partitions");
    }

    #[test]
    fn an_entry_that_cannot_be_read_stops_the_taking_back() {
        let mut landings = Landings::new(|_: &Landed| true);
        let record = landed(2, State::Replayed).record(&"ledger".into());
        landings.entry(&NewRecord { value: Some(b"{}".to_vec()), ..record }.at(0, 0));
        assert!(landings.letters().is_err());
    }

    #[test]
    fn a_letter_that_is_taken_back_is_as_it_was_before() {
        let later = fixture::now() + TimeDelta::seconds(1);
        let back = unresolved(Disposition { replay_id: Some("job".to_owned()), ..landed(2, State::Replayed) }, later);
        assert_eq!((back.state, back.replays, back.landed, back.replay_id), (State::Unresolved, 1, None, None));
        assert_eq!(back.at, later);
        let unparked = unresolved(landed(2, State::Parked), fixture::now() - TimeDelta::seconds(1));
        assert_eq!((unparked.state, unparked.replays, unparked.at), (State::Unresolved, 2, fixture::now()));
    }
}
