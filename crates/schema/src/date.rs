//! Dates of the wire: RFC 3339, UTC, milliseconds, whatever the machine's zone.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, SubsecRound, Utc};

/// The instant of an RFC 3339 text, any offset, cut to milliseconds; `None` where it is no date.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|date| date.to_utc().trunc_subsecs(3))
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
