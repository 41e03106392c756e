//! What a job ends with.

use std::collections::BTreeMap;

use schema::reason::Reason;
use serde::Serialize;
use service::Exit;

use crate::job::Action;
use crate::redrive::Refusal;

/// Counts of one job; every selected letter is in exactly one of `confirmed`, `stale`, `boomeranged`, `unconfirmed`, `not_followed`,
/// `parked`, `discarded`, `refused` and `left`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What the job does.
    pub action: Action,
    /// The job.
    pub replay_id: String,
    /// Letters that the selection took.
    pub selected: usize,
    /// Letters that were published again.
    pub replayed: usize,
    /// Replayed, and processed.
    pub confirmed: usize,
    /// Replayed, and processed, and lost to a newer row or deletion; none where Cassandra was not asked.
    pub stale: Option<usize>,
    /// Replayed, and back as dead letters.
    pub boomeranged: usize,
    /// The same by the reason of the dead letter that each came back as.
    pub boomeranged_by_reason: BTreeMap<&'static str, usize>,
    /// Replayed, and not processed yet.
    pub unconfirmed: usize,
    /// Replayed, and not waited for: `serve` confirms them, or they went to a topic that the processor does not read.
    pub not_followed: usize,
    /// Parked: asked for, or their attempts are used up.
    pub parked: usize,
    /// Given up on purpose.
    pub discarded: usize,
    /// Cannot be dealt with.
    pub refused: usize,
    /// The same by cause.
    pub refused_by_cause: BTreeMap<&'static str, usize>,
    /// Not looked at: the job was told to end, or its canary came back.
    pub left: usize,
    /// The job ended because of what became of its canary.
    pub aborted_by_canary: bool,
}

impl Report {
    /// 0 where everything that was asked for is done. Else 2 for a replay, as not everything came home, and 1.
    pub fn exit(&self) -> Exit {
        let (done, else_) = match self.action {
            Action::Replay => (self.confirmed + self.stale.unwrap_or(0) + self.not_followed, Exit::NotHome),
            Action::Park => (self.parked, Exit::Failed),
            Action::Discard => (self.discarded, Exit::Failed),
        };
        if done == self.selected { Exit::Done } else { else_ }
    }

    /// Counts a letter that cannot be dealt with.
    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        self.refused += 1;
        *self.refused_by_cause.entry(refusal.cause()).or_default() += 1;
    }

    /// Counts a letter that came back for this reason.
    pub(crate) fn boomerang(&mut self, reason: Option<Reason>) {
        self.boomeranged += 1;
        *self.boomeranged_by_reason.entry(reason.map_or("unknown", Reason::as_str)).or_default() += 1;
    }

    /// Of the confirmed letters so many lost to a newer row; none where Cassandra did not say.
    pub(crate) fn lose(&mut self, lost: Option<usize>) {
        match (lost, &mut self.stale) {
            (Some(lost), Some(stale)) => {
                *stale += lost;
                self.confirmed -= lost;
            }
            (Some(_), None) => {}
            (None, stale) => *stale = None,
        }
    }

    /// Letters that were dealt with and accounted for.
    pub fn done(&self) -> usize {
        self.replayed + self.parked + self.discarded
    }

    /// Counts what the job has not looked at.
    pub(crate) fn count_left(&mut self) {
        self.left = self.selected.saturating_sub(self.done() + self.refused);
    }

    /// The counts that this action has, with their names, in order.
    pub fn lines(&self) -> Vec<(&'static str, usize)> {
        let done = match self.action {
            Action::Replay => vec![
                ("replayed", self.replayed),
                ("confirmed", self.confirmed),
                ("boomeranged", self.boomeranged),
                ("unconfirmed", self.unconfirmed),
                ("not_followed", self.not_followed),
                ("parked", self.parked),
            ],
            Action::Park => vec![("parked", self.parked)],
            Action::Discard => vec![("discarded", self.discarded)],
        };
        let mut lines = vec![("selected", self.selected)];
        lines.extend(done);
        lines.extend(self.stale.map(|stale| ("stale", stale)));
        lines.extend([("refused", self.refused), ("left", self.left)]);
        lines
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}\n", self.action.as_str(), self.replay_id);
        for (name, count) in self.lines() {
            text.push_str(&format!("{:>12} {count}", name.replace('_', " ")));
            match name {
                "boomeranged" if count > 0 => text.push_str(&by_name(&self.boomeranged_by_reason)),
                "refused" if count > 0 => text.push_str(&by_name(&self.refused_by_cause)),
                _ => {}
            }
            text.push('\n');
        }
        if self.aborted_by_canary {
            text.push_str("ended after the canary: too much of it did not come home\n");
        }
        text
    }
}

