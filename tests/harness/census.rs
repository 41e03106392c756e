//! Where every key ended: in the table, among the dead letters, or parked. Each in exactly one place.

use std::collections::{BTreeMap, BTreeSet};

use schema::record::Record;

/// Keys by place. A record without a key counts as `<topic>/<partition>/<offset>` of where it was.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Census {
    /// Ids of the rows.
    pub table: BTreeSet<String>,
    /// Keys of unparked dead letters with their reasons, one for each dead letter.
    pub dead: BTreeMap<String, Vec<String>>,
    /// Keys of parked dead letters.
    pub parked: BTreeSet<String>,
}

impl Census {
    /// Counts what was found.
    pub fn of(rows: impl IntoIterator<Item = String>, dead: &[Record], parked: &[Record]) -> Self {
        let mut census = Self { table: rows.into_iter().collect(), ..Self::default() };
        census.parked = parked.iter().map(key_of).collect();
        for letter in dead {
            let reason = letter.headers.text("dlq.reason").unwrap_or("no dlq.reason").to_owned();
            census.dead.entry(key_of(letter)).or_default().push(reason);
        }
        census
    }

    /// Fails unless exactly `written` are rows, exactly `dead` are dead letters, once each, and nothing is anywhere else.
    pub fn assert_places(&self, written: &BTreeSet<String>, dead: &BTreeSet<String>) {
        self.assert_places_after_redelivery(written, dead);
        let repeated: Vec<_> = self.dead.iter().filter(|(_, reasons)| reasons.len() > 1).collect();
        assert!(repeated.is_empty(), "dead-lettered more than once: {repeated:?}");
    }

    /// The same, where a redelivered poison may have a second dead letter of the same `dlq.id`.
    pub fn assert_places_after_redelivery(&self, written: &BTreeSet<String>, dead: &BTreeSet<String>) {
        let found: BTreeSet<String> = self.dead.keys().cloned().collect();
        for (what, expected, found) in [("rows", written, &self.table), ("dead letters", dead, &found)] {
            let missing = expected.difference(found).count();
            let too_many = found.difference(expected).count();
            let of = |one: &BTreeSet<String>, other| one.difference(other).take(20).cloned().collect::<Vec<_>>();
            assert!(
                missing + too_many == 0,
                "{what}: {missing} missing, such as {:?}; {too_many} too many, such as {:?}",
                of(expected, found),
                of(found, expected)
            );
        }
        assert!(self.parked.is_empty(), "parked: {:?}", self.parked);
    }
}

/// The key of a record; where there is none, the `dlq.id` that it has or would have.
pub(crate) fn key_of(record: &Record) -> String {
    match &record.key {
        Some(key) => String::from_utf8_lossy(key).into_owned(),
        None => match record.headers.text("dlq.id") {
            Some(id) => id.to_owned(),
            None => format!("{}/{}/{}", record.topic, record.partition, record.offset),
        },
    }
}
