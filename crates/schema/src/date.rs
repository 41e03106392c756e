//! Dates of the wire: RFC 3339, UTC, milliseconds, whatever the machine's zone.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, SubsecRound, Utc};

/// The instant of an RFC 3339 text, any offset; `None` where it is no date, or one that its offset moves out of the years 0 to
/// 9999: what is written again has to be read again.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (0..=9999).contains(&instant.year()).then_some(instant)
}

/// As [`instant`], cut to milliseconds.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    Some(instant(text)?.trunc_subsecs(3))
}

/// As on the wire of a user: `2018-10-18T04:05:51.990Z`.
pub fn millis(date: DateTime<Utc>) -> String {
    date.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// As in a dead letter's headers: `2018-10-18T04:05:51.990000Z`.
pub fn micros(date: DateTime<Utc>) -> String {
    date.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Completed years on `day` since `born`; negative where born later.
pub fn age(born: NaiveDate, day: NaiveDate) -> i32 {
    let birthday_to_come = (day.month(), day.day()) < (born.month(), born.day());
    day.year() - born.year() - i32::from(birthday_to_come)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_can_be_written_and_read_again() {
        for text in ["9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z", "2024-02-29T01:00:00+02:00"] {
            let read = instant(text).expect("a date");
            assert_eq!(instant(&micros(read)), Some(read), "{text}");
        }
        for beyond in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01", "2024-02-30T00:00:00Z", "2024-02-29"] {
            assert_eq!(instant(beyond), None, "{beyond}");
        }
    }
}
