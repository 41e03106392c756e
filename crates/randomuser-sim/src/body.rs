//! A user rendered beforehand: its JSON text with places left open for what differs from user to user.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::draw::{Draw, Sequence};
use crate::field::{Field, Fields};
use crate::hostile::Kind;
use crate::words::{USERNAME_FIRST, USERNAME_SECOND};

/// What is filled in for each user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    /// `location.street.number`
    StreetNumber,
    /// `location.coordinates.latitude`, without its quotes
    Latitude,
    /// `location.coordinates.longitude`, without its quotes
    Longitude,
    /// `login.uuid`, without its quotes
    Uuid,
    /// `login.username`, without its quotes
    Username,
    /// `dob.age` on the day of the request
    DobAge,
    /// `registered.date`, without its quotes
    RegisteredDate,
    /// `registered.age` on the day of the request
    RegisteredAge,
}

/// A stretch of text, then perhaps a slot.
#[derive(Debug)]
struct Part {
    field: Field,
    text: Box<str>,
    slot: Option<Slot>,
}

/// One body of the pool.
#[derive(Debug)]
pub(crate) struct Body {
    parts: Vec<Part>,
    born: NaiveDate,
}

impl Body {
    /// An empty body of somebody born on that day.
    pub(crate) fn of(born: NaiveDate) -> Self {
        Self { parts: Vec::new(), born }
    }

    /// Begins a field. Each field starts with a comma; [`Self::write`] turns the first one into the brace.
    pub(crate) fn field(&mut self, field: Field) -> &mut Self {
        let text = format!(",\"{}\":", field.name()).into_boxed_str();
        self.parts.push(Part { field, text, slot: None });
        self
    }

    /// JSON text of the field begun last.
    pub(crate) fn text(&mut self, json: &str) -> &mut Self {
        if let Some(part) = self.parts.last_mut() {
            if part.slot.is_none() {
                part.text = format!("{}{json}", part.text).into_boxed_str();
            } else {
                let field = part.field;
                self.parts.push(Part { field, text: json.into(), slot: None });
            }
        }
        self
    }

    /// A slot after the text so far.
    pub(crate) fn slot(&mut self, slot: Slot) -> &mut Self {
        if self.parts.last().is_some_and(|part| part.slot.is_some()) {
            self.text("");
        }
        if let Some(part) = self.parts.last_mut() {
            part.slot = Some(slot);
        }
        self
    }

    /// Appends the user: the fields asked for, the one that `spoiled` names spoiled.
    pub(crate) fn write(
        &self,
        draw: Draw,
        mut sequence: Sequence,
        fields: Fields,
        today: NaiveDate,
        spoiled: Option<Kind>,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let person = Person::of(draw, &mut sequence);
        let spoiled_field = spoiled.and_then(Kind::field);
        let mut last = None;
        for part in &self.parts {
            if !fields.contains(part.field) {
                continue;
            }
            if spoiled_field == Some(part.field) {
                if last != Some(part.field)
                    && let Some(kind) = spoiled
                {
                    kind.write(draw, out);
                }
                last = Some(part.field);
                continue;
            }
            last = Some(part.field);
            out.extend_from_slice(part.text.as_bytes());
            if let Some(slot) = part.slot {
                person.write(slot, self.born, today, out);
            }
        }
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }
}

/// What fills the slots of one user.
struct Person {
    uuid: [u8; 16],
    username: (&'static str, &'static str, u64),
    street_number: u64,
    latitude: i64,
    longitude: i64,
    registered: DateTime<Utc>,
}

/// 2002-03-21T05:27:41Z and 2022-05-23T22:16:29Z in milliseconds, as in the API's source.
const REGISTERED_MS: (i64, i64) = (1_016_688_461_000, 1_653_344_189_000);

