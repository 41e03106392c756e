//! A checksum over rows in any order: a sum of hashes for the keys and for each column, so that two tables can be compared by
//! 16 numbers, and a column that differs has a name.

use std::ops::AddAssign;

use schema::row::UserRow;
use uuid::Uuid;

/// The columns that every contender writes, after the key.
pub(crate) const COLUMNS: [&str; 15] = [
    "first_name",
    "last_name",
    "gender",
    "address",
    "post_code",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "picture",
    "age_band",
    "email_domain",
    "source",
    "schema_id",
];

/// See the module's page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) rows: u64,
    keys: u64,
    columns: [u64; COLUMNS.len()],
}

impl Checksum {
    /// Of one row; `values` in the order of [`COLUMNS`], as Cassandra's answers are shown.
    pub(crate) fn of(id: Uuid, values: &[Option<String>]) -> Self {
        let mut columns = [0; COLUMNS.len()];
        for (sum, value) in columns.iter_mut().zip(values) {
            *sum = hash(id, value.as_deref());
        }
        Self { rows: 1, keys: hash(id, None), columns }
    }

    /// Of the row that the processor makes of a record.
    pub(crate) fn of_row(row: &UserRow<'_>) -> Self {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let date = |date: Option<_>| date.map(schema::date::millis);
        Self::of(
            row.id,
            &[
                text(&row.first_name),
                text(&row.last_name),
                row.gender.map(str::to_owned),
                text(&row.address),
                text(&row.post_code),
                Some(row.email.to_string()),
                Some(row.username.to_string()),
                date(row.dob),
                date(row.registered_date),
                text(&row.phone),
                text(&row.picture),
                row.age_band.map(str::to_owned),
                Some(row.email_domain.to_string()),
                Some(row.source.to_string()),
                Some(row.schema_id.to_owned()),
            ],
        )
    }

    /// Columns whose values are not all the same in both.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let pairs = COLUMNS.iter().zip(self.columns.iter().zip(&other.columns));
        pairs.filter(|(_, (one, another))| one != another).map(|(name, _)| *name).collect()
    }

    /// The keys as 16 hexadecimal digits.
    pub(crate) fn keys(&self) -> String {
        format!("{:016x}", self.keys)
    }

    /// All values as 16 hexadecimal digits.
    pub(crate) fn values(&self) -> String {
        let folded = self.columns.iter().fold(0, |folded: u64, column| mixed(folded.rotate_left(1) ^ column));
        format!("{folded:016x}")
    }
}

impl AddAssign for Checksum {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.keys = self.keys.wrapping_add(other.keys);
        for (sum, more) in self.columns.iter_mut().zip(other.columns) {
            *sum = sum.wrapping_add(more);
        }
    }
}

/// FNV-1a over key and value, mixed so that sums do not cancel. Null is not the empty text.
fn hash(id: Uuid, value: Option<&str>) -> u64 {
    let bytes = value.map_or(&[0xff][..], str::as_bytes);
    let fnv =
        id.as_bytes().iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    mixed(fnv)
}

/// The finaliser of SplitMix64.
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u128, change: Option<(usize, Option<&str>)>) -> Checksum {
        let mut values: Vec<Option<String>> = COLUMNS.iter().map(|name| Some((*name).to_owned())).collect();
        if let Some((column, value)) = change {
            values[column] = value.map(str::to_owned);
        }
        Checksum::of(Uuid::from_u128(id), &values)
    }

    fn sum(rows: &[Checksum]) -> Checksum {
        let mut sum = Checksum::default();
        rows.iter().for_each(|row| sum += *row);
        sum
    }

    #[test]
    fn the_same_rows_in_another_order_are_the_same() {
        let (one, two) = (row(1, None), row(2, Some((3, Some("x")))));
        assert_eq!(sum(&[one, two]), sum(&[two, one]));
        assert_eq!(sum(&[one, two]).rows, 2);
    }

    #[test]
    fn a_column_that_differs_is_named() {
        let good = sum(&[row(1, None), row(2, None)]);
        let other = sum(&[row(1, None), row(2, Some((3, None)))]);
        assert_eq!((good.differing(&other), good.keys() == other.keys()), (vec!["address"], true));
        assert_ne!(good.values(), other.values());
        // Two rows that have each other's values.
        let (a, b) = (Some("a"), Some("b"));
        let straight = sum(&[row(1, Some((0, a))), row(2, Some((0, b)))]);
        assert_eq!(straight.differing(&sum(&[row(1, Some((0, b))), row(2, Some((0, a)))])), ["first_name"]);
        assert_ne!(row(1, Some((0, None))), row(1, Some((0, Some("")))));
    }
}
