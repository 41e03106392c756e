//! One stack for all tests of this process. It ends with the process, however that ends.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use local_stack::{Artifacts, Profile, Stack, StackOptions};

/// The servers' jars, fetched at the first use on a machine.
pub fn artifacts() -> &'static Artifacts {
    static ARTIFACTS: OnceLock<Artifacts> = OnceLock::new();
    ARTIFACTS.get_or_init(|| Artifacts::ensure(|_| {}).expect("Kafka and Cassandra can be fetched"))
}

/// The stack; the first caller starts it.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let folder = data_folder("end-to-end");
        Stack::start(&StackOptions::new(folder, Profile::Test), artifacts()).expect("Kafka and Cassandra start")
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

/// The build's folder with the binaries: the test's own is in its `deps`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps").to_owned()
}
