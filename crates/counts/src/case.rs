//! What is counted. A round of each handles all of its records, and fails where it did not do what it is there to count.

use std::error::Error;
use std::hint::black_box;

use kafka::{Ledger, Outcome};
use schema::dead_letter::{self, App};
use schema::row::row_of;
use schema::{api, produce};

use crate::material::{LEDGER_RECORDS, Material, RECORDS};

const APP: App = App { name: "counts", version: "1" };
const PARTITIONS: i32 = 12;
/// The first offset of the ledger's partition.
const FIRST: i64 = 1_000;

/// A pure part of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// The processor: decode, judge and enrich a record of the flat dialect.
    FlatRow,
    /// The same of a record of `user/1`.
    UserRow,
    /// The producer: map, clean, judge and serialise a user of the API.
    MappedUser,
    /// The producer: a page of ten users, split.
    SplitPage,
    /// The processor: a record that breaks rules, to its dead letter. Contains a copy of the record.
    DeadLetter,
    /// The ledger of a partition: deliver a thousand records, settle them in an order of workers, take the frontier.
    Ledger,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::FlatRow, Self::UserRow, Self::MappedUser, Self::SplitPage, Self::DeadLetter, Self::Ledger];

    /// Its name on the command line and in the baseline.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FlatRow => "flat_row",
            Self::UserRow => "user_row",
            Self::MappedUser => "mapped_user",
            Self::SplitPage => "split_page",
            Self::DeadLetter => "dead_letter",
            Self::Ledger => "ledger",
        }
    }

    /// Records of a round.
    pub const fn records(self) -> usize {
        match self {
            Self::FlatRow | Self::UserRow | Self::MappedUser | Self::SplitPage | Self::DeadLetter => RECORDS,
            Self::Ledger => LEDGER_RECORDS,
        }
    }

    /// Does it once for all records.
    pub fn round(self, material: &Material) -> Result<(), Box<dyn Error>> {
        match self {
            Self::FlatRow => {
                for record in &material.flat {
                    black_box(row_of(black_box(record), material.now).map_err(|fault| fault.message)?);
                }
            }
            Self::UserRow => {
                for record in &material.full {
                    black_box(row_of(black_box(record), material.now).map_err(|fault| fault.message)?);
                }
            }
            Self::MappedUser => {
                for (user, event) in &material.users {
                    let record = produce::record_of(black_box(user.get()), event, &material.topic);
                    black_box(record.map_err(|fault| fault.message)?);
                }
            }
            Self::SplitPage => {
                black_box(api::parse_page(black_box(material.page))?);
            }
            Self::DeadLetter => {
                for record in &material.bad {
                    let Err(fault) = row_of(black_box(record), material.now) else {
                        return Err("a bad record is not refused".into());
                    };
                    let (topic, now) = (&material.dead_letters, material.now);
                    let letter =
                        dead_letter::from_record(record.clone(), &fault, topic, PARTITIONS, "counts", &APP, now);
                    black_box(letter);
                }
            }
            Self::Ledger => ledger()?,
        }
        Ok(())
    }
}

/// Eight workers that settle ten records each in turn, the last worker first: the frontier waits and then leaps.
fn ledger() -> Result<(), Box<dyn Error>> {
    let count = i64::try_from(LEDGER_RECORDS)?;
    let mut ledger = Ledger::new();
    for offset in FIRST..FIRST + count {
        ledger.deliver(black_box(offset), 420, Some(offset));
    }
    for stretch in (0..count).step_by(80) {
        for burst in (stretch..(stretch + 80).min(count)).step_by(10).collect::<Vec<_>>().into_iter().rev() {
            for place in burst..(burst + 10).min(count) {
                black_box(ledger.settle(FIRST + place, Outcome::Written));
            }
        }
        black_box((ledger.frontier(), ledger.oldest_ms(), ledger.settled()));
    }
    if ledger.frontier() == Some(FIRST + count) { Ok(()) } else { Err("the frontier is not at the end".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_does_what_it_is_there_to_count() {
        let material = Material::read().unwrap();
        for case in Case::ALL {
            case.round(&material).unwrap();
        }
    }
}
