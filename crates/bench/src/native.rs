//! As much of the native protocol, version 4, as pushing prepared rows and asking for keys takes. No driver: what is
//! measured with this is the server.
//!
//! Section numbers are those of the protocol's specification, `native_protocol_v4.spec` in Cassandra's sources.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use cassandra::CassandraSettings;

/// Bytes of a frame before its body (section 2).
pub(crate) const HEADER: usize = 9;

/// Requests are told apart by a number below this (section 2.3).
pub(crate) const STREAMS: usize = 32_768;

const VERSION: u8 = 4;
const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const RESULT: u8 = 0x08;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0A;
const BATCH: u8 = 0x0D;

/// `RESULT` of a prepared statement (section 4.2.5).
const PREPARED: [u8; 4] = [0, 0, 0, 4];
/// The batch is not logged (section 4.1.7).
const UNLOGGED: u8 = 1;
/// A statement of a batch that was prepared (section 4.1.7).
const BY_ID: u8 = 1;
/// Values follow, and the answer needs no description of its columns (section 4.1.4).
const VALUES_SKIP_METADATA: u8 = 0x03;
/// `LOCAL_ONE` (section 3).
const LOCAL_ONE: [u8; 2] = [0, 0x0A];

/// An answer takes no longer than this: the server's own limit for a write is 2 s.
const ANSWER: Duration = Duration::from_secs(30);

/// How a conversation with Cassandra failed.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The connection does not carry.
    #[error("the connection to Cassandra failed: {0}; look at its log, and run it again")]
    Connection(#[from] io::Error),
    /// The server refused a request.
    #[error("Cassandra refused: {0}")]
    Refused(String),
    /// What came is no answer to what was asked.
    #[error("Cassandra's answer of kind {0} was not expected: is it a server of protocol version 4?")]
    Unexpected(u8),
}

/// The values of one row in the order of its statement, as the protocol carries them: each with its length (section 3,
/// `[value]`), behind their number.
#[derive(Debug, Default, Clone)]
pub(crate) struct Values {
    count: u16,
    bytes: Vec<u8>,
}

impl Values {
    /// Appends a value.
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.count += 1;
        self.bytes.extend(length(value.len()));
        self.bytes.extend(value);
    }

    /// Appends a null.
    pub(crate) fn null(&mut self) {
        self.count += 1;
        self.bytes.extend((-1_i32).to_be_bytes());
    }

    /// Appends a value or a null.
    pub(crate) fn push_or_null(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.push(value),
            None => self.null(),
        }
    }

    fn put(&self, frame: &mut Vec<u8>) {
        frame.extend(self.count.to_be_bytes());
        frame.extend(&self.bytes);
    }
}

/// A statement the server knows by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prepared(Vec<u8>);

impl Prepared {
    /// Appends the frame that writes one row (section 4.1.6).
    pub(crate) fn execute(&self, frames: &mut Vec<u8>, stream: u16, values: &Values) {
        put_frame(frames, stream, EXECUTE, |body| {
            self.put(body);
            body.extend(LOCAL_ONE);
            body.push(VALUES_SKIP_METADATA);
            values.put(body);
        });
    }

    /// Appends the frame that writes several rows as one unlogged batch (section 4.1.7).
    pub(crate) fn batch(&self, frames: &mut Vec<u8>, stream: u16, rows: &[Values]) {
        put_frame(frames, stream, BATCH, |body| {
            body.push(UNLOGGED);
            body.extend(short(rows.len()));
            for values in rows {
                body.push(BY_ID);
                self.put(body);
                values.put(body);
            }
            body.extend(LOCAL_ONE);
            body.push(0);
        });
    }

    fn put(&self, body: &mut Vec<u8>) {
        body.extend(short(self.0.len()));
        body.extend(&self.0);
    }
}

/// The first answer of which `bytes` holds all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) opcode: u8,
    pub(crate) body: &'a [u8],
    /// What follows it.
    pub(crate) rest: &'a [u8],
}

impl<'a> Answer<'a> {
    /// None while the answer is not whole.
    pub(crate) fn first(bytes: &'a [u8]) -> Option<Self> {
        let (&[_version, _flags, _s0, _s1, opcode, l0, l1, l2, l3], rest) = bytes.split_first_chunk::<HEADER>()?;
        let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
        let (body, rest) = rest.split_at_checked(length)?;
        Some(Self { opcode, body, rest })
    }

    /// The body of a result; an error otherwise.
    pub(crate) fn result(&self) -> Result<&'a [u8], NativeError> {
        match self.opcode {
            RESULT => Ok(self.body),
            ERROR => Err(refusal(self.body)),
            other => Err(NativeError::Unexpected(other)),
        }
    }

    /// How many rows came (section 4.2.5.2); for an answer without a description of its columns.
    pub(crate) fn rows(&self) -> Result<u32, NativeError> {
        let body = self.result()?;
        let number = |at: usize| body.get(at..at + 4)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
        // Kind, flags, number of columns, number of rows.
        number(12).ok_or(NativeError::Unexpected(self.opcode))
    }
}

