//! One stack for all tests of this process. It ends with the process, however that ends.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fault_proxy::{Protocol, Proxy};
use local_stack::{Artifacts, Profile, Stack, StackOptions};

/// The servers' jars, fetched at the first use on a machine.
pub fn artifacts() -> &'static Artifacts {
    static ARTIFACTS: OnceLock<Artifacts> = OnceLock::new();
    ARTIFACTS.get_or_init(|| Artifacts::ensure(|_| {}).expect("Kafka and Cassandra can be fetched"))
}

/// The stack; the first caller starts it.
pub fn stack() -> &'static Stack {
    &servers().0
}

/// The proxy that the broker tells those clients who come through it.
pub(crate) fn kafka_proxy() -> &'static Proxy {
    &servers().1
}

fn servers() -> &'static (Stack, Proxy) {
    static SERVERS: OnceLock<(Stack, Proxy)> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let proxy = local_stack::port::free(&[]).expect("a free port");
        let mut options = StackOptions::new(data_folder("end-to-end"), Profile::Test).with_rows_kept_at_a_kill();
        options.kafka_proxied = Some(proxy);
        // Tests that kill a member do not wait for its session as long as users may.
        options.kafka_properties.push(("group.min.session.timeout.ms".to_owned(), "1000".to_owned()));
        let stack = Stack::start(&options, artifacts()).expect("Kafka and Cassandra start");
        let upstream = stack.kafka().proxied_upstream().expect("a listener for the proxy");
        (stack, Proxy::start_on(proxy, Protocol::Kafka, upstream).expect("the proxy"))
    })
}

/// An empty folder of this process below the build's own. What killed processes left behind is removed.
pub fn data_folder(name: &str) -> PathBuf {
    let stacks = target().join("stacks");
    let own = stacks.join(format!("{}-{name}", std::process::id()));
    std::fs::create_dir_all(&own).expect("a folder for the stack's data");
    for entry in std::fs::read_dir(&stacks).expect("the folder of the stacks") {
        let path = entry.expect("its entry").path();
        let owner = path.file_name().and_then(|name| name.to_str()?.split('-').next());
        let lives = owner.is_some_and(|pid| Path::new("/proc").join(pid).exists());
        if !lives {
            // Another test may remove it at the same time.
            drop(std::fs::remove_dir_all(&path));
        }
    }
    own
}

/// A binary of the workspace.
pub fn program(name: &str) -> PathBuf {
    target().join(name)
}

/// The build's folder with the binaries: the test's own is in its `deps`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps").to_owned()
}
