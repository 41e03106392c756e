//! What a job ends with.

use std::collections::BTreeMap;

use schema::reason::Reason;
use serde::Serialize;
use service::Exit;

use crate::job::Action;
use crate::redrive::Refusal;

/// Counts of one job; every selected letter is in exactly one of `confirmed`, `boomeranged`, `unconfirmed`, `parked`,
/// `refused` and `left`.
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
    /// Replayed, and back as dead letters.
    pub boomeranged: usize,
    /// The same by the reason of the dead letter that each came back as.
    pub boomeranged_by_reason: BTreeMap<&'static str, usize>,
    /// Replayed, and not processed yet.
    pub unconfirmed: usize,
    /// Parked: their attempts are used up.
    pub parked: usize,
    /// Cannot be dealt with.
    pub refused: usize,
    /// The same by cause.
    pub refused_by_cause: BTreeMap<&'static str, usize>,
    /// Not looked at: the job was told to end.
    pub left: usize,
}

impl Report {
    /// 0 where everything came home, else 2.
    pub fn exit(&self) -> Exit {
        if self.confirmed == self.selected { Exit::Done } else { Exit::NotHome }
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

    /// Letters that were dealt with and accounted for.
    pub(crate) fn done(&self) -> usize {
        self.replayed + self.parked
    }

    /// Counts what the job has not looked at.
    pub(crate) fn count_left(&mut self) {
        self.left = self.selected.saturating_sub(self.done() + self.refused);
    }

    /// The counts with their names, in order.
    pub fn lines(&self) -> [(&'static str, usize); 8] {
        [
            ("selected", self.selected),
            ("replayed", self.replayed),
            ("confirmed", self.confirmed),
            ("boomeranged", self.boomeranged),
            ("unconfirmed", self.unconfirmed),
            ("parked", self.parked),
            ("refused", self.refused),
            ("left", self.left),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_job_that_brought_everything_home_ends_with_0() {
        let home = Report { selected: 2, replayed: 2, confirmed: 2, ..Report::default() };
        assert_eq!(home.exit(), Exit::Done);
        assert_eq!(Report::default().exit(), Exit::Done);
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
    fn the_lines_are_the_fields_of_the_json() {
        let report = Report { selected: 1, left: 7, ..Report::default() };
        let json = serde_json::to_value(&report).expect("JSON");
        for (name, count) in report.lines() {
            assert_eq!(json[name], count, "{name}");
        }
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(report.lines().len() + 4));
    }

    #[test]
    fn what_came_back_and_what_was_refused_is_counted_by_its_reason_too() {
        let mut report = Report { selected: 5, replayed: 2, ..Report::default() };
        report.boomerang(Some(Reason::QualityRule));
        report.boomerang(None);
        report.refuse(&Refusal::Gone);
        report.refuse(&Refusal::NotTaken("why".to_owned()));
        report.count_left();
        assert_eq!(report.boomeranged_by_reason, BTreeMap::from([("quality_rule", 1), ("unknown", 1)]));
        assert_eq!(report.refused_by_cause, BTreeMap::from([("gone", 1), ("not_taken", 1)]));
        assert_eq!((report.boomeranged, report.refused, report.left), (2, 2, 1));
    }
}
