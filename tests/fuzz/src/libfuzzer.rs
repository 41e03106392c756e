//! The process that libFuzzer drives: `fuzz --target=<name> [libFuzzer's own options] <corpus>`.
#![no_main]
#![expect(clippy::panic, reason = "a target that is not there is told before anything runs")]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

/// libFuzzer passes over what begins with two hyphens.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::args().find_map(|argument| argument.strip_prefix("--target=").map(str::to_owned));
    let target = name.as_deref().and_then(Target::named);
    target.unwrap_or_else(|| {
        panic!("--target= is one of {:?}", TARGETS.iter().map(|target| target.name).collect::<Vec<_>>())
    })
});

fuzz_target!(|input: &[u8]| TARGET.take(input));
