//! Faults as a client and a server see them, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fault_proxy::{CqlError, Fault, Protocol, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(90);

/// A server that gives back whatever it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                // A cut connection ends it.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

/// A server that answers every CQL frame with a RESULT on its stream.
async fn cql_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut frame = [0; 9];
                while stream.read_exact(&mut frame).await.is_ok() {
                    stream.write_all(&[0x84, 0, frame[2], frame[3], 8, 0, 0, 0, 0]).await.unwrap();
                }
            });
        }
    });
    address
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn say(stream: &mut TcpStream, words: &[u8]) {
    stream.write_all(words).await.unwrap();
}

async fn hear(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut heard = vec![0; length];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut heard)).await.expect("an answer").unwrap();
    heard
}

async fn echoes(stream: &mut TcpStream, words: &[u8]) {
    say(stream, words).await;
    assert_eq!(hear(stream, words.len()).await, words);
}

/// Reads until the connection is cut, and fails on an orderly end or a byte.
async fn is_reset(stream: &mut TcpStream) {
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await.expect("an end");
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// Connects and is cut, in whatever moment of it.
async fn is_refused(proxy: &Proxy) {
    match TcpStream::connect(proxy.address()).await {
        Ok(mut stream) => is_reset(&mut stream).await,
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// True when nothing is heard for a while: an absence has no event to wait for.
async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(150), stream.read_u8()).await.is_err()
}

/// The beginning of a Kafka connection of this client: `ApiVersions`, version 0.
fn introduction(client_id: &str) -> Vec<u8> {
    let length = i16::try_from(client_id.len()).unwrap();
    let size = i32::from(length) + 10;
    [&size.to_be_bytes()[..], &[0, 18, 0, 0, 0, 0, 0, 1], &length.to_be_bytes(), client_id.as_bytes()].concat()
}

#[tokio::test]
async fn everything_passes_byte_for_byte_and_so_does_the_end() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let stream = connect(&proxy).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let (mut from, mut to) = stream.into_split();
    let (copy, sending) = (sent.clone(), async move { to.write_all(&sent).await.unwrap() });
    let mut heard = Vec::new();
    // The writing half is dropped when all is sent: its end comes back as the end of what is heard.
    let ((), _) = tokio::join!(sending, async { from.read_to_end(&mut heard).await.unwrap() });
    assert!(heard == copy, "{} bytes of {}", heard.len(), copy.len());
    until("the connection is closed", || proxy.counters().open == 0).await;
    let counters = proxy.counters();
    assert_eq!((counters.bytes_to_server, counters.bytes_to_client), (3_000_000, 3_000_000));
    assert_eq!((counters.connections, counters.cut, counters.broken), (1, 0, 0));
}

#[tokio::test]
async fn a_refused_port_cuts_old_and_new_connections_until_it_is_healed() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let mut old = connect(&proxy).await;
    echoes(&mut old, b"before").await;
    proxy.set(Fault::Refuse);
    is_reset(&mut old).await;
    is_refused(&proxy).await;
    proxy.set(Fault::None);
    echoes(&mut connect(&proxy).await, b"after").await;
    assert_eq!(proxy.counters().cut, 2);
}

#[tokio::test]
async fn a_reset_cuts_open_connections_only() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let mut old = connect(&proxy).await;
    echoes(&mut old, b"before").await;
    proxy.set(Fault::Reset);
    is_reset(&mut old).await;
    echoes(&mut connect(&proxy).await, b"after").await;
}

#[tokio::test]
async fn a_stall_delays_and_loses_nothing() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let mut old = connect(&proxy).await;
    echoes(&mut old, b"before").await;
    proxy.set(Fault::Stall);
    let mut new = connect(&proxy).await;
    say(&mut old, b"old").await;
    say(&mut new, b"new").await;
    assert!(is_silent(&mut old).await);
    assert!(is_silent(&mut new).await);
    assert_eq!(proxy.counters().bytes_to_server, 6);
    proxy.set(Fault::None);
    assert_eq!(hear(&mut old, 3).await, b"old");
    assert_eq!(hear(&mut new, 3).await, b"new");
}

#[tokio::test]
async fn a_slow_connection_keeps_its_rate_until_it_is_healed() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let mut stream = connect(&proxy).await;
    proxy.set(Fault::Slow { bytes_per_second: 4_000 });
    let begun = Instant::now();
    echoes(&mut stream, &[7; 1_000]).await;
    // The last piece is not waited for, and both ways overlap.
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
    proxy.set(Fault::Slow { bytes_per_second: 1 });
    say(&mut stream, &[8; 1_000]).await;
    proxy.set(Fault::None);
    // At the rate before, this would take a quarter of an hour.
    until("the rest passes", || proxy.counters().bytes_to_client == 2_000).await;
}

