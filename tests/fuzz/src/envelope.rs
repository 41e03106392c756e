//! An input with named parts: lines `name: value` up to an empty line, then a body of any bytes. Text, so that a person can
//! read and write the corpus, and so that a fuzzer's changes stay changes of one part.

use std::borrow::Cow;
use std::sync::Arc;

use schema::record::{Headers, Record};

/// An input, taken apart. Every input is one.
pub(crate) struct Envelope<'a> {
    /// Name and value of each line; a line without a colon has no value.
    pub(crate) lines: Vec<(Cow<'a, str>, Option<&'a [u8]>)>,
    /// What follows the empty line.
    pub(crate) body: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(crate) fn open(mut input: &'a [u8]) -> Self {
        let mut lines = Vec::new();
        while !input.is_empty() {
            let (line, rest) = split(input, b"\n").unwrap_or((input, &[]));
            input = rest;
            if line.is_empty() {
                break;
            }
            let (name, value) = match split(line, b": ") {
                Some((name, value)) => (name, Some(value)),
                None => (line, None),
            };
            lines.push((String::from_utf8_lossy(name), value));
        }
        Self { lines, body: input }
    }

    /// The envelope as a Kafka record: lines are headers, but `:key`, `:timestamp` and `:null` (a null value) are the record's own.
    pub(crate) fn record(&self, topic: &str) -> Record {
        let mut record = Record {
            topic: Arc::from(topic),
            partition: 3,
            offset: 1042,
            timestamp_ms: None,
            key: None,
            value: Some(self.body.to_vec()),
            headers: Headers::new(),
        };
        for (name, value) in &self.lines {
            let value = value.map(<[u8]>::to_vec);
            match &**name {
                ":key" => record.key = value,
                ":timestamp" => {
                    record.timestamp_ms = value.and_then(|digits| String::from_utf8(digits).ok()?.parse().ok())
                }
                ":null" => record.value = None,
                name => record.headers.push_foreign(name, value),
            }
        }
        record
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = bytes.windows(at.len()).position(|window| window == at)?;
    Some((bytes.get(..found)?, bytes.get(found + at.len()..)?))
}
