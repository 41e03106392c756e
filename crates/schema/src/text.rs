//! Text as users give it, made clean: control characters out, white space at both ends off, nothing else touched.
//!
//! Clean text stays borrowed; cleaning it again changes nothing.

use std::borrow::Cow;

/// The text without control characters and without white space at its ends; `None` where nothing is left.
pub(crate) fn clean(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let cleaned = match text {
        Cow::Borrowed(text) => {
            if has_control(text) {
                Cow::Owned(without_control(text))
            } else {
                Cow::Borrowed(text.trim())
            }
        }
        Cow::Owned(text) => {
            if has_control(&text) {
                Cow::Owned(without_control(&text))
            } else if text.trim().len() == text.len() {
                Cow::Owned(text)
            } else {
                Cow::Owned(text.trim().to_owned())
            }
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

fn has_control(text: &str) -> bool {
    // U+0080..U+009F begin with 0xC2; most other characters do not, so the exact look is rare.
    text.bytes().any(|byte| byte < 0x20 || byte == 0x7f || byte == 0xc2) && text.chars().any(char::is_control)
}

fn without_control(text: &str) -> String {
    let kept: String = text.chars().filter(|character| !character.is_control()).collect();
    kept.trim().to_owned()
}