/// A connection on which one request at a time is made; for many at a time, take the [`Connection::stream`].
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects to a server that asks for no password.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, NativeError> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let mut connection = Self { stream, answer: Vec::new() };
        let mut frame = Vec::new();
        put_frame(&mut frame, 0, STARTUP, |body| {
            body.extend(short(1));
            put_string(body, "CQL_VERSION");
            put_string(body, "3.0.0");
        });
        let answer = connection.ask(&frame)?;
        match answer.opcode {
            READY => Ok(connection),
            ERROR => Err(refusal(answer.body)),
            other => Err(NativeError::Unexpected(other)),
        }
    }

    /// Prepares a statement.
    pub(crate) fn prepare(&mut self, statement: &str) -> Result<Prepared, NativeError> {
        let mut frame = Vec::new();
        put_frame(&mut frame, 0, PREPARE, |body| {
            body.extend(length(statement.len()));
            body.extend(statement.as_bytes());
        });
        let answer = self.ask(&frame)?;
        let id = || {
            let (size, rest) = answer.result().ok()?.strip_prefix(&PREPARED)?.split_first_chunk::<2>()?;
            rest.get(..usize::from(u16::from_be_bytes(*size)))
        };
        answer.result()?;
        id().map(|id| Prepared(id.to_owned())).ok_or(NativeError::Unexpected(answer.opcode))
    }

    /// Sends one frame and waits for its answer.
    pub(crate) fn ask(&mut self, frame: &[u8]) -> Result<Answer<'_>, NativeError> {
        self.stream.write_all(frame)?;
        self.answer.resize(HEADER, 0);
        self.stream.read_exact(&mut self.answer)?;
        let length = self.answer.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.answer.resize(HEADER + length, 0);
        let body = self.answer.get_mut(HEADER..).unwrap_or_default();
        self.stream.read_exact(body)?;
        Answer::first(&self.answer).ok_or(NativeError::Unexpected(0))
    }
}

/// Where the first contact point listens.
pub(crate) fn address(settings: &CassandraSettings) -> Result<SocketAddr, NativeError> {
    let host = settings.hosts.first().map(String::as_str).unwrap_or_default();
    let mut addresses = (host, settings.port).to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable).into())
}

/// A frame whose length is set when its body is written.
fn put_frame(frames: &mut Vec<u8>, stream: u16, opcode: u8, write: impl FnOnce(&mut Vec<u8>)) {
    frames.extend([VERSION, 0]);
    frames.extend(stream.to_be_bytes());
    frames.push(opcode);
    let at = frames.len();
    frames.extend([0; 4]);
    let begin = frames.len();
    write(frames);
    let written = length(frames.len() - begin);
    if let Some(place) = frames.get_mut(at..begin) {
        place.copy_from_slice(&written);
    }
}

fn put_string(body: &mut Vec<u8>, text: &str) {
    body.extend(short(text.len()));
    body.extend(text.as_bytes());
}

/// `[short]`: what is counted here stays far below its end.
fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

/// `[int]`: what is counted here stays far below its end.
fn length(number: usize) -> [u8; 4] {
    i32::try_from(number).unwrap_or(i32::MAX).to_be_bytes()
}

/// Code and message of an error (section 9).
fn refusal(body: &[u8]) -> NativeError {
    let text = body.get(6..).unwrap_or_default();
    let size = body.get(4..6).and_then(|bytes| bytes.first_chunk::<2>()).map_or(0, |bytes| u16::from_be_bytes(*bytes));
    let text = text.get(..usize::from(size)).unwrap_or(text);
    NativeError::Refused(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(bytes: &[u8]) -> Values {
        let mut values = Values::default();
        values.push(bytes);
        values.null();
        values
    }

    #[test]
    fn one_row_is_an_execute() {
        let mut frame = Vec::new();
        Prepared(vec![0xAB, 0xCD]).execute(&mut frame, 0x0102, &values(b"x"));
        let golden = [
            4, 0, 1, 2, 0x0A, 0, 0, 0, 18, // header: 18 bytes follow
            0, 2, 0xAB, 0xCD, // the statement's number
            0, 0x0A, 3, // LOCAL_ONE; values, no metadata
            0, 2, 0, 0, 0, 1, b'x', 0xFF, 0xFF, 0xFF, 0xFF, // two values: x and null
        ];
        assert_eq!(frame, golden);
    }

    #[test]
    fn several_rows_are_an_unlogged_batch_of_the_prepared_statement() {
        let mut frame = vec![7];
        Prepared(vec![0xAB]).batch(&mut frame, 1, &[values(b"x"), values(b"yz")]);
        let golden = [
            7, // what was there
            4, 0, 0, 1, 0x0D, 0, 0, 0, 37, // header: 37 bytes follow
            1, 0, 2, // unlogged, two statements
            1, 0, 1, 0xAB, 0, 2, 0, 0, 0, 1, b'x', 0xFF, 0xFF, 0xFF, 0xFF, // the first
            1, 0, 1, 0xAB, 0, 2, 0, 0, 0, 2, b'y', b'z', 0xFF, 0xFF, 0xFF, 0xFF, // the second
            0, 0x0A, 0, // LOCAL_ONE, no flags
        ];
        assert_eq!(frame, golden);
    }

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let bytes = [0x84, 0, 0, 1, RESULT, 0, 0, 0, 2, 5, 6, 0x84];
        for cut in 0..11 {
            assert_eq!(Answer::first(&bytes[..cut]), None, "{cut}");
        }
        let answer = Answer::first(&bytes).unwrap();
        assert_eq!((answer.body, answer.rest), ([5, 6].as_slice(), [0x84].as_slice()));
    }

    #[test]
    fn a_refusal_says_why() {
        let bytes = [0x84, 0, 0, 1, ERROR, 0, 0, 0, 8, 0, 0, 0x22, 0, 0, 2, b'n', b'o'];
        let refused = Answer::first(&bytes).unwrap().result().unwrap_err();
        assert_eq!(refused.to_string(), "Cassandra refused: no");
    }

    #[test]
    fn the_rows_of_an_answer_are_counted() {
        let rows = |count: u8| {
            [vec![0x84, 0, 0, 1, RESULT, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0], vec![count]]
        };
        for count in [0, 1] {
            assert_eq!(Answer::first(&rows(count).concat()).unwrap().rows().unwrap(), u32::from(count));
        }
    }
}