impl Person {
    fn of(draw: Draw, sequence: &mut Sequence) -> Self {
        let span = (REGISTERED_MS.1 - REGISTERED_MS.0) as u64;
        let registered = REGISTERED_MS.0 + sequence.below(span) as i64;
        Self {
            uuid: draw.uuid(),
            username: (sequence.pick(&USERNAME_FIRST), sequence.pick(&USERNAME_SECOND), 100 + sequence.below(900)),
            street_number: 1 + sequence.below(9_999),
            latitude: sequence.below(1_800_001) as i64 - 900_000,
            longitude: sequence.below(3_600_001) as i64 - 1_800_000,
            registered: DateTime::from_timestamp_millis(registered).unwrap_or_default(),
        }
    }

    fn write(&self, slot: Slot, born: NaiveDate, today: NaiveDate, out: &mut Vec<u8>) {
        match slot {
            Slot::StreetNumber => decimal(self.street_number, 1, out),
            Slot::Latitude => ten_thousandths(self.latitude, out),
            Slot::Longitude => ten_thousandths(self.longitude, out),
            Slot::Uuid => hyphenated(self.uuid, out),
            Slot::Username => {
                let (first, second, number) = self.username;
                out.extend_from_slice(first.as_bytes());
                out.extend_from_slice(second.as_bytes());
                decimal(number, 3, out);
            }
            Slot::DobAge => decimal(years(born, today), 1, out),
            Slot::RegisteredDate => instant(self.registered, out),
            Slot::RegisteredAge => decimal(years(self.registered.date_naive(), today), 1, out),
        }
    }
}

/// Whole years from one day to another; 0 when the other is earlier.
fn years(from: NaiveDate, to: NaiveDate) -> u64 {
    to.years_since(from).unwrap_or(0).into()
}

/// A number in decimal digits, with leading zeros up to a width.
fn decimal(value: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = value;
    while rest > 0 || out.len() < start + width {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Ten-thousandths as a number with four decimals.
fn ten_thousandths(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    decimal(value.unsigned_abs() / 10_000, 1, out);
    out.push(b'.');
    decimal(value.unsigned_abs() % 10_000, 4, out);
}

/// A UUID in lower-case hexadecimal digits.
pub(crate) fn hyphenated(uuid: [u8; 16], out: &mut Vec<u8>) {
    for (place, byte) in uuid.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend([byte >> 4, byte & 0xf].map(hexadecimal));
    }
}

fn hexadecimal(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

/// RFC 3339, UTC, milliseconds.
fn instant(at: DateTime<Utc>, out: &mut Vec<u8>) {
    decimal(at.year().unsigned_abs().into(), 4, out);
    for (separator, number) in
        [(b'-', at.month()), (b'-', at.day()), (b'T', at.hour()), (b':', at.minute()), (b':', at.second())]
    {
        out.push(separator);
        decimal(number.into(), 2, out);
    }
    out.push(b'.');
    decimal(at.timestamp_subsec_millis().into(), 3, out);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_dates_read_as_the_api_writes_them() {
        assert_eq!(written(|out| decimal(0, 1, out)), "0");
        assert_eq!(written(|out| decimal(7, 3, out)), "007");
        assert_eq!(written(|out| decimal(12_345, 3, out)), "12345");
        assert_eq!(written(|out| ten_thousandths(-4_099, out)), "-0.4099");
        assert_eq!(written(|out| ten_thousandths(1_766_213, out)), "176.6213");
        let at = DateTime::from_timestamp_millis(1_016_688_461_007).unwrap();
        assert_eq!(written(|out| instant(at, out)), "2002-03-21T05:27:41.007Z");
        assert_eq!(
            written(|out| hyphenated(*b"\x9f\x07\x34\x1f\xc7\xe6\x45\xb7\xba\xb0\xaf\x6d\xe5\xa4\x58\x2d", out)),
            "9f07341f-c7e6-45b7-bab0-af6de5a4582d"
        );
    }

    #[test]
    fn an_age_is_whole_years_on_the_day() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(years(day("1967-07-23"), day("2024-07-22")), 56);
        assert_eq!(years(day("1967-07-23"), day("2024-07-23")), 57);
        assert_eq!(years(day("2030-01-01"), day("2024-07-23")), 0);
    }
}
