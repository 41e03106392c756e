//! Real servers: they answer, come back after a crash, and die with their parent.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use local_stack::{Artifacts, Profile, Stack, StackError, StackOptions};

fn options(dir: &tempfile::TempDir) -> StackOptions {
    StackOptions::new(dir.path(), Profile::Test)
}

fn data_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("stack-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn artifacts() -> Artifacts {
    Artifacts::ensure(|progress| eprintln!("{progress}")).unwrap()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (_open, never) = std::sync::mpsc::channel::<()>();
    while !condition() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

/// Asks a node which versions it speaks (an OPTIONS frame); an error when no answer comes within a second.
fn ask_cassandra(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(&[4, 0, 0, 0, 5, 0, 0, 0, 0])?;
    stream.read_exact(&mut [0; 9])
}

#[test]
fn servers_answer_come_back_after_a_crash_and_keep_their_data_over_a_restart_of_the_stack() {
    let dir = data_dir();
    let artifacts = artifacts();
    let stack = Stack::start(&options(&dir), &artifacts).unwrap();
    let (kafka, cassandra) = (stack.kafka(), stack.cassandra());
    assert!(kafka.resident_bytes().unwrap() > 50 << 20);
    ask_cassandra(cassandra.address()).unwrap();

    let second = Stack::start(&options(&dir), &artifacts).unwrap_err();
    assert!(matches!(second, StackError::DataInUse { process, .. } if process == std::process::id()), "{second}");

    cassandra.pause().unwrap();
    assert!(ask_cassandra(cassandra.address()).is_err());
    cassandra.resume().unwrap();
    wait_until("the resumed node answers", || ask_cassandra(cassandra.address()).is_ok());

    let before = kafka.pid().unwrap();
    kafka.kill().unwrap();
    cassandra.kill().unwrap();
    assert_eq!(kafka.pid(), None);
    assert!(matches!(kafka.pause(), Err(StackError::NotRunning { .. })));
    stack.start_again().unwrap();
    assert_ne!(kafka.pid().unwrap(), before);
    ask_cassandra(cassandra.address()).unwrap();
    cassandra.start().unwrap();

    stack.stop().unwrap();
    assert_eq!((kafka.pid(), cassandra.pid()), (None, None));
    assert_eq!(Stack::holder(dir.path()).unwrap(), Some(std::process::id()));
    drop(stack);
    assert_eq!(Stack::holder(dir.path()).unwrap(), None);

    // On other ports, with the data that is there.
    let cluster = std::fs::read_to_string(dir.path().join("kafka/data/meta.properties")).unwrap();
    let stack = Stack::start(&options(&dir), &artifacts).unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("kafka/data/meta.properties")).unwrap(), cluster);
    ask_cassandra(stack.cassandra().address()).unwrap();
}

#[test]
fn a_killed_parent_takes_both_servers_with_it() {
    let dir = data_dir();
    let test = std::env::current_exe().unwrap();
    let examples = test.parent().and_then(Path::parent).unwrap().join("examples");
    let mut parent = Command::new(examples.join("hold_a_stack"))
        .arg(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pids = lines.find_map(|line| line.unwrap().strip_prefix("holding ").map(ToOwned::to_owned)).unwrap();
    let alive = || pids.split(' ').filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).count();
    assert_eq!(alive(), 2);

    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("both servers are gone", || alive() == 0);
}

#[test]
fn a_taken_port_is_named_with_who_holds_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = data_dir();
    let options = StackOptions { cassandra_port: Some(port), ..options(&dir) };
    let message = Stack::start(&options, &artifacts()).unwrap_err().to_string();
    assert!(message.starts_with(&format!("port {port} is in use by ")), "{message}");
    assert!(message.contains(&format!("(process {})", std::process::id())), "{message}");
    assert!(message.contains("Cassandra needs it"), "{message}");
}
