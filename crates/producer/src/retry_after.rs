//! The header `Retry-After`: how long the API wants to be left alone.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// A longer wait than this is not taken from a server's word.
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait that `value` asks for, in seconds or until a date, at most an hour; none where it is neither.
pub fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let date = DateTime::parse_from_rfc2822(value).ok()?;
        (date.with_timezone(&Utc) - now).to_std().unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_taken_up_to_an_hour() {
        let now = "2026-11-21T08:00:00Z".parse().expect("a date");
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("7200", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sat, 21 Nov 2026 08:01:30 GMT", Some(90)),
            ("Sat, 21 Nov 2026 07:00:00 GMT", Some(0)),
            ("Sun, 22 Nov 2026 08:00:00 GMT", Some(3600)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(parse(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
