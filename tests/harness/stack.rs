//! One stack for all tests of this process. It ends with the process, however that ends.

use std::path::PathBuf;
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

/// An empty folder below the build's own, so that a killed run leaves nothing elsewhere.
pub fn data_folder(name: &str) -> PathBuf {
    let folder = target().join("stacks").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the data of an earlier run can be removed");
    }
    std::fs::create_dir_all(&folder).expect("a folder for the stack's data");
    folder
}

/// The build's folder with the binaries: the test's own is in its `deps`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps").to_owned()
}
