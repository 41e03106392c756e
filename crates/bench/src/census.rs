//! Reads the whole table after a run: which rows are there, which are not, and what they hold.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use uuid::Uuid;

use crate::checksum::{COLUMNS, Checksum};
use crate::expected::Expected;
use crate::failure::BenchError;
use crate::ground::Ground;

/// Rows of one answer, about.
const ROWS: u64 = 4_000;
/// Questions under way at once.
const AT_ONCE: usize = 2;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Census {
    /// Rows of the table.
    pub rows: u64,
    /// Keys that should have a row and have none.
    pub missing: u64,
    /// Rows that no record has the key of.
    pub unexpected: u64,
    /// Columns that do not hold what the records say.
    pub differing_columns: Vec<&'static str>,
    /// Checksum over the keys.
    pub keys_checksum: String,
    /// Checksum over the values of all 16 columns.
    pub values_checksum: String,
    /// How long the reading took.
    pub seconds: f64,
}

impl Census {
    /// Whether every row is there and no other one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing == 0 && self.unexpected == 0
    }
}

impl Ground {
    /// Reads the table.
    pub(crate) async fn census(&self, expected: &Expected) -> Result<Census, BenchError> {
        let began = Instant::now();
        let (table, columns) = (self.table(), COLUMNS.join(", "));
        let statements = slices(expected.ids().len() as u64 / ROWS + 1).map(|(from, to)| {
            format!("SELECT id, {columns} FROM {table} WHERE token(id) >= {from} AND token(id) <= {to}")
        });
        let tally = stream::iter(statements)
            .map(|statement| async move { self.ask(&statement).await })
            .buffer_unordered(AT_ONCE)
            .try_fold(Tally::new(expected), |mut tally, answer| async move {
                for mut row in answer.rows {
                    let values = row.split_off(1.min(row.len()));
                    let id = row.into_iter().next().flatten();
                    let id = id.and_then(|id| Uuid::try_parse(&id).ok());
                    let id = id.ok_or_else(|| BenchError::Unreadable("a row of the table has no id".to_owned()))?;
                    tally.row(id, &values);
                }
                Ok(tally)
            })
            .await?;
        Ok(Census { seconds: began.elapsed().as_secs_f64(), ..tally.census() })
    }
}

struct Tally<'a> {
    expected: &'a Expected,
    found: Vec<bool>,
    unexpected: u64,
    checksum: Checksum,
}

impl<'a> Tally<'a> {
    fn new(expected: &'a Expected) -> Self {
        let found = vec![false; expected.ids().len()];
        Self { expected, found, unexpected: 0, checksum: Checksum::default() }
    }

    fn row(&mut self, id: Uuid, values: &[Option<String>]) {
        self.checksum += Checksum::of(id, values);
        let place = self.expected.ids().binary_search(&id).ok();
        match place.and_then(|place| self.found.get_mut(place)) {
            Some(found) => *found = true,
            None => self.unexpected += 1,
        }
    }

    fn census(&self) -> Census {
        Census {
            rows: self.checksum.rows,
            missing: self.found.iter().filter(|found| !**found).count() as u64,
            unexpected: self.unexpected,
            differing_columns: self.checksum.differing(self.expected.checksum()),
            keys_checksum: self.checksum.keys(),
            values_checksum: self.checksum.values(),
            seconds: 0.0,
        }
    }
}

/// Tokens of Cassandra's default partitioner are 64-bit numbers; the slices cover all of them, both ends included.
fn slices(count: u64) -> impl Iterator<Item = (i128, i128)> {
    let (first, last) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let count = i128::from(count);
    let cut = move |slice: i128| first + (last - first + 1) * slice / count;
    (0..count).map(move |slice| (cut(slice), cut(slice + 1) - 1))
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use kafka::Delivered;

    use super::*;
    use crate::records::Recipe;

    #[test]
    fn the_slices_cover_every_token_once() {
        for count in [1, 2, 3, 250] {
            let slices: Vec<_> = slices(count).collect();
            assert_eq!((slices[0].0, slices.last().unwrap().1), (i128::from(i64::MIN), i128::from(i64::MAX)));
            assert!(slices.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{count}");
        }
    }

    #[test]
    fn what_is_missing_unexpected_or_of_other_values_is_counted() {
        let mut expected = Expected::default();
        let recipe = Recipe::default();
        for index in 0..3 {
            let at = Delivered { partition: 0, offset: index as i64 };
            expected.stored(index, false, recipe.record(index, &"t".into()), at, Utc::now());
        }
        expected.finish();
        let mut tally = Tally::new(&expected);
        assert_eq!((tally.census().missing, tally.census().is_complete()), (3, false));
        let nulls = vec![None; COLUMNS.len()];
        for index in 0..3 {
            tally.row(recipe.id(index), &nulls);
        }
        let census = tally.census();
        assert!(census.is_complete() && census.differing_columns.len() == COLUMNS.len(), "{census:?}");
        tally.row(recipe.id(3), &nulls);
        assert_eq!((tally.census().unexpected, tally.census().rows), (1, 4));
    }
}
