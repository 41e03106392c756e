//! The user's id: the one given, or one derived from what does not change.

use uuid::Uuid;

/// UUIDv5 in the URL namespace of `email:registered_date`, for a user without an id of its own. The e-mail is trimmed and
/// lower-cased, the date is the text as received.
pub fn derived(email: &str, registered_date: &str) -> Uuid {
    let mut name = String::with_capacity(email.len() + 1 + registered_date.len());
    name.push_str(email);
    name.push(':');
    name.push_str(registered_date);
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

/// The id of its hyphenated text, in any case of letters; `None` for other spellings of a UUID.
pub fn parse(text: &str) -> Option<Uuid> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return None;
    }
    Uuid::try_parse_ascii(text.as_bytes()).ok()
}
