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
        let lost: Vec<_> = written.difference(&self.table).collect();
        let unexpected: Vec<_> = self.table.difference(written).collect();
        assert!(lost.is_empty() && unexpected.is_empty(), "rows missing: {lost:?}; rows too many: {unexpected:?}");
        let found: BTreeSet<String> = self.dead.keys().cloned().collect();
        assert_eq!(&found, dead, "dead letters by key");
        let repeated: Vec<_> = self.dead.iter().filter(|(_, reasons)| reasons.len() > 1).collect();
        assert!(repeated.is_empty(), "dead-lettered more than once: {repeated:?}");
        assert!(self.parked.is_empty(), "parked: {:?}", self.parked);
    }
}

fn key_of(letter: &Record) -> String {
    match &letter.key {
        Some(key) => String::from_utf8_lossy(key).into_owned(),
        None => letter.headers.text("dlq.id").unwrap_or("no key, no dlq.id").to_owned(),
    }
}