#[tokio::test]
async fn a_half_open_connection_passes_requests_and_is_cut_at_the_healing_if_it_lost_an_answer() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let (mut asking, mut idle) = (connect(&proxy).await, connect(&proxy).await);
    echoes(&mut asking, b"before").await;
    echoes(&mut idle, b"before").await;
    proxy.set(Fault::HalfOpen);
    say(&mut asking, b"lost").await;
    until("the answer is swallowed", || proxy.counters().bytes_swallowed == 4).await;
    assert_eq!(proxy.counters().bytes_to_server, 16);
    assert!(is_silent(&mut asking).await);
    proxy.set(Fault::None);
    is_reset(&mut asking).await;
    echoes(&mut idle, b"after").await;
}

#[tokio::test]
async fn a_fault_for_one_kafka_client_meets_no_other() {
    let proxy = Proxy::start(Protocol::Kafka, echo().await).unwrap();
    let (dlq, shard) = (introduction("stream-processor-dlq"), introduction("stream-processor-0"));
    let (mut old, mut other) = (connect(&proxy).await, connect(&proxy).await);
    echoes(&mut old, &dlq).await;
    echoes(&mut other, &shard).await;
    proxy.set_for("stream-processor-dlq", Fault::Stall);
    let mut new = connect(&proxy).await;
    say(&mut old, b"old").await;
    // In two pieces: the name is known only with the second.
    say(&mut new, &dlq[..9]).await;
    say(&mut new, &dlq[9..]).await;
    echoes(&mut other, b"passes").await;
    assert!(is_silent(&mut old).await);
    assert!(is_silent(&mut new).await);
    proxy.set_for("stream-processor-dlq", Fault::None);
    assert_eq!(hear(&mut old, 3).await, b"old");
    assert_eq!(hear(&mut new, dlq.len()).await, dlq);

    proxy.set_for("stream-processor-dlq", Fault::Reset);
    is_reset(&mut old).await;
    is_reset(&mut new).await;
    echoes(&mut other, b"passes").await;
    echoes(&mut connect(&proxy).await, &dlq).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset_and_needs_no_restart_of_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(Protocol::Tcp, upstream).unwrap();
    is_refused(&proxy).await;
    assert_eq!(proxy.counters().broken, 1);
    let listener = TcpListener::bind(upstream).await.unwrap();
    let mut client = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    say(&mut client, b"hello").await;
    assert_eq!(hear(&mut server, 5).await, b"hello");
    drop(server);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "an orderly end stays one");
}

#[tokio::test]
async fn writes_are_answered_with_errors_while_everything_else_reaches_the_server() {
    let proxy = Proxy::start(Protocol::Cql, cql_server().await).unwrap();
    let mut stream = connect(&proxy).await;
    let request = |opcode, stream_id| [4, 0, 0, stream_id, opcode, 0, 0, 0, 0];
    let head = |heard: &[u8]| (heard[3], heard[4]);
    proxy.set(Fault::Answer { error: CqlError::Overloaded, share: 1.0 });
    say(&mut stream, &request(0x07, 1)).await;
    assert_eq!(head(&hear(&mut stream, 9).await), (1, 8));
    say(&mut stream, &request(0x0a, 2)).await;
    let overloaded = hear(&mut stream, 9 + 33).await;
    assert_eq!((head(&overloaded), &overloaded[9..13]), ((2, 0), &[0, 0, 0x10, 0x01][..]));
    assert_eq!(proxy.counters().bytes_to_server, 9, "the write was not forwarded");

    proxy.set(Fault::Answer { error: CqlError::WriteTimeout { applied: true }, share: 1.0 });
    say(&mut stream, &request(0x0d, 3)).await;
    let timeout = hear(&mut stream, 9 + 59).await;
    assert_eq!((head(&timeout), &timeout[9..13]), ((3, 0), &[0, 0, 0x11, 0x00][..]));
    assert_eq!(proxy.counters().bytes_to_server, 18, "the write was forwarded");
    assert_eq!(proxy.counters().errors_answered, 2);

    proxy.set(Fault::None);
    say(&mut stream, &request(0x0a, 4)).await;
    assert_eq!(head(&hear(&mut stream, 9).await), (4, 8));
}

#[tokio::test]
async fn what_is_no_cql_is_cut() {
    let proxy = Proxy::start(Protocol::Cql, echo().await).unwrap();
    let mut stream = connect(&proxy).await;
    say(&mut stream, b"GET / HTTP/1.1\r\n").await;
    is_reset(&mut stream).await;
    assert_eq!(proxy.counters().broken, 1);
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_proxy() {
    let proxy = Proxy::start(Protocol::Tcp, echo().await).unwrap();
    let address = proxy.address();
    let mut stream = connect(&proxy).await;
    echoes(&mut stream, b"before").await;
    proxy.set(Fault::Stall);
    drop(proxy);
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(!matches!(stream.read(&mut [0; 8]).await, Ok(1..)));
    let again = Proxy::start_on(address.port(), Protocol::Tcp, echo().await).unwrap();
    echoes(&mut connect(&again).await, b"after").await;
}
