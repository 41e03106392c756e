//! What dead letters of other writers have in common: dialect, type of the error, and its words without what changes from
//! record to record.

use sha2::{Digest as _, Sha256};

use super::Dialect;

/// What stands for a number, an id or a quoted text.
const STRIPPED: char = '#';

/// 16 hexadecimal digits, as the fingerprints of our own dead letters; none where nothing is said of the error.
pub(super) fn of(dialect: Dialect, error_type: Option<&str>, message: Option<&str>) -> Option<String> {
    if error_type.is_none() && message.is_none() {
        return None;
    }
    let mut digest = Sha256::new();
    for part in [dialect.as_str(), error_type.unwrap_or_default(), &stripped(message.unwrap_or_default())] {
        digest.update(part);
        digest.update([0]);
    }
    Some(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// The message without numbers, hexadecimal digits, UUIDs and quoted text.
fn stripped(message: &str) -> String {
    let mut words = String::with_capacity(message.len());
    let mut rest = message;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let (taken, kept) = if let Some(quoted) = quoted(rest, before) {
            (quoted, None)
        } else if is_of_a_word(first) {
            let end = rest.find(|character: char| !is_of_a_word(character)).unwrap_or(rest.len());
            (end, Some(end))
        } else {
            words.push(first);
            (first.len_utf8(), Some(0))
        };
        let (head, tail) = rest.split_at(taken);
        match kept {
            None => mark(&mut words),
            Some(0) => {}
            Some(_) => word(head, &mut words),
        }
        before = head.chars().next_back();
        rest = tail;
    }
    words
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '-'
}

/// The length of the quoted text that begins here, quotes included. An apostrophe within a word begins none.
fn quoted(rest: &str, before: Option<char>) -> Option<usize> {
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\'' | '`'))?;
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let inside = rest.get(1..)?;
    Some(inside.find(quote)? + 2)
}

/// A word, stripped of the numbers in it; as a whole where it is an id.
fn word(word: &str, words: &mut String) {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let is_id = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && (word.bytes().any(|byte| byte.is_ascii_digit()) || is_uuid(digits));
    if is_id {
        return mark(words);
    }
    for character in word.chars() {
        if character.is_numeric() { mark(words) } else { words.push(character) }
    }
}

fn is_uuid(word: &str) -> bool {
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// One mark for neighbours, and for the parts of a decimal number, a date or a time.
fn mark(words: &mut String) {
    let joined = words.strip_suffix(['.', ',', ':', '-', 'T']).unwrap_or(words);
    if joined.ends_with(STRIPPED) {
        words.truncate(joined.len());
    } else {
        words.push(STRIPPED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_record_to_record_is_stripped() {
        for (message, expected) in [
            ("", ""),
            ("no rule", "no rule"),
            ("value 17 of 3", "value # of #"),
            ("-1.5 is below 0,25", "# is below #"),
            ("at 2026-03-01T12:00:00.123Z", "at #Z"),
            ("user 9f07341f-c7e6-45b7-bab0-af6de5a4582d not found", "user # not found"),
            ("user abcdefab-cdef-abcd-efab-cdefabcdefab not found", "user # not found"),
            ("Foo@1b2c3d at 0xdeadbeef", "Foo@# at #"),
            ("cannot parse \"ada@example.com\" as 'date'", "cannot parse # as #"),
            ("it can't be, it won't", "it can't be, it won't"),
            ("an open \" quote", "an open \" quote"),
            ("column user_12", "column user_#"),
            ("a bad face", "a bad face"),
            ("größe ٣", "größe #"),
        ] {
            assert_eq!(stripped(message), expected, "{message}");
        }
    }

    #[test]
    fn records_that_fail_alike_have_the_same_fingerprint_and_others_do_not() {
        let of = |dialect, error_type: &str, message: &str| of(dialect, Some(error_type), Some(message)).expect("one");
        let one = of(Dialect::Connect, "E", "bad value 1");
        assert_eq!(one.len(), 16);
        assert_eq!(one, of(Dialect::Connect, "E", "bad value 27"));
        for other in [
            of(Dialect::Spring, "E", "bad value 1"),
            of(Dialect::Connect, "F", "bad value 1"),
            of(Dialect::Connect, "E", "bad key 1"),
            of(Dialect::Connect, "", "Ebad value 1"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(super::of(Dialect::Connect, None, None), None);
    }
}
