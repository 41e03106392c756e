//! Rows as the processor writes them, encoded before any clock starts.

use chrono::Utc;
use schema::record::Record;
use schema::row::{UserRow, row_of};

use crate::failure::BenchError;
use crate::native::{Prepared, STREAMS, Values};

/// Rows made ready to be written.
#[derive(Debug)]
pub(crate) struct Rows(Vec<Values>);

/// Whole frames, one behind the other, and where each ends.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
    pub(crate) rows: usize,
}

impl Rows {
    /// The rows that the processor makes of `records`, by its own code.
    pub(crate) fn of(records: impl Iterator<Item = Record>) -> Result<Self, BenchError> {
        let now = Utc::now();
        let row = |record: Record| match row_of(&record, now) {
            Ok(row) => Ok(values(&row)),
            Err(fault) => {
                Err(BenchError::Unreadable(format!("the processor would not write a record of ours: {fault:?}")))
            }
        };
        records.map(row).collect::<Result<_, _>>().map(Self)
    }

    /// The first `rows` as frames of `batch` rows; a single row is no batch. Frames are numbered in order, so that those
    /// under way at once differ: they are never as many as there are numbers.
    pub(crate) fn frames(&self, prepared: &Prepared, rows: usize, batch: usize) -> Frames {
        let mut frames = Frames { bytes: Vec::new(), ends: Vec::new(), rows: rows.min(self.0.len()) };
        for (number, chunk) in self.0.get(..frames.rows).unwrap_or_default().chunks(batch.max(1)).enumerate() {
            let stream = u16::try_from(number % STREAMS).unwrap_or_default();
            match chunk {
                [row] => prepared.execute(&mut frames.bytes, stream, row),
                rows => prepared.batch(&mut frames.bytes, stream, rows),
            }
            frames.ends.push(frames.bytes.len());
        }
        frames
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// In the order of `cassandra::upsert`.
fn values(row: &UserRow<'_>) -> Values {
    let mut values = Values::default();
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let date = |date: Option<chrono::DateTime<Utc>>| date.map(|date| date.timestamp_millis().to_be_bytes().to_vec());
    let number = |number: Option<f64>| number.map(|number| number.to_be_bytes().to_vec());
    let word = |word: Option<&str>| word.map(|word| word.as_bytes().to_vec());
    for value in [
        Some(row.id.as_bytes().to_vec()),
        text(&row.first_name),
        text(&row.last_name),
        text(&row.title),
        word(row.gender),
        text(&row.address),
        text(&row.city),
        text(&row.state),
        text(&row.country),
        text(&row.nat),
        text(&row.post_code),
        number(row.latitude),
        number(row.longitude),
        text(&row.timezone),
        word(Some(&row.email)),
        word(Some(&row.username)),
        date(row.dob),
        date(row.registered_date),
        text(&row.phone),
        text(&row.cell),
        text(&row.picture),
        word(row.age_band),
        word(Some(&row.email_domain)),
        word(Some(&row.source)),
        text(&row.run_id),
        word(Some(row.schema_id)),
        Some(row.version.get().to_be_bytes().to_vec()),
    ] {
        values.push_or_null(value.as_deref());
    }
    values
}
