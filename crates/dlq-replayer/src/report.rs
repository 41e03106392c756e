//! What a replay ends with.

use serde::Serialize;
use service::Exit;

/// Counts of one job; every selected letter is in exactly one of the last six.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
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
    /// Replayed, and not processed yet.
    pub unconfirmed: usize,
    /// Parked: their attempts are used up.
    pub parked: usize,
    /// Cannot be replayed.
    pub refused: usize,
    /// Not looked at: the job was told to end.
    pub left: usize,
}

impl Report {
    /// 0 where everything came home, else 2.
    pub fn exit(&self) -> Exit {
        if self.confirmed == self.selected { Exit::Done } else { Exit::NotHome }
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
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(report.lines().len() + 1));
    }
}
