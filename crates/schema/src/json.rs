//! Reading JSON without being spoiled by it: a wrong type is noted at its field and reading goes on, a null is an absent
//! field, unknown fields are passed over, and text is borrowed wherever it holds no escape.
//!
//! Only what is no JSON at all ends the reading. Objects are never read from arrays (as derived code would), and nesting is
//! bounded everywhere, unknown fields included.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::fault::{Fault, Violation};
use crate::reason::{Reason, Stage};
use crate::rules;

/// One place of a JSON document that is expected to hold a `T`.
#[derive(Debug, Default)]
pub(crate) enum Slot<T> {
    /// Missing or null.
    #[default]
    Absent,
    /// There, but something else.
    WrongType,
    /// There.
    Value(T),
}

/// What a `T` is made of. Every kind of JSON value that is not overridden is a wrong type.
pub(crate) trait FromJson<'de>: Sized {
    fn text(_text: Cow<'de, str>) -> Slot<Self> {
        Slot::WrongType
    }
    fn integer(_number: i128) -> Slot<Self> {
        Slot::WrongType
    }
    fn float(_number: f64) -> Slot<Self> {
        Slot::WrongType
    }
    fn array<A: SeqAccess<'de>>(seq: A) -> Result<Slot<Self>, A::Error> {
        pass_over_seq(seq)?;
        Ok(Slot::WrongType)
    }
    fn object<A: MapAccess<'de>>(map: A) -> Result<Slot<Self>, A::Error> {
        pass_over_map(map)?;
        Ok(Slot::WrongType)
    }
}

impl<'de> FromJson<'de> for Cow<'de, str> {
    fn text(text: Cow<'de, str>) -> Slot<Self> {
        Slot::Value(text)
    }
}

impl<'de> FromJson<'de> for f64 {
    fn integer(number: i128) -> Slot<Self> {
        Slot::Value(number as f64)
    }
    fn float(number: f64) -> Slot<Self> {
        Slot::Value(number)
    }
}

/// Text, or a number that stands for its digits (postcodes, street numbers).
#[derive(Debug)]
pub(crate) struct TextOrNumber<'a>(pub(crate) Cow<'a, str>);

impl<'de> FromJson<'de> for TextOrNumber<'de> {
    fn text(text: Cow<'de, str>) -> Slot<Self> {
        Slot::Value(Self(text))
    }
    fn integer(number: i128) -> Slot<Self> {
        Slot::Value(Self(Cow::Owned(number.to_string())))
    }
    fn float(number: f64) -> Slot<Self> {
        Slot::Value(Self(Cow::Owned(number.to_string())))
    }
}

/// Declares a JSON object by its fields and reads it in any order; the last of two equal names wins.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident<$lt:lifetime> { $($field:ident: $kind:ty = $wire:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<$lt> {
            $(pub(crate) $field: $crate::json::Slot<$kind>,)*
        }

        impl<$lt> $crate::json::FromJson<$lt> for $name<$lt> {
            fn object<A: serde::de::MapAccess<$lt>>(mut map: A) -> Result<$crate::json::Slot<Self>, A::Error> {
                let mut object = Self::default();
                while let Some($crate::json::Key(key)) = map.next_key()? {
                    match &*key {
                        $($wire => object.$field = map.next_value()?,)*
                        _ => map.next_value::<$crate::json::PassedOver>().map(drop)?,
                    }
                }
                Ok($crate::json::Slot::Value(object))
            }
        }
    };
}
pub(crate) use object;

impl<'de, T: FromJson<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotVisitor(PhantomData))
    }
}

struct SlotVisitor<T>(PhantomData<T>);

impl<'de, T: FromJson<'de>> Visitor<'de> for SlotVisitor<T> {
    type Value = Slot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Slot::Absent)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Slot::WrongType)
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(T::integer(number.into()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::integer(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(T::float(number))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::array(seq)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::object(map)
    }
}

/// An object's key, borrowed unless it holds an escape.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object's key")
    }
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(key)))
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

/// Any value, checked and dropped. Unlike serde's own `IgnoredAny` it is bound by the reader's limit of nesting and holds its
/// text to UTF-8.
pub(crate) struct PassedOver;

impl<'de> Deserialize<'de> for PassedOver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PassedOverVisitor)
    }
}

struct PassedOverVisitor;

impl<'de> Visitor<'de> for PassedOverVisitor {
    type Value = PassedOver;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(PassedOver)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(PassedOver)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(PassedOver)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(PassedOver)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(PassedOver)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(PassedOver)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        pass_over_seq(seq)?;
        Ok(PassedOver)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        pass_over_map(map)?;
        Ok(PassedOver)
    }
}

fn pass_over_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<Key<'de>, PassedOver>()?.is_some() {}
    Ok(())
}

fn pass_over_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<PassedOver>()?.is_some() {}
    Ok(())
}

/// Collects what has a wrong type while a document is taken apart.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    violations: Vec<Violation>,
}

impl Shape {
    /// The value at `pointer`, noting it where its type is wrong.
    pub(crate) fn take<T>(&mut self, pointer: &'static str, slot: Slot<T>) -> Option<T> {
        match slot {
            Slot::Absent => None,
            Slot::Value(value) => Some(value),
            Slot::WrongType => {
                self.violations.push(Violation { pointer: pointer.to_owned(), rule: rules::WRONG_TYPE });
                None
            }
        }
    }

    /// The fault of a document with wrong types, all of them named.
    pub(crate) fn into_fault(mut self, stage: Stage) -> Option<Box<Fault>> {
        self.violations.sort_unstable();
        if self.violations.is_empty() {
            return None;
        }
        let message = format!("{} of wrong type", fields(self.violations.len()));
        let mut fault = Fault::new(Reason::SchemaViolation, stage, "wrong_type", message);
        fault.violations = self.violations;
        Some(Box::new(fault))
    }
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}

/// Reads one object from bytes that should be its JSON. `stage` is where it counts as a violation that it is none; what is
/// no JSON at all always fails at decode.
pub(crate) fn read_object<'de, T: FromJson<'de>>(bytes: &'de [u8], stage: Stage) -> Result<T, Box<Fault>> {
    let undecodable =
        |error_type, message: String| Box::new(Fault::new(Reason::Deserialization, Stage::Decode, error_type, message));
    if bytes.is_empty() {
        return Err(undecodable("empty", "the value is empty".to_owned()));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| undecodable("not_utf8", format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    match serde_json::from_str::<Slot<T>>(text) {
        Ok(Slot::Value(object)) => Ok(object),
        Ok(Slot::Absent | Slot::WrongType) => Err(Box::new(Fault::new(
            Reason::SchemaViolation,
            stage,
            "not_an_object",
            "the value is JSON, but no object",
        ))),
        Err(error) => {
            let (error_type, what) = kind(&error);
            let message = format!("{what} at line {}, column {}", error.line(), error.column());
            Err(undecodable(error_type, message))
        }
    }
}

/// Label and words for a reader's error. Its own text is never passed on: it can quote the document.
pub(crate) fn kind(error: &serde_json::Error) -> (&'static str, &'static str) {
    use serde_json::error::Category;
    match error.classify() {
        Category::Eof => ("json_truncated", "JSON ends too early"),
        Category::Io | Category::Syntax | Category::Data => {
            // The reader has no category of its own for this one; a test holds its wording.
            if error.to_string().starts_with("recursion limit exceeded") {
                ("json_nesting", "JSON is nested too deeply")
            } else {
                ("json_syntax", "not JSON")
            }
        }
    }
}
