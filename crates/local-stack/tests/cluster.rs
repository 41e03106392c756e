//! Real brokers: three that are one cluster, and one that is reached through a proxy.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use local_stack::{Artifacts, Cluster, ClusterOptions, Node, Profile, Stack, StackOptions, port};

fn data_dir(prefix: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn artifacts() -> Artifacts {
    Artifacts::ensure(|progress| eprintln!("{progress}")).unwrap()
}

/// What the broker answers to a Metadata request (API key 3, version 1) without topics: addresses of the brokers.
fn addresses(broker: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(&[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0]).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Whether the answer of `broker` sends clients to `port` of 127.0.0.1.
fn tells(broker: SocketAddr, port: u16) -> bool {
    let address = [b"127.0.0.1".as_slice(), &u32::from(port).to_be_bytes()].concat();
    addresses(broker).windows(address.len()).any(|found| found == address)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    let (_open, never) = std::sync::mpsc::channel::<()>();
    while !condition() {
        assert!(Instant::now() < deadline, "not within 90 s: {what}");
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

#[test]
fn three_brokers_are_one_cluster_and_each_may_die_and_come_back() {
    let dir = data_dir("cluster-");
    let cluster = Cluster::start(&ClusterOptions::new(dir.path()), &artifacts()).unwrap();
    let brokers = cluster.brokers();
    let knows = |one: &Node, other: &Node| tells(one.address(), other.address().port());
    let addresses: Vec<String> = brokers.iter().map(|broker| broker.address().to_string()).collect();
    assert_eq!(cluster.bootstrap_servers(), addresses.join(","));
    for one in brokers {
        wait_until("each knows all", || brokers.iter().all(|other| knows(one, other)));
    }
    for (dead, alive) in [(0, 1), (1, 2), (2, 0)] {
        brokers[dead].kill().unwrap();
        wait_until("the dead one is missed", || !knows(&brokers[alive], &brokers[dead]));
        brokers[dead].start().unwrap();
        assert!(knows(&brokers[dead], &brokers[dead]), "it is a member again when it counts as started");
    }
    // Dropped, even a halted one is gone.
    brokers[1].pause().unwrap();
    let pids: Vec<u32> = brokers.iter().map(|broker| broker.pid().unwrap()).collect();
    drop(cluster);
    assert!(pids.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()));
}

#[test]
fn a_broker_behind_a_proxy_sends_its_clients_there_and_nobody_else() {
    let dir = data_dir("proxied-");
    let proxy = port::free(&[]).unwrap();
    let options = StackOptions { kafka_proxied: Some(proxy), ..StackOptions::new(dir.path(), Profile::Test) };
    let stack = Stack::start(&options, &artifacts()).unwrap();
    let kafka = stack.kafka();
    let behind = kafka.proxied_upstream().unwrap();
    assert!(tells(behind, proxy) && !tells(behind, kafka.address().port()));
    assert!(tells(kafka.address(), kafka.address().port()) && !tells(kafka.address(), proxy));
    assert_eq!(stack.cassandra().proxied_upstream(), None);
    kafka.kill().unwrap();
    kafka.start().unwrap();
    assert!(tells(behind, proxy), "the same ports after a restart");
}
