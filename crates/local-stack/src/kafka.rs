//! A Kafka broker that is a controller too (KRaft), alone or one of several.

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
use crate::port;
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

/// One broker, which is a controller too.
pub(crate) struct Broker<'a> {
    /// Name for people.
    pub(crate) what: &'static str,
    pub(crate) id: u16,
    /// Its configuration and data.
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    /// Where clients and other brokers reach it.
    pub(crate) port: u16,
    pub(crate) proxied: Option<Proxied>,
    /// Every controller of the cluster: the broker's id and the controller's port.
    pub(crate) controllers: &'a [(u16, u16)],
    pub(crate) profile: Profile,
    pub(crate) heap_mib: u32,
    /// Beyond ours, which they override.
    pub(crate) properties: &'a [(String, String)],
    pub(crate) ready_within: Duration,
}

/// A further listener for clients that come through a proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proxied {
    /// Where the broker listens.
    pub(crate) port: u16,
    /// Where clients are told to go: the proxy's port.
    pub(crate) advertised: u16,
}

/// [`Broker::prepare`] for the only broker of a stack.
pub(crate) fn prepare(
    options: &StackOptions,
    artifacts: &Artifacts,
    port: u16,
    controller_port: u16,
) -> Result<Launch, StackError> {
    const ID: u16 = 1;
    let proxied = match options.kafka_proxied {
        Some(advertised) => {
            let free = port::free(&[port, controller_port, advertised]);
            let port = free.map_err(|source| StackError::Process { what: WHAT, source })?;
            Some(Proxied { port, advertised })
        }
        None => None,
    };
    let broker = Broker {
        what: WHAT,
        id: ID,
        dir: options.data_dir.join("kafka"),
        log: options.data_dir.join("logs/kafka.log"),
        port,
        proxied,
        controllers: &[(ID, controller_port)],
        profile: options.profile,
        heap_mib: options.kafka_heap_mib,
        properties: &options.kafka_properties,
        ready_within: options.ready_within,
    };
    broker.prepare(artifacts)
}

impl Broker<'_> {
    /// Writes the configuration, formats the storage the first time, and says how to start the broker.
    pub(crate) fn prepare(&self, artifacts: &Artifacts) -> Result<Launch, StackError> {
        let dir = &self.dir;
        let temporary = dir.join("tmp");
        node::empty_directory(&temporary).map_err(StackError::file(&temporary))?;
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(StackError::file(&path))
        };
        write("server.properties", &self.properties())?;
        write("log4j2.xml", LOG4J)?;
        if !dir.join("data/meta.properties").exists() {
            self.format_storage(artifacts, &temporary)?;
        }
        let mut arguments: Vec<OsString> = Vec::new();
        arguments.push(format!("-Xms{}m", self.heap_mib).into());
        arguments.push(format!("-Xmx{}m", self.heap_mib).into());
        let profile: &[&str] = match self.profile {
            Profile::Test => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
            Profile::Demo => &["-XX:+UseSerialGC"],
            Profile::Bench => &["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"],
        };
        arguments.extend(profile.iter().map(OsString::from));
        arguments.extend(common_arguments(artifacts, &temporary));
        arguments.push("kafka.Kafka".into());
        arguments.push("server.properties".into());
        let own = self.controllers.iter().filter(|(id, _)| *id == self.id).map(|(_, port)| *port);
        Ok(Launch {
            what: self.what,
            java: artifacts.java.clone(),
            arguments,
            environment: &[],
            dir: dir.clone(),
            log: self.log.clone(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            proxied: self.proxied.map(|proxied| SocketAddr::from((Ipv4Addr::LOCALHOST, proxied.port))),
            internal_ports: own.chain(self.proxied.map(|proxied| proxied.port)).collect(),
            answers: probe::kafka_answers,
            ready_within: self.ready_within,
        })
    }

    fn properties(&self) -> String {
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{}", self.port);
        let mut advertised = listeners.clone();
        if let Some(proxied) = self.proxied {
            let _ = write!(listeners, ",PROXIED://127.0.0.1:{}", proxied.port);
            let _ = write!(advertised, ",PROXIED://127.0.0.1:{}", proxied.advertised);
        }
        let mut voters = Vec::new();
        for (id, port) in self.controllers {
            voters.push(format!("{id}@127.0.0.1:{port}"));
            if *id == self.id {
                let _ = write!(listeners, ",CONTROLLER://127.0.0.1:{port}");
                let _ = write!(advertised, ",CONTROLLER://127.0.0.1:{port}");
            }
        }
        let (id, voters) = (self.id, voters.join(","));
        let replicas = self.controllers.len();
        let in_sync = replicas / 2 + 1;
        let mut text = format!(
            "process.roles=broker,controller
node.id={id}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT
controller.quorum.voters={voters}
log.dirs=data
# a topic that is missing is a mistake to be told, not a topic to be made with a default partition count
auto.create.topics.enable=false
num.partitions=12
# the largest dead letter is a largest record and 64 KiB of headers; topics set their own limit below this
message.max.bytes=2097152
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
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
        for (name, value) in self.properties {
            // Later lines override earlier ones.
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }

    fn format_storage(&self, artifacts: &Artifacts, temporary: &Path) -> Result<(), StackError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let what = self.what;
        let path: PathBuf = self.dir.join("format.log");
        let output = File::create(&path).map_err(StackError::file(&path))?;
        let mut command = node::java_command(&artifacts.java, &self.dir, &output).map_err(StackError::file(&path))?;
        command
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .args(common_arguments(artifacts, temporary))
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties"]);
        let process = Process::spawn(command).map_err(|source| StackError::Process { what, source })?;
        match process.wait_for(LIMIT) {
            Some(status) if status.success() => Ok(()),
            Some(_) => {
                let words = node::read_from(&path, 0).map_err(StackError::file(&path))?;
                Err(StackError::Died { what, why: failure::cause_of_death(&words), log: path })
            }
            None => Err(StackError::Silent { what, limit: LIMIT, log: self.log.clone() }),
        }
    }
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
