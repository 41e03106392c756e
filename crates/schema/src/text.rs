//! Text as users give it, made clean: control characters out, white space at both ends off, nothing else touched.
//!
//! Clean text stays borrowed; cleaning it again changes nothing.

use std::borrow::Cow;

/// The text without control characters and without white space at its ends; `None` where nothing is left.
pub(crate) fn clean(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if is_clean(&text) {
        return if text.is_empty() { None } else { Some(text) };
    }
    let cleaned = match text {
        Cow::Borrowed(text) if !has_control(text) => Cow::Borrowed(text.trim()),
        text @ (Cow::Borrowed(_) | Cow::Owned(_)) => {
            let kept: String = text.chars().filter(|character| !character.is_control()).collect();
            Cow::Owned(kept.trim().to_owned())
        }
    };
    if cleaned.is_empty() { None } else { Some(cleaned) }
}

/// Clean text in lower case.
pub(crate) fn clean_lower(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let cleaned = clean(text)?;
    if cleaned.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Some(cleaned);
    }
    Some(Cow::Owned(cleaned.to_lowercase()))
}

/// The gender as the wire knows it: `male`, `female`, anything else `other`.
pub(crate) fn gender(text: Cow<'_, str>) -> Option<&'static str> {
    let cleaned = clean(text)?;
    Some(if cleaned.eq_ignore_ascii_case("female") {
        "female"
    } else if cleaned.eq_ignore_ascii_case("male") {
        "male"
    } else {
        "other"
    })
}

/// Whether a quick look shows that there is nothing to do; nearly every text passes here.
fn is_clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Plain characters at both ends leave nothing to trim; U+0080..U+009F begin with 0xC2, most other characters do not. The
    // whole text is looked at without leaving early, since that is what the compiler turns into a few wide steps.
    let plain_end = |byte: Option<&u8>| byte.is_none_or(|byte| (0x21..0x7f).contains(byte));
    plain_end(bytes.first())
        && plain_end(bytes.last())
        && !bytes.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == 0x7f) | (byte == 0xc2))
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}
