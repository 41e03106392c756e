//! A single Cassandra node.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::artifacts::Artifacts;
use crate::class_path;
use crate::component::CASSANDRA;
use crate::failure::StackError;
use crate::node::{self, Launch};
use crate::options::{Profile, StackOptions};
use crate::probe;

/// What Cassandra's own start script gives the virtual machine, and what makes a lone node ready at once.
/// Without the exports and opens it ends while it loads its classes.
const JVM: [&str; 39] = [
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED",
    "--add-exports=java.management/com.sun.jmx.remote.security=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.server=ALL-UNNAMED",
    "--add-exports=java.sql/java.sql=ALL-UNNAMED",
    "--add-exports=java.base/java.lang.ref=ALL-UNNAMED",
    "--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
    "--add-exports=jdk.attach/sun.tools.attach=ALL-UNNAMED",
    "--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.module=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.loader=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.reflect=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.math=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.module=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.util.jar=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
    "--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.useCacheForAllThreads=true",
    "-Dio.netty.allocator.maxOrder=11",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
    // Its security manager, which Java forbids by itself from 18 on.
    "-Djava.security.manager=allow",
    "-Dcassandra-foreground=yes",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=0",
    "-Dcassandra.superuser_setup_delay_ms=0",
    // Nobody is there to be told of a shutdown.
    "-Dcassandra.shutdown_announce_in_ms=0",
    "-XX:+ExitOnOutOfMemoryError",
    // No file in the system's temporary directory, which a killed process would leave behind.
    "-XX:+PerfDisableSharedMem",
];

/// The collector as Cassandra's own options file for Java 17 sets it.
const G1: [&str; 6] = [
    "-XX:+UseG1GC",
    "-XX:+ParallelRefProcEnabled",
    "-XX:MaxTenuringThreshold=1",
    "-XX:G1RSetUpdatingPauseTimePercent=5",
    "-XX:MaxGCPauseMillis=300",
    "-XX:InitiatingHeapOccupancyPercent=70",
];

const LOGBACK: &str = r#"<configuration scan="false">
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"#;

/// Cassandra's `cassandra_latest.yaml` as far as it concerns storage, and batches without warnings.
const BENCH: &str = "memtable:
  configurations:
    skiplist: {class_name: SkipListMemtable}
    trie: {class_name: TrieMemtable}
    default: {inherits: trie}
memtable_allocation_type: offheap_objects
storage_compatibility_mode: NONE
sstable:
  selected_format: bti
default_compaction:
  class_name: UnifiedCompactionStrategy
  parameters: {scaling_parameters: T4, max_sstables_to_compact: 64, target_sstable_size: 1GiB, sstable_growth: 0.3333333333333333, min_sstable_size: 100MiB}
commitlog_disk_access_mode: auto
concurrent_writes: 16
key_cache_size: 0MiB
batch_size_warn_threshold: 64KiB
batch_size_fail_threshold: 640KiB
unlogged_batch_across_partitions_warn_threshold: 1000
";

/// Writes the configuration and says how to start the node.
pub(crate) fn prepare(
    options: &StackOptions,
    artifacts: &Artifacts,
    port: u16,
    storage_port: u16,
) -> Result<Launch, StackError> {
    let dir = options.data_dir.join("cassandra");
    let temporary = dir.join("tmp");
    node::empty_directory(&temporary).map_err(StackError::file(&temporary))?;
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(StackError::file(&path))
    };
    write("cassandra.yaml", &yaml(options, &dir, port, storage_port))?;
    write("logback.xml", LOGBACK)?;

    let mut arguments: Vec<OsString> = JVM.iter().map(OsString::from).collect();
    let profile: &[&str] = match options.profile {
        Profile::Test => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        Profile::Demo => &["-XX:+UseSerialGC"],
        Profile::Bench => &G1,
    };
    arguments.extend(profile.iter().map(OsString::from));
    arguments.push(format!("-Xms{}m", options.cassandra_heap_mib).into());
    arguments.push(format!("-Xmx{}m", options.cassandra_heap_mib).into());
    let with_path = |flag: &str, path: &Path| {
        let mut argument = OsString::from(flag);
        argument.push(path);
        argument
    };
    if let Some(jamm) = class_path::jar(&CASSANDRA, &artifacts.cassandra, "jamm-") {
        // Measures what memtables hold, which decides when they are flushed.
        arguments.push(with_path("-javaagent:", &jamm));
    }
    arguments.push(with_path("-Djava.io.tmpdir=", &temporary));
    arguments.push(with_path("-Djna.tmpdir=", &temporary));
    arguments.push(with_path("-Dcassandra.storagedir=", &dir.join("data")));
    // Relative to the working directory, so that no character of its path needs escaping in an address.
    arguments.push("-Dcassandra.config=file:cassandra.yaml".into());
    arguments.push("-Dlogback.configurationFile=file:logback.xml".into());
    arguments.push("-cp".into());
    arguments.push(class_path::of(&CASSANDRA, &artifacts.cassandra));
    arguments.push("org.apache.cassandra.service.CassandraDaemon".into());
    Ok(Launch {
        what: "Cassandra",
        java: artifacts.java.clone(),
        arguments,
        // The C library otherwise keeps an arena of memory for each of the many threads.
        environment: &[("MALLOC_ARENA_MAX", "4")],
        dir,
        log: options.data_dir.join("logs/cassandra.log"),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        proxied: None,
        internal_ports: vec![storage_port],
        answers: probe::cassandra_answers,
        ready_within: options.ready_within,
    })
}

fn yaml(options: &StackOptions, dir: &Path, port: u16, storage_port: u16) -> String {
    // A JSON string is a YAML string.
    let data = |name: &str| serde_json::Value::from(dir.join("data").join(name).to_string_lossy()).to_string();
    let mut text = format!(
        "cluster_name: sluice
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
num_tokens: 1
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: {storage_port}
native_transport_port: {port}
start_native_transport: true
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"127.0.0.1:{storage_port}\"
data_file_directories: [{}]
commitlog_directory: {}
saved_caches_directory: {}
hints_directory: {}
cdc_raw_directory: {}
cdc_enabled: false
commitlog_sync: periodic
commitlog_sync_period: 10s
auto_snapshot: false
",
        data("data"),
        data("commitlog"),
        data("saved_caches"),
        data("hints"),
        data("cdc_raw"),
    );
    if options.profile == Profile::Bench {
        text.push_str(BENCH);
    }
    for (name, value) in &options.cassandra_yaml {
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}
