//! The record that failed, where the dead letter's own key, value and headers are not it.

use serde::Serialize;

use super::{Bytes, Key, Value};
use crate::letter::{Carried, Letter};

/// See the module's page.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ShownOriginal {
    /// It was inside the letter's value, or has been fetched.
    Record {
        /// Its key: `key`, or `key_base64` where it is no text.
        #[serde(flatten)]
        key: Key,
        /// Names and values, in order.
        headers: Vec<(String, Bytes)>,
        /// `value`, or `value_base64` where it is no text.
        #[serde(flatten)]
        value: Value,
    },
    /// It is not to be had.
    Absent {
        /// Why.
        absent: String,
    },
}

impl ShownOriginal {
    /// What a letter's record was; `None` where the letter shows it already, or is not understood.
    pub fn of(letter: &Letter) -> Option<Self> {
        match &letter.carried {
            Carried::All { .. } | Carried::Nothing => None,
            Carried::Enveloped { .. } | Carried::Pointer | Carried::Fetched(_) | Carried::Lost(_) => {
                Some(match letter.original() {
                    Ok(original) => Self::Record {
                        key: Key::of(original.key.as_deref()),
                        headers: super::headers_of(&original.headers),
                        value: Value::of(original.value.as_deref()),
                    },
                    Err(absence) => Self::Absent { absent: absence.to_string() },
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::disposition::State;
    use crate::fixture::{self, Placed as _};
    use crate::listing::Shown;

    fn shown(letter: &Letter) -> serde_json::Value {
        let shown = serde_json::to_value(Shown::of(letter, State::Unresolved)).expect("JSON");
        shown.get("original").cloned().unwrap_or_default()
    }

    #[test]
    fn a_letter_that_is_not_its_record_shows_that_too() {
        let value = br#"{"original_message":"{\"a\":1}","error_type":"E","source_topic":"user_data"}"#;
        let mut dead = fixture::foreign_letter(value).at(0, 4);
        dead.headers.push("mine", [0xff]);
        assert_eq!(
            shown(&Letter::of(dead)),
            json!({"key": null, "headers": [["mine", {"base64": "/w=="}]], "value": "{\"a\":1}"})
        );
        let mut pointer = fixture::foreign_letter(b"").at(0, 4);
        pointer.value = None;
        pointer.headers.push("__dlq.errors.topic", "user_data");
        let absent = "it does not carry its record and does not say where that is";
        assert_eq!(shown(&Letter::of(pointer)), json!({ "absent": absent }));
    }

    #[test]
    fn a_letter_that_is_its_record_shows_it_once() {
        for letter in [fixture::read_letter(3, 1042, 17), Letter::of(fixture::foreign_letter(b"x").at(1, 2))] {
            assert_eq!(shown(&letter), json!(null));
        }
    }
}
