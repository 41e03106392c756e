//! What is to run, before its topics are there: contenders side by side, and ours under more and more of something.

use std::path::Path;

use crate::Voice;
use crate::contender::Contender;
use crate::contest::Case;
use crate::failure::BenchError;
use crate::ground::Ground;
use crate::load::Loaded;
use crate::records::Recipe;

/// Partitions of a topic where nothing else is asked for.
pub const PARTITIONS: i32 = 12;
const KIB: usize = 1 << 10;

/// A case without its topic.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Who.
    pub contender: Contender,
    /// Which records.
    pub recipe: Recipe,
    /// How many.
    pub records: u64,
    /// On so many partitions.
    pub partitions: i32,
    /// So many processes share the work.
    pub processes: u32,
}

/// Of what there is more and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Records on the topic.
    Backlog,
    /// Bytes of a record.
    Payload,
    /// Partitions of the topic.
    Partitions,
    /// Records that become dead letters.
    Poison,
}

impl Growth {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Backlog, Self::Payload, Self::Partitions, Self::Poison];

    /// The name of its results.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Backlog => "growth-backlog",
            Self::Payload => "growth-payload",
            Self::Partitions => "growth-partitions",
            Self::Poison => "growth-poison",
        }
    }

    /// What runs; backlogs above `most` records are left out.
    #[must_use]
    pub fn plans(self, program: &Path, most: u64) -> Vec<Plan> {
        let plan = |name: String, records: u64| Plan {
            name,
            contender: Contender::ours("sluice", program, &[]),
            recipe: Recipe::default(),
            records: records.min(most),
            partitions: PARTITIONS,
            processes: 1,
        };
        let middle = 500_000;
        match self {
            Self::Backlog => {
                let backlogs = [10_000, 100_000, 1_000_000, 4_000_000].into_iter().filter(|records| *records <= most);
                backlogs.map(|records| plan(format!("{records} records"), records)).collect()
            }
            Self::Payload => {
                let padded = |padding_bytes, name: &str, records| Plan {
                    recipe: Recipe { padding_bytes, ..Recipe::default() },
                    ..plan(name.to_owned(), records)
                };
                vec![
                    padded(0, "0.4 KiB", middle),
                    padded(KIB - KIB / 4, "1.1 KiB", middle),
                    padded(10 * KIB - KIB / 2, "10 KiB", 100_000),
                    padded(100 * KIB - KIB / 2, "100 KiB", 20_000),
                ]
            }
            Self::Partitions => {
                let spread = |partitions| Plan { partitions, ..plan(format!("{partitions} partitions"), middle) };
                [1, 12, 64].map(spread).into()
            }
            Self::Poison => {
                let spoiled = |poison_percent| Plan {
                    recipe: Recipe { poison_percent, ..Recipe::default() },
                    ..plan(format!("{poison_percent} % dead letters"), middle)
                };
                [0, 1, 10].map(spoiled).into()
            }
        }
    }
}

/// One topic for more and more processes of ours, and for more shards of one process.
#[must_use]
pub fn scale(program: &Path, records: u64) -> Vec<Plan> {
    let plan = |name: &str, processes, environment: &[(&'static str, &str)]| Plan {
        name: name.to_owned(),
        contender: Contender::ours("sluice", program, environment),
        recipe: Recipe::default(),
        records,
        partitions: PARTITIONS,
        processes,
    };
    vec![
        plan("1 process", 1, &[]),
        plan("2 processes", 2, &[]),
        plan("4 processes", 4, &[]),
        plan("2 shards", 1, &[("PIPELINE_SHARDS", "2")]),
    ]
}

impl Ground {
    /// Makes the topics, each once, and with them the cases.
    ///
    /// # Errors
    /// Kafka does not answer or takes a record not.
    pub async fn prepare(&self, plans: Vec<Plan>, voice: &Voice) -> Result<Vec<Case>, BenchError> {
        let (mut topics, mut cases): (Vec<Loaded>, Vec<Case>) = (Vec::new(), Vec::new());
        for Plan { name, contender, recipe, records, partitions, processes } in plans {
            let same =
                |topic: &&Loaded| (topic.recipe, topic.records, topic.partitions) == (recipe, records, partitions);
            let topic = match topics.iter().find(same) {
                Some(topic) => topic.clone(),
                None => {
                    let topic = self.load(recipe, records, partitions, voice).await?;
                    topics.push(topic.clone());
                    topic
                }
            };
            cases.push(Case { name, contender, topic, processes });
        }
        Ok(cases)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_cases_of_a_growth_have_names_of_their_own_and_sizes_as_they_say() {
        let program = Path::new("p");
        for growth in Growth::ALL {
            let plans = growth.plans(program, 4_000_000);
            let names: BTreeSet<_> = plans.iter().map(|plan| plan.name.clone()).collect();
            assert!(names.len() == plans.len() && plans.len() >= 3, "{names:?}");
        }
        assert_eq!(Growth::Backlog.plans(program, 1_000_000).len(), 3);
        let topic = "t".into();
        for (plan, bytes) in Growth::Payload.plans(program, 4_000_000).iter().zip([410, 1_126, 10_240, 102_400]) {
            let length = plan.recipe.record(0, &topic).value.map_or(0, |value| value.len());
            assert!(length.abs_diff(bytes) < bytes / 10, "{} is {length} bytes", plan.name);
        }
    }
}