/// ` (a 2, b 1)`
pub(crate) fn by_name(counts: &BTreeMap<&'static str, usize>) -> String {
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(" ({})", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_replay_that_brought_everything_home_ends_with_0() {
        let home = Report { selected: 2, replayed: 2, confirmed: 2, ..Report::default() };
        assert_eq!(home.exit(), Exit::Done);
        assert_eq!(Report::default().exit(), Exit::Done);
        assert_eq!(Report { selected: 2, replayed: 2, not_followed: 2, ..Report::default() }.exit(), Exit::Done);
        for away in [
            Report { boomeranged: 1, replayed: 1, ..Report::default() },
            Report { unconfirmed: 1, replayed: 1, ..Report::default() },
            Report { parked: 1, ..Report::default() },
            Report { refused: 1, ..Report::default() },
            Report { left: 1, ..Report::default() },
        ] {
            assert_eq!(Report { selected: 3, confirmed: 2, ..away }.exit(), Exit::NotHome);
        }
    }

    #[test]
    fn parking_and_discarding_end_with_0_where_everything_was_parked_or_discarded() {
        for (action, done) in [
            (Action::Park, Report { parked: 2, ..Report::default() }),
            (Action::Discard, Report { discarded: 2, ..Report::default() }),
        ] {
            assert_eq!(Report { action, selected: 2, ..done.clone() }.exit(), Exit::Done);
            assert_eq!(Report { action, selected: 3, ..done }.exit(), Exit::Failed);
        }
    }

    #[test]
    fn the_lines_are_fields_of_the_json() {
        let report = Report { selected: 1, left: 7, ..Report::default() };
        for action in [Action::Replay, Action::Park, Action::Discard] {
            let report = Report { action, ..report.clone() };
            let json = serde_json::to_value(&report).expect("JSON");
            assert_eq!(json["action"], action.as_str());
            for (name, count) in report.lines() {
                assert_eq!(json[name], count, "{name}");
            }
        }
    }

    #[test]
    fn what_lost_to_a_newer_row_is_processed_but_not_in_the_table() {
        let home = Report { selected: 3, replayed: 3, confirmed: 3, stale: Some(0), ..Report::default() };
        let mut report = home.clone();
        report.lose(Some(1));
        report.lose(Some(1));
        assert_eq!((report.confirmed, report.stale, report.exit()), (1, Some(2), Exit::Done), "lost on purpose");
        assert!(report.lines().contains(&("stale", 2)));
        for answers in [[None, Some(1)], [Some(0), None]] {
            let mut report = home.clone();
            answers.into_iter().for_each(|lost| report.lose(lost));
            assert_eq!((report.confirmed, report.stale, report.exit()), (3, None, Exit::Done), "nobody said");
        }
    }

    #[test]
    fn what_came_back_and_what_was_refused_is_counted_by_its_reason_too() {
        let mut report = Report { selected: 5, replayed: 2, ..Report::default() };
        report.boomerang(Some(Reason::QualityRule));
        report.boomerang(None);
        report.refuse(&Refusal::Gone);
        report.refuse(&Refusal::NotTaken("why".to_owned()));
        report.count_left();
        assert_eq!((report.boomeranged, report.refused, report.left), (2, 2, 1));
        let text = report.text();
        assert!(text.contains(" boomeranged 2 (quality_rule 1, unknown 1)\n"), "{text}");
        assert!(text.contains("     refused 2 (gone 1, not_taken 1)\n        left 1\n"), "{text}");
    }
}
