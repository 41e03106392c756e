//! Asking a server a real request over a connection of its own: an open port is not yet a server that answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::metadata::{self, Metadata};

const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// True when the broker lists itself: it is registered and not fenced.
pub(crate) fn kafka_answers(address: SocketAddr) -> io::Result<bool> {
    let metadata = kafka_metadata(address, None)?;
    Ok(metadata.brokers.iter().any(|broker| broker.port == i32::from(address.port())))
}

/// What the broker knows of its cluster and of a topic.
pub(crate) fn kafka_metadata(address: SocketAddr, topic: Option<&str>) -> io::Result<Metadata> {
    metadata::ask(&mut connect(address)?, topic)
}

/// True when the node answers a query on `system.local` with rows.
///
/// Frames of the native protocol, version 4 (native_protocol_v4.spec of Apache Cassandra).
pub(crate) fn cassandra_answers(address: SocketAddr) -> io::Result<bool> {
    const STARTUP: u8 = 0x01;
    const READY: u8 = 0x02;
    const AUTHENTICATE: u8 = 0x03;
    const QUERY: u8 = 0x07;
    const RESULT: u8 = 0x08;
    const AUTH_RESPONSE: u8 = 0x0f;
    const AUTH_SUCCESS: u8 = 0x10;
    const ROWS: [u8; 4] = [0, 0, 0, 2];

    let mut stream = connect(address)?;
    let opcode = exchange(&mut stream, STARTUP, b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0")?.0;
    if opcode == AUTHENTICATE {
        let superuser = b"\x00\x00\x00\x14\x00cassandra\x00cassandra";
        if exchange(&mut stream, AUTH_RESPONSE, superuser)?.0 != AUTH_SUCCESS {
            return Ok(false);
        }
    } else if opcode != READY {
        return Ok(false);
    }
    // the text, consistency ONE, no flags
    let query = b"\x00\x00\x00\x28SELECT release_version FROM system.local\x00\x01\x00";
    let (opcode, body) = exchange(&mut stream, QUERY, query)?;
    Ok(opcode == RESULT && body.starts_with(&ROWS))
}

/// Sends one frame and gives the opcode and body of the answer.
fn exchange(stream: &mut TcpStream, opcode: u8, body: &[u8]) -> io::Result<(u8, Vec<u8>)> {
    const LARGEST: u64 = 1024 * 1024;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    // version, flags, stream (two bytes), opcode, length
    let mut frame = vec![0x04, 0, 0, 0, opcode];
    frame.extend(length.to_be_bytes());
    frame.extend(body);
    stream.write_all(&frame)?;
    let mut header = [0; 9];
    stream.read_exact(&mut header)?;
    let [_, _, _, _, opcode, length @ ..] = header;
    let mut body = Vec::new();
    stream.take(u64::from(u32::from_be_bytes(length)).min(LARGEST)).read_to_end(&mut body)?;
    Ok((opcode, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    /// A server that gives what `answer` makes of its port to whatever comes first, and then hangs up.
    fn server(answer: impl FnOnce(u16) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(&answer(address.port())).unwrap();
        });
        address
    }

    #[test]
    fn a_broker_is_ready_when_it_lists_itself_and_not_when_it_lists_others() {
        assert!(!kafka_answers(server(|_| metadata::tests::answer(&[]))).unwrap());
        assert!(!kafka_answers(server(|own| metadata::tests::answer(&[(2, i32::from(own) + 1)]))).unwrap());
        let all = |own| metadata::tests::answer(&[(2, i32::from(own) + 1), (1, i32::from(own))]);
        assert!(kafka_answers(server(all)).unwrap());
    }

    #[test]
    fn a_node_that_answers_an_error_is_not_ready() {
        assert!(!cassandra_answers(server(|_| vec![0x84, 0, 0, 0, 0, 0, 0, 0, 0])).unwrap());
    }

    #[test]
    fn a_server_that_hangs_up_is_an_error() {
        assert!(kafka_answers(server(|_| Vec::new())).is_err());
        assert!(cassandra_answers(server(|_| Vec::new())).is_err());
    }
}
