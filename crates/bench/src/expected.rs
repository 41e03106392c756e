//! What has to be in the table when every record of a topic is.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kafka::Delivered;
use schema::record::{NewRecord, Record};
use schema::row::row_of;
use uuid::Uuid;

use crate::checksum::Checksum;

/// Made of the records as they were acknowledged, by the processor's own pure code.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// In order once [`Expected::finish`] was called.
    ids: Vec<Uuid>,
    /// Rows of keys that occur once.
    checksum: Checksum,
    /// The newest row of each hot key with the place of its record.
    hot: BTreeMap<Uuid, (u64, Checksum)>,
    /// Records that have to be written, the older ones of a hot key included.
    pub(crate) writes: u64,
}

impl Expected {
    /// The record at a place was stored.
    pub(crate) fn stored(&mut self, index: u64, is_hot: bool, record: NewRecord, at: Delivered, now: DateTime<Utc>) {
        let record = Record {
            topic: Arc::clone(&record.topic),
            partition: at.partition,
            offset: at.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        // What the processor refuses has to become a dead letter.
        let Ok(row) = row_of(&record, now) else { return };
        self.writes += 1;
        let checksum = Checksum::of_row(&row);
        if !is_hot {
            self.ids.push(row.id);
            self.checksum += checksum;
            return;
        }
        let newest = self.hot.entry(row.id).or_insert((index, checksum));
        if newest.0 < index {
            *newest = (index, checksum);
        }
    }

    /// Every record was stored.
    pub(crate) fn finish(&mut self) {
        for (id, (_, checksum)) in std::mem::take(&mut self.hot) {
            self.ids.push(id);
            self.checksum += checksum;
        }
        self.ids.sort_unstable();
    }

    /// Keys in order.
    pub(crate) fn ids(&self) -> &[Uuid] {
        &self.ids
    }

    pub(crate) fn checksum(&self) -> &Checksum {
        &self.checksum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Recipe;

    fn of(recipe: Recipe, order: impl Iterator<Item = u64>) -> Expected {
        let mut expected = Expected::default();
        for index in order {
            let at = Delivered { partition: (index % 12) as i32, offset: (index / 12) as i64 };
            let is_hot = recipe.hot_key(index).is_some();
            expected.stored(index, is_hot, recipe.record(index, &"t".into()), at, Utc::now());
        }
        expected.finish();
        expected
    }

    #[test]
    fn the_newest_record_of_a_hot_key_is_expected_in_whatever_order_they_were_stored() {
        let recipe = Recipe { hot: true, ..Recipe::default() };
        let (forwards, backwards) = (of(recipe, 0..20_000), of(recipe, (0..20_000).rev()));
        assert_eq!(forwards.checksum(), backwards.checksum());
        assert_eq!((forwards.ids().len(), forwards.writes), (19_900, 20_000));
        assert!(forwards.ids().is_sorted() && forwards.ids() == backwards.ids());
    }

    #[test]
    fn a_record_that_becomes_a_dead_letter_is_no_row() {
        let expected = of(Recipe { poison_percent: 10, ..Recipe::default() }, 0..1_000);
        assert_eq!((expected.ids().len(), expected.writes), (900, 900));
    }
}
