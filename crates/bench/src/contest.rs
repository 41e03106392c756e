//! Cases one after another in rounds: contenders on one topic, or one contender on several, or by several processes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Voice;
use crate::comparison::{Line, compare};
use crate::contender::Contender;
use crate::drain::Drain;
use crate::failure::BenchError;
use crate::ground::Ground;
use crate::load::Loaded;
use crate::results::Results;
use crate::rounds::order;
use crate::run::Run;
use crate::warming::Warming;

/// A run with more records than that takes too long to warm the servers up with.
const LONG: u64 = 1_000_000;

/// What runs once in each round.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// Its name; no other case of the contest has it.
    pub name: String,
    /// Who.
    pub contender: Contender,
    /// On which topic.
    pub topic: Loaded,
    /// So many processes share the work.
    pub processes: u32,
}

/// What a contest found out.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// What ran.
    pub cases: Vec<Case>,
    /// Side by side; the first case is what the others are compared with.
    pub comparison: Vec<Line>,
    /// Every run, failed ones too.
    pub runs: Vec<Run>,
}

/// A case of each contender. Not the smallest one, which would leave the servers cold, and not the largest one, which takes long.
fn warming_up(cases: &[Case]) -> Vec<&Case> {
    let size = |case: &Case| Some(case.topic.records).filter(|records| *records <= LONG);
    let mut chosen: Vec<&Case> = Vec::new();
    for case in cases {
        match chosen.iter_mut().find(|other| other.contender.name == case.contender.name) {
            Some(other) if size(case) > size(other) => *other = case,
            Some(_) => {}
            None => chosen.push(case),
        }
    }
    chosen
}

impl Ground {
    /// Runs every case once in each of `rounds`, and before that a large one of each contender until the servers are warm: they
    /// compile what one contender asks of them, and not what the next one will. The results that `head` makes of what was found
    /// so far are written to `folder` after each run of a round.
    ///
    /// # Errors
    /// A server does not answer, or a contender cannot be started. What was found before that is written.
    pub async fn hold(
        &self,
        cases: Vec<Case>,
        rounds: u32,
        head: impl Fn(Found) -> Results<Found>,
        folder: &Path,
        voice: &Voice,
    ) -> Result<(Found, PathBuf), BenchError> {
        let mut runs = Vec::new();
        for round in 1..=rounds {
            runs.extend(order(cases.len(), round).into_iter().map(|place| (round, cases.get(place))));
        }
        let mut warm_ups = Vec::new();
        for case in warming_up(&cases) {
            warm_ups.extend(self.warm_up(case, voice).await?);
        }
        let mut found = Found { cases: cases.clone(), comparison: Vec::new(), runs: warm_ups };
        let mut path = PathBuf::new();
        let all = runs.len();
        for (place, (round, case)) in (1..).zip(runs) {
            let Some(case) = case else { continue };
            let run = Run { round, ..Drain { ground: self, case, voice }.run().await? };
            // Whoever listens no more does not stop the contest.
            let _ = voice.send(run.line());
            found.runs.push(run);
            found.comparison = compare(&found.runs);
            path = Results { is_complete: place == all, ..head(found.clone()) }.write(folder)?;
        }
        Ok((found, path))
    }

    /// Runs a case until the servers' compilers have next to nothing left to do, or it fails: what brings no rows warms nothing up.
    pub(crate) async fn warm_up(&self, case: &Case, voice: &Voice) -> Result<Vec<Run>, BenchError> {
        let (mut runs, mut warming) = (Vec::new(), Warming::default());
        loop {
            let run = Run { is_warm_up: true, ..Drain { ground: self, case, voice }.run().await? };
            // Whoever listens no more does not stop the contest.
            let _ = voice.send(run.line());
            let goes_on = run.passed && warming.goes_on(run.compiling_percent);
            runs.push(run);
            if !goes_on {
                return Ok(runs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::expected::Expected;
    use crate::records::Recipe;

    fn case(contender: &str, records: u64) -> Case {
        let expected = Arc::new(Expected::default());
        let topic = Loaded {
            topic: format!("{records} records"),
            recipe: Recipe::default(),
            records,
            partitions: 1,
            value_bytes: 0,
            seconds: 0.0,
            expected,
        };
        let name = format!("{contender}, {records} records");
        Case { name, contender: Contender::ours(contender, Path::new(""), &[]), topic, processes: 1 }
    }

    #[test]
    fn each_contender_warms_up_by_the_largest_case_that_does_not_take_too_long() {
        let cases = [case("a", 10), case("a", 4 * LONG), case("b", 10), case("a", LONG), case("b", 10), case("a", 100)];
        let names: Vec<&str> = warming_up(&cases).into_iter().map(|case| &*case.name).collect();
        assert_eq!(names, ["a, 1000000 records", "b, 10 records"]);
    }
}
