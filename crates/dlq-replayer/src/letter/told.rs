//! What a dead letter's headers say, whichever family of headers it is, and how the values of such headers are read.
//!
//! A value that is not what its writer would have written is absent. It is never mended, since a mended topic or offset could
//! lead a replay to the wrong place.

use schema::record::Headers;

use super::{Dialect, Source};

/// The bytes of a topic's name, at most; Kafka's own bound.
const LONGEST_TOPIC: usize = 249;

/// The headers that one kind of writer leaves.
pub(super) struct Family {
    /// Who leaves them.
    pub(super) dialect: Dialect,
    /// Their names.
    pub(super) names: &'static [&'static str],
    /// What they say.
    pub(super) read: fn(&Headers) -> Told,
}

impl Family {
    /// Where the last header of the family is, if there is one.
    pub(super) fn last(&self, headers: &Headers) -> Option<usize> {
        headers.iter().rposition(|header| self.names.contains(&&*header.name))
    }
}

/// What a family of headers says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) source: Source,
    pub(super) error_type: Option<String>,
    pub(super) error_message: Option<String>,
    /// How often the record failed, this time included.
    pub(super) attempts: Option<u32>,
}

/// The last header of that name as text.
pub(super) fn text(headers: &Headers, name: &str) -> Option<String> {
    headers.text(name).map(str::to_owned)
}

/// The last header of that name as a topic.
pub(super) fn topic(headers: &Headers, name: &str) -> Option<String> {
    topic_name(headers.text(name)?)
}

/// The name where a topic can have it.
pub(super) fn topic_name(name: &str) -> Option<String> {
    let can_be = (1..=LONGEST_TOPIC).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && name != "."
        && name != "..";
    can_be.then(|| name.to_owned())
}

/// The last header of that name as a partition in decimal digits.
pub(super) fn partition(headers: &Headers, name: &str) -> Option<i32> {
    number(headers.text(name)?)
}

/// The last header of that name as an offset in decimal digits.
pub(super) fn offset(headers: &Headers, name: &str) -> Option<i64> {
    number(headers.text(name)?)
}

/// Where the record was, where three headers of these names say it as text.
pub(super) fn source(headers: &Headers, topic: &str, partition: &str, offset: &str) -> Source {
    Source {
        topic: self::topic(headers, topic),
        partition: self::partition(headers, partition),
        offset: self::offset(headers, offset),
        timestamp_ms: None,
    }
}

/// A number that counts something, in decimal digits and nothing else.
pub(super) fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The last header of that name as a Java `int`, four bytes, the highest first; absent where negative.
pub(super) fn int(headers: &Headers, name: &str) -> Option<i32> {
    let bytes = headers.get(name)?.try_into().ok()?;
    Some(i32::from_be_bytes(bytes)).filter(|number| *number >= 0)
}

/// The last header of that name as a Java `long`, eight bytes, the highest first; absent where negative.
pub(super) fn long(headers: &Headers, name: &str) -> Option<i64> {
    let bytes = headers.get(name)?.try_into().ok()?;
    Some(i64::from_be_bytes(bytes)).filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &[u8]) -> Headers {
        let mut headers = Headers::new();
        headers.push("h", value);
        headers
    }

    #[test]
    fn what_is_no_number_is_absent_and_never_a_part_of_one() {
        for digits in ["", "-1", "+1", " 1", "1 ", "1.0", "0x1", "99999999999999999999", "٣"] {
            assert_eq!(offset(&with(digits.as_bytes()), "h"), None, "{digits}");
        }
        assert_eq!((offset(&with(b"042"), "h"), partition(&with(b"7"), "h")), (Some(42), Some(7)));
        assert_eq!(partition(&with(b"2147483648"), "h"), None);
    }

    #[test]
    fn a_binary_number_has_all_its_bytes_and_is_not_negative() {
        assert_eq!(
            (int(&with(&[0, 0, 1, 2]), "h"), long(&with(&[0, 0, 0, 0, 0, 0, 1, 2]), "h")),
            (Some(258), Some(258))
        );
        for bytes in [&b""[..], b"1", &[0, 0, 0], &[0; 5], &[0xff; 4], &[0xff; 8]] {
            assert_eq!(int(&with(bytes), "h"), None, "{bytes:?}");
            assert_eq!(long(&with(bytes), "h"), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_topic_is_a_name_that_kafka_takes() {
        let longest = "x".repeat(249);
        for name in ["user_data", "a.b-c", &longest] {
            assert_eq!(topic(&with(name.as_bytes()), "h").as_deref(), Some(name));
        }
        for name in ["", ".", "..", "a/b", "a b", "ü", "a\0", &"x".repeat(250)] {
            assert_eq!(topic(&with(name.as_bytes()), "h"), None, "{name}");
        }
        assert_eq!(topic(&with(&[0xff]), "h"), None);
    }
}
