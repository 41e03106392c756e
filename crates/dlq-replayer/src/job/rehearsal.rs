//! `--dry-run`: what a job would do. Nothing is published and no other job is disturbed.

use std::collections::BTreeMap;

use chrono::Utc;
use serde::Serialize;

use crate::book::Choice;
use crate::disposition::State;
use crate::job::judge::Judge;
use crate::job::{Action, JobError};
use crate::mailroom::Mailroom;
use crate::mend::Preview;
use crate::preflight::changes;
use crate::redrive::Refusal;

/// Ids that are shown.
const SHOWN: usize = 5;

/// What a job would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// What the job does.
    pub action: Action,
    /// Letters that the selection takes.
    pub selected: usize,
    /// Would be published again.
    pub would_replay: usize,
    /// Would be parked.
    pub would_park: usize,
    /// Would be discarded.
    pub would_discard: usize,
    /// Cannot be dealt with.
    pub would_refuse: usize,
    /// The same by cause.
    pub would_refuse_by_cause: BTreeMap<&'static str, usize>,
    /// The first few that would be dealt with.
    pub first: Vec<String>,
    /// What mending changes, of the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<Preview>,
}

impl Rehearsal {
    pub(super) async fn of(
        action: Action,
        judge: &Judge,
        mailroom: &Mailroom,
        chosen: &[Choice],
    ) -> Result<Self, JobError> {
        let mut rehearsal = Self { action, selected: chosen.len(), ..Self::default() };
        let mut letters = judge.letters(mailroom, chosen);
        while let Some(item) = letters.recv().await {
            let (place, letter) = item?;
            let Some(choice) = chosen.get(place) else { continue };
            match judge.passenger(letter, choice, true, Utc::now()) {
                Ok(passenger) => rehearsal.takes(&passenger.entry.id, passenger.entry.state),
                Err(refusal) => rehearsal.refuses(&refusal, 1),
            }
        }
        let seen = rehearsal.taken() + rehearsal.would_refuse;
        if seen < chosen.len() {
            rehearsal.refuses(&Refusal::Gone, chosen.len() - seen);
        }
        Ok(rehearsal)
    }

    fn takes(&mut self, id: &str, state: State) {
        match state {
            State::Parked => self.would_park += 1,
            State::Discarded => self.would_discard += 1,
            State::Unresolved | State::Replayed | State::Confirmed | State::Boomeranged => self.would_replay += 1,
        }
        if self.first.len() < SHOWN {
            self.first.push(id.to_owned());
        }
    }

    fn refuses(&mut self, refusal: &Refusal, count: usize) {
        self.would_refuse += count;
        *self.would_refuse_by_cause.entry(refusal.cause()).or_default() += count;
    }

    fn taken(&self) -> usize {
        self.would_replay + self.would_park + self.would_discard
    }

    /// For people.
    pub fn text(&self) -> String {
        let counts = [
            ("selected", self.selected),
            ("would replay", self.would_replay),
            ("would park", self.would_park),
            ("would discard", self.would_discard),
            ("would refuse", self.would_refuse),
        ];
        let mut text = "dry run, nothing was changed\n".to_owned();
        for (name, count) in counts {
            text.push_str(&format!("{name:>14} {count}"));
            if name == "would refuse" && count > 0 {
                text.push_str(&crate::report::by_name(&self.would_refuse_by_cause));
            }
            text.push('\n');
        }
        for (place, id) in self.first.iter().enumerate() {
            let name = if place == 0 { "the first" } else { "" };
            text.push_str(&format!("{name:>14} {}\n", crate::table::harmless(id)));
        }
        text + &changes(&self.preview)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_tells_counts_causes_and_the_first_ids() {
        let mut rehearsal = Rehearsal { selected: 9, ..Rehearsal::default() };
        for id in 0..7 {
            rehearsal.takes(&format!("user_data/0/{id}"), State::Replayed);
        }
        rehearsal.takes("x", State::Parked);
        rehearsal.refuses(&Refusal::UnknownDialect, 1);
        let text = rehearsal.text();
        assert!(text.contains("  would replay 7\n    would park 1\n"), "{text}");
        assert!(text.contains("  would refuse 1 (unknown_dialect 1)\n     the first user_data/0/0\n"), "{text}");
        assert!(text.ends_with("user_data/0/4\n"), "{text}");
    }
}
