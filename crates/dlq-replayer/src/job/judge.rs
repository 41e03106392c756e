//! What is to be done about one letter: pure, so that a rehearsal judges as the job does.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kafka::ReadError;
use schema::fault::Fault;
use schema::record::NewRecord;
use tokio::sync::mpsc;

use crate::book::Choice;
use crate::disposition::{Disposition, REPLAY_LIMIT, State};
use crate::job::{Action, Plan};
use crate::letter::Letter;
use crate::mailroom::Mailroom;
use crate::mend::Preview;
use crate::preflight::Row;
use crate::redrive::{Redrive, Refusal};

/// A letter's record and its ledger entry.
#[derive(Debug)]
pub(super) struct Passenger {
    /// What is published; nothing for a letter that is discarded.
    pub(super) record: Option<NewRecord>,
    pub(super) entry: Disposition,
    /// The row that its record becomes, or why it becomes none; nothing where the processor does not read it.
    pub(super) row: Option<Result<Row, Box<Fault>>>,
}

impl Passenger {
    /// Bytes, about.
    pub(super) fn weight(&self) -> usize {
        let bytes =
            |record: &NewRecord| record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len);
        self.record.as_ref().map_or(0, bytes)
    }

    /// Whether it leaves for a topic.
    pub(super) fn is_replayed(&self) -> bool {
        self.entry.state == State::Replayed
    }
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Judge {
    action: Action,
    redrive: Redrive,
    parked: Arc<str>,
    max_attempts: u32,
}

impl Judge {
    pub(super) fn new(plan: &Plan, job: &str, parked: &str, max_attempts: u32, oldest: Option<DateTime<Utc>>) -> Self {
        Self {
            action: plan.action,
            redrive: Redrive {
                replay_id: job.to_owned(),
                routes: plan.routes.clone(),
                by: plan.by.clone(),
                why: plan.why.clone(),
                mend: plan.mend.clone(),
                oldest,
            },
            parked: parked.into(),
            max_attempts,
        }
    }

    /// The chosen letters, with all that dealing with them takes.
    pub(super) fn letters(
        &self,
        mailroom: &Mailroom,
        chosen: &[Choice],
    ) -> mpsc::Receiver<Result<(usize, Letter), ReadError>> {
        match self.action {
            Action::Replay => mailroom.letters_with_originals(chosen),
            Action::Park | Action::Discard => mailroom.letters(chosen),
        }
    }

    /// What is to be published for a letter, and what the ledger says of it. `attended` is whether the job waits for it.
    pub(super) fn passenger(
        &self,
        letter: Letter,
        choice: &Choice,
        attended: bool,
        now: DateTime<Utc>,
    ) -> Result<Passenger, Refusal> {
        let replays = letter.replays().max(choice.replays);
        match self.action {
            Action::Park => Ok(self.parked(letter, replays, None, now)),
            Action::Discard => {
                let entry = self.entry(&letter, State::Discarded, replays, now);
                Ok(Passenger { record: None, entry, row: None })
            }
            // Whoever asks for a parked letter by its state wants it replayed and not parked once more.
            Action::Replay if replays >= self.max_attempts && choice.state != State::Parked => {
                Ok(self.parked(letter, replays, Some(REPLAY_LIMIT.to_owned()), now))
            }
            Action::Replay => {
                let count = replays.saturating_add(1);
                let record = self.redrive.record_of(&letter, count, now)?;
                let entry = Disposition {
                    replay_id: Some(self.redrive.replay_id.clone()),
                    attended,
                    ..self.entry(&letter, State::Replayed, count, now)
                };
                let row = self.redrive.routes.is_followed(&record.topic).then(|| Row::of(&record, now));
                Ok(Passenger { record: Some(record), entry, row })
            }
        }
    }

    fn parked(&self, letter: Letter, replays: u32, cause: Option<String>, now: DateTime<Utc>) -> Passenger {
        let entry = Disposition { cause, ..self.entry(&letter, State::Parked, replays, now) };
        let Letter { key, value, headers, .. } = letter;
        let topic = Arc::clone(&self.parked);
        let record = NewRecord { topic, partition: None, timestamp_ms: None, key, value, headers };
        Passenger { record: Some(record), entry, row: None }
    }

    /// What mending changes in a letter's record.
    pub(super) fn preview(&self, letter: &Letter) -> Option<Preview> {
        self.redrive.preview(letter)
    }

    fn entry(&self, letter: &Letter, state: State, replays: u32, now: DateTime<Utc>) -> Disposition {
        Disposition::new(letter, state, replays, &self.redrive.by, &self.redrive.why, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::routes::Routes;
    use crate::selection::Selection;

    const CAP: u32 = 3;

    fn judged(action: Action, state: State, replays: u32) -> Passenger {
        let plan = Plan {
            by: "anna@desk".to_owned(),
            why: "mended".to_owned(),
            ..Plan::new(action, Selection::default(), Routes::new("user_data", &[]))
        };
        let judge = Judge::new(&plan, "job", "user_data_dlq_parked", CAP, None);
        let letter = fixture::read_letter(3, 1042, 17);
        let choice = Choice { dlq: letter.dlq, state, replays, is_named: true };
        judge.passenger(letter, &choice, true, fixture::now()).expect("a passenger")
    }

    fn told(passenger: &Passenger) -> (Option<&str>, State, u32, Option<&str>) {
        let topic = passenger.record.as_ref().map(|record| &*record.topic);
        (topic, passenger.entry.state, passenger.entry.replays, passenger.entry.cause.as_deref())
    }

    #[test]
    fn a_letter_is_replayed_until_its_attempts_are_used_up_and_then_parked() {
        for replays in 0..CAP {
            let passenger = judged(Action::Replay, State::Unresolved, replays);
            assert_eq!(told(&passenger), (Some("user_data"), State::Replayed, replays + 1, None));
            assert_eq!(passenger.entry.replay_id.as_deref(), Some("job"));
        }
        for replays in [CAP, CAP + 1] {
            let passenger = judged(Action::Replay, State::Unresolved, replays);
            assert_eq!(told(&passenger), (Some("user_data_dlq_parked"), State::Parked, replays, Some(REPLAY_LIMIT)));
        }
    }

    #[test]
    fn a_parked_letter_that_is_asked_for_is_taken_back_beyond_the_cap() {
        let passenger = judged(Action::Replay, State::Parked, CAP);
        assert_eq!(told(&passenger), (Some("user_data"), State::Replayed, CAP + 1, None));
    }

    #[test]
    fn a_person_parks_with_a_copy_and_discards_without_one() {
        let parked = judged(Action::Park, State::Unresolved, 1);
        assert_eq!(told(&parked), (Some("user_data_dlq_parked"), State::Parked, 1, None));
        let letter = fixture::processor_letter(3, 1042);
        let copy = parked.record.expect("a copy");
        assert_eq!((copy.key, copy.value, copy.headers), (letter.key, letter.value, letter.headers), "whole");
        let discarded = judged(Action::Discard, State::Unresolved, 1);
        assert_eq!(told(&discarded), (None, State::Discarded, 1, None));
        assert_eq!((discarded.entry.by.as_str(), discarded.entry.why.as_str()), ("anna@desk", "mended"));
    }
}
