//! What a broker knows of its cluster: API key 3 (Metadata), version 1, at kafka.apache.org/protocol.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The largest answer taken.
const LARGEST: u64 = 4 * 1024 * 1024;
const CORRELATION: i32 = 7;

/// The answer, as far as anybody asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The brokers that are registered and not fenced.
    pub(crate) brokers: Vec<Broker>,
    /// Of the topics asked for.
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) port: i32,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    /// -1 where there is none.
    pub(crate) leader: i32,
    pub(crate) in_sync: Vec<i32>,
}

/// Asks the broker at the other end.
pub(crate) fn ask(stream: &mut TcpStream, topic: Option<&str>) -> io::Result<Metadata> {
    // API key, version, correlation id, null client id, topics
    let mut request = vec![0, 3, 0, 1];
    request.extend(CORRELATION.to_be_bytes());
    request.extend((-1_i16).to_be_bytes());
    request.extend(i32::from(topic.is_some()).to_be_bytes());
    if let Some(topic) = topic {
        request.extend(i16::try_from(topic.len()).map_err(io::Error::other)?.to_be_bytes());
        request.extend(topic.bytes());
    }
    let size = i32::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&[size.to_be_bytes().as_slice(), &request].concat())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = u64::from(u32::from_be_bytes(size));
    let mut answer = Vec::new();
    stream.take(size.min(LARGEST)).read_to_end(&mut answer)?;
    read(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn read(answer: &[u8]) -> Option<Metadata> {
    let mut answer = Answer(answer);
    if answer.int()? != CORRELATION {
        return None;
    }
    let mut metadata = Metadata::default();
    for _ in 0..answer.int()? {
        let id = answer.int()?;
        answer.string()?;
        let port = answer.int()?;
        answer.string()?;
        metadata.brokers.push(Broker { id, port });
    }
    let _controller = answer.int()?;
    for _ in 0..answer.int()? {
        let _error = answer.short()?;
        answer.string()?;
        let _internal = answer.take(1)?;
        for _ in 0..answer.int()? {
            let _error = answer.short()?;
            let (index, leader) = (answer.int()?, answer.int()?);
            let _replicas = answer.ints()?;
            metadata.partitions.push(Partition { index, leader, in_sync: answer.ints()? });
        }
    }
    Some(metadata)
}

/// What is left of it.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    fn ints(&mut self) -> Option<Vec<i32>> {
        (0..self.int()?).map(|_| self.int()).collect()
    }

    /// Steps over a string; -1 is null.
    fn string(&mut self) -> Option<()> {
        let length = self.short()?;
        self.take(usize::try_from(length).unwrap_or(0)).map(drop)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An answer with its size: brokers by id and port, then one topic of two partitions, the second without a leader.
    pub(crate) fn answer(brokers: &[(i32, i32)]) -> Vec<u8> {
        let mut body = CORRELATION.to_be_bytes().to_vec();
        let count = |body: &mut Vec<u8>, count: usize| body.extend(i32::try_from(count).unwrap().to_be_bytes());
        count(&mut body, brokers.len());
        for (id, port) in brokers {
            body.extend(id.to_be_bytes());
            body.extend(b"\x00\x09127.0.0.1");
            body.extend(port.to_be_bytes());
            body.extend(b"\xff\xff");
        }
        body.extend(1_i32.to_be_bytes());
        count(&mut body, 1);
        body.extend(b"\0\0\0\x01t\0\0\0\0\x02");
        body.extend(b"\0\0\0\0\0\0\0\0\0\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03\0\0\0\x01\0\0\0\x03");
        body.extend(b"\0\x05\0\0\0\x01\xff\xff\xff\xff\0\0\0\x01\0\0\0\x01\0\0\0\0");
        let mut answer = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        answer.extend(body);
        answer
    }

    #[test]
    fn brokers_leaders_and_replicas_in_sync_are_read() {
        let metadata = read(&answer(&[(1, 9092), (3, 9094)])[4..]).unwrap();
        assert_eq!(metadata.brokers, [Broker { id: 1, port: 9092 }, Broker { id: 3, port: 9094 }]);
        let led = Partition { index: 0, leader: 3, in_sync: vec![3] };
        assert_eq!(metadata.partitions, [led, Partition { index: 1, leader: -1, in_sync: Vec::new() }]);
    }

    #[test]
    fn an_answer_cut_short_anywhere_is_none() {
        let whole = answer(&[(1, 9092)]);
        for end in 4..whole.len() {
            assert_eq!(read(&whole[4..end]), None, "{end}");
        }
    }
}
