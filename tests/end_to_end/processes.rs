//! The binaries as their users meet them: settings, signals, exit statuses, checks.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use end_to_end::{Process, World, wait_for};
use service::Exit;

use crate::simulator;

const SERVICES: [&str; 3] = ["producer", "stream-processor", "dlq-replayer"];

fn pairs(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn three_wrong_settings_are_all_named_and_end_with_64() {
    let settings = [("KAFKA_ACKS", "1"), ("KAFKA_COMPRESSION", "brotli"), ("LOG_FORMAT", "xml")];
    for service in SERVICES {
        let ended = Process::run(service, &[], &pairs(&settings));
        assert_eq!(ended.code, Some(64), "{service}: {ended:?}");
        for name in ["KAFKA_ACKS", "KAFKA_COMPRESSION", "LOG_FORMAT"] {
            assert!(ended.stderr.contains(name), "{service} names {name}: {}", ended.stderr);
        }
    }
}

#[test]
fn secrets_are_redacted_wherever_settings_are_printed() {
    let settings = [("KAFKA_SASL_PASSWORD", "hunter2"), ("CASSANDRA_PASSWORD", "hunter2"), ("CASSANDRA_USERNAME", "u")];
    for service in SERVICES {
        let ended = Process::run(service, &["--print-config"], &pairs(&settings));
        assert_eq!(ended.code, Some(0), "{service}: {ended:?}");
        assert!(ended.stdout.contains("KAFKA_SASL_PASSWORD") && !ended.stdout.contains("hunter2"), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn check_names_every_dependency_and_ends_with_0_or_1() {
    let world = World::new("check").await;
    let api = simulator().await;
    let settings = world.with("API_BASE_URL", api.url("/api/")).settings();
    for service in SERVICES {
        let (run, own) = (settings.clone(), service);
        let ended = tokio::task::spawn_blocking(move || Process::run(own, &["--check"], &run)).await.expect("its end");
        assert_eq!(ended.code, Some(0), "{service}: {ended:?}");
        assert!(ended.stdout.lines().all(|line| line.starts_with("ok ")), "{}", ended.stdout);
    }
    let broken = world.with("CASSANDRA_TABLE", "no_such_table").settings();
    let check = move || Process::run("stream-processor", &["--check"], &broken);
    let ended = tokio::task::spawn_blocking(check).await.expect("its end");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("FAILED cassandra"), "{}", ended.stdout);
}

#[tokio::test]
async fn sigterm_drains_and_ends_with_0_and_the_admin_address_answers_meanwhile() {
    let world = World::new("sigterm").await.with("API_SEED", "sigterma").with("API_BATCH_SIZE", "50");
    let api = simulator().await;
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let processor = world.with("ADMIN_ADDR", format!("127.0.0.1:{port}")).process("stream-processor");
    world.wait_until_consumed().await;
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the admin address");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    wait_for("the partitions in /v1/progress", async || {
        let progress = get("/v1/progress");
        if progress.contains("\"partition\":2") { Ok(()) } else { Err(progress) }
    })
    .await;
    assert!(get("/livez").starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(get("/version").contains("stream-processor"));
    let metrics = get("/metrics");
    for series in
        ["sluice_processor_records_total{outcome=\"written\"} 50", "sluice_processor_breaker_state{state=\"closed\"} 1"]
    {
        assert!(metrics.contains(series), "{series} in {metrics}");
    }
    assert_eq!(processor.terminate().await.code(), Some(0));
    assert_eq!(world.rows().await.len(), 50);
}
