//! Places in the checkout.

use std::path::{Path, PathBuf};

/// The root of the checkout this program was built from.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}

/// The numbered DDL.
pub(crate) fn cql() -> PathBuf {
    root().join("cql")
}

/// Where runs of `torture` keep their evidence.
pub(crate) fn torture_dir() -> PathBuf {
    root().join("target").join("torture")
}

/// Where benchmarks keep their servers' data, the contenders and the logs.
pub(crate) fn bench_dir() -> PathBuf {
    root().join("target").join("bench")
}

/// Where the results of benchmarks are kept.
pub(crate) fn bench_results() -> PathBuf {
    root().join("bench").join("results")
}

/// Where a stack keeps what it has; git ignores it.
pub(crate) fn data_dir() -> PathBuf {
    root().join(".sluice")
}
