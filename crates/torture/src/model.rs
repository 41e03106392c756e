//! What the publisher knows: every record that Kafka acknowledged, and what has to become of it.

use std::collections::{BTreeMap, BTreeSet};

use kafka::Delivered;
use uuid::Uuid;

/// What has to become of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A row of this key, unless a newer version comes.
    Row { id: Uuid, version: i64 },
    /// A dead letter.
    Poison,
    /// It is a dead letter already, of this id: somebody may replay it.
    Letter { id: String },
}

/// An acknowledged record of `user_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) partition: i32,
    /// None where the broker had stored it at an earlier try and did not say where.
    pub(crate) offset: Option<i64>,
    pub(crate) promise: Promise,
}

/// See the module's page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) stored: Vec<Stored>,
    /// The newest version of each key.
    pub(crate) newest: BTreeMap<Uuid, i64>,
    /// Ids of dead letters that the publisher itself put on the DLQ.
    pub(crate) planted: BTreeSet<String>,
}

impl Model {
    /// Kafka has acknowledged the record.
    pub(crate) fn acknowledged(&mut self, promise: Promise, at: Delivered) {
        match &promise {
            Promise::Row { id, version } => {
                let newest = self.newest.entry(*id).or_insert(*version);
                *newest = (*version).max(*newest);
            }
            Promise::Poison => {}
            Promise::Letter { id } => {
                self.planted.insert(id.clone());
                return;
            }
        }
        let offset = (at.offset >= 0).then_some(at.offset);
        self.stored.push(Stored { partition: at.partition, offset, promise });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Delivered {
        Delivered { partition: 1, offset }
    }

    #[test]
    fn the_newest_version_stays_whatever_the_order() {
        let mut model = Model::default();
        let id = Uuid::from_u128(1);
        for (offset, version) in [(0, 5), (1, 9), (2, 7), (3, 9)] {
            model.acknowledged(Promise::Row { id, version }, at(offset));
        }
        assert_eq!((model.newest[&id], model.stored.len()), (9, 4));
    }

    #[test]
    fn a_repeat_without_an_offset_is_known_by_its_promise_only() {
        let mut model = Model::default();
        model.acknowledged(Promise::Poison, at(-1001));
        assert_eq!(model.stored, [Stored { partition: 1, offset: None, promise: Promise::Poison }]);
        assert!(model.newest.is_empty());
    }

    #[test]
    fn a_planted_letter_is_no_record_of_the_topic() {
        let mut model = Model::default();
        model.acknowledged(Promise::Letter { id: "user_data/1/9".to_owned() }, at(3));
        assert!(model.stored.is_empty() && model.planted.contains("user_data/1/9"));
    }
}
