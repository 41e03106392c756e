//! A Kafka record as it was consumed and as it is to be published, with its headers in order.

use std::borrow::Cow;
use std::sync::Arc;

use crate::headers;

/// One header. Kafka allows a name to occur more than once and a value to be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name; borrowed where it is one of ours, see [`headers::interned`].
    pub name: Cow<'static, str>,
    /// The value's bytes; `None` is Kafka's null, which is not the empty value.
    pub value: Option<Vec<u8>>,
}

/// The headers of a record, in order, duplicates kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No headers yet, with room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Appends a header read from elsewhere; the names of the contract are interned, so a consumed record allocates no names.
    pub fn push_foreign(&mut self, name: &str, value: Option<Vec<u8>>) {
        self.0.push(Header { name: headers::interned(name), value });
    }

    /// Appends a header, even where one of that name exists.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) {
        self.0.push(Header { name: name.into(), value: Some(value.into()) });
    }

    /// Removes every header of that name, then appends this one.
    pub fn replace(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) {
        let name = name.into();
        self.0.retain(|header| header.name != name);
        self.0.push(Header { name, value: Some(value.into()) });
    }

    /// The last header of that name, as Kafka's own `lastHeader` does; `None` too where its value is null.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|header| header.name == name)?.value.as_deref()
    }

    /// The last header of that name as text; `None` where it is absent, null or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Whether a header of that name exists, be its value null.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|header| header.name == name)
    }

    /// Keeps the headers for which `keep` holds, in order.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.0.retain(keep);
    }

    /// Appends all of `other`, in order.
    pub fn extend(&mut self, other: Headers) {
        self.0.extend(other.0);
    }

    /// The headers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many headers there are, duplicates counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Headers {
    type Item = Header;
    type IntoIter = std::vec::IntoIter<Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// A record as it was consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it was read.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Kafka's timestamp in milliseconds; `None` where the record has none.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is null.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Headers,
}

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where it goes.
    pub topic: Arc<str>,
    /// A fixed partition, or `None`: by key.
    pub partition: Option<i32>,
    /// Kafka's timestamp in milliseconds, or `None`: the time of sending.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is null.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Headers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_header_of_a_name_wins_and_null_is_no_value() {
        let mut headers = Headers::new();
        headers.push("a", "1");
        headers.push("b", [0xff]);
        headers.push("a", "2");
        assert_eq!(
            (headers.text("a"), headers.get("b"), headers.text("b")),
            (Some("2"), Some([0xff].as_slice()), None)
        );
        headers.push_foreign("a", None);
        assert_eq!((headers.get("a"), headers.contains("a"), headers.len()), (None, true, 4));
    }

    #[test]
    fn a_replaced_header_occurs_once_and_the_others_keep_their_order() {
        let mut headers = Headers::new();
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")] {
            headers.push(name, value);
        }
        headers.replace("a", "5");
        let names: Vec<_> = headers.iter().map(|header| &*header.name).collect();
        assert_eq!((names, headers.text("a")), (vec!["b", "c", "a"], Some("5")));
    }
}
