//! A single Kafka broker that is its own controller (KRaft).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::artifacts::Artifacts;
use crate::class_path;
use crate::component::KAFKA;
use crate::failure::{self, StackError};
use crate::node::{self, Launch};
use crate::options::{Profile, StackOptions};
use crate::probe;
use crate::process::Process;

const WHAT: &str = "Kafka";

/// Any 16 bytes in base64 will do: the clusters of two stacks never meet.
const CLUSTER_ID: &str = "c2x1aWNlLWxvY2FsLXN0Yw";

const LOG4J: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders><Console name="out" target="SYSTEM_OUT"><PatternLayout pattern="[%d{ISO8601}] %p %m (%c{1})%n"/></Console></Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="out"/></Root>
    <Logger name="org.apache.kafka.common.config" level="WARN"/>
    <Logger name="kafka.server.KafkaConfig" level="WARN"/>
  </Loggers>
</Configuration>
"#;

/// Writes the configuration, formats the storage the first time, and says how to start the broker.
pub(crate) fn prepare(
    options: &StackOptions,
    artifacts: &Artifacts,
    port: u16,
    controller_port: u16,
) -> Result<Launch, StackError> {
    let dir = options.data_dir.join("kafka");
    let temporary = dir.join("tmp");
    node::empty_directory(&temporary).map_err(StackError::file(&temporary))?;
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(StackError::file(&path))
    };
    write("server.properties", &properties(options, port, controller_port))?;
    write("log4j2.xml", LOG4J)?;

    let log = options.data_dir.join("logs/kafka.log");
    if !dir.join("data/meta.properties").exists() {
        format_storage(artifacts, &dir, &log, &temporary)?;
    }
    let mut arguments: Vec<OsString> = Vec::new();
    arguments.push(format!("-Xms{}m", options.kafka_heap_mib).into());
    arguments.push(format!("-Xmx{}m", options.kafka_heap_mib).into());
    let profile: &[&str] = match options.profile {
        Profile::Test => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        Profile::Demo => &["-XX:+UseSerialGC"],
        Profile::Bench => &["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"],
    };
    arguments.extend(profile.iter().map(OsString::from));
    arguments.extend(common_arguments(artifacts, &temporary));
    arguments.push("kafka.Kafka".into());
    arguments.push("server.properties".into());
    Ok(Launch {
        what: WHAT,
        java: artifacts.java.clone(),
        arguments,
        environment: &[],
        dir,
        log,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        internal_port: controller_port,
        answers: probe::kafka_answers,
        ready_within: options.ready_within,
    })
}

fn common_arguments(artifacts: &Artifacts, temporary: &Path) -> Vec<OsString> {
    let mut tmpdir = OsString::from("-Djava.io.tmpdir=");
    tmpdir.push(temporary);
    vec![
        tmpdir,
        "-XX:+ExitOnOutOfMemoryError".into(),
        // No file in the system's temporary directory, which a killed process would leave behind.
        "-XX:+PerfDisableSharedMem".into(),
        "-Djava.awt.headless=true".into(),
        "-Dlog4j2.configurationFile=log4j2.xml".into(),
        "-cp".into(),
        class_path::of(&KAFKA, &artifacts.kafka),
    ]
}

fn properties(options: &StackOptions, port: u16, controller_port: u16) -> String {
    let mut text = format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs=data
# a topic that is missing is a mistake to be told, not a topic to be made with a default partition count
auto.create.topics.enable=false
num.partitions=12
# the largest dead letter is a largest record and 64 KiB of headers; topics set their own limit below this
message.max.bytes=2097152
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# one consumer need not wait for others before it gets its partitions
group.initial.rebalance.delay.ms=0
# a broker that was killed may only register again when its old session has run out, after 9 s by default
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
# the default takes 128 MiB of the heap at the start
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=2
"
    );
    for (name, value) in &options.kafka_properties {
        // Later lines override earlier ones.
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

fn format_storage(artifacts: &Artifacts, dir: &Path, log: &Path, temporary: &Path) -> Result<(), StackError> {
    const LIMIT: Duration = Duration::from_secs(60);
    let path: PathBuf = dir.join("format.log");
    let output = File::create(&path).map_err(StackError::file(&path))?;
    let mut command = node::java_command(&artifacts.java, dir, &output).map_err(StackError::file(&path))?;
    command
        .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(common_arguments(artifacts, temporary))
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties"]);
    let process = Process::spawn(command).map_err(|source| StackError::Process { what: WHAT, source })?;
    match process.wait_for(LIMIT) {
        Some(status) if status.success() => Ok(()),
        Some(_) => {
            let words = node::read_from(&path, 0).map_err(StackError::file(&path))?;
            Err(StackError::Died { what: WHAT, why: failure::cause_of_death(&words), log: path })
        }
        None => Err(StackError::Silent { what: WHAT, limit: LIMIT, log: log.to_owned() }),
    }
}
