//! The class path of a server: the jars of its lock in the lock's order, whatever else the directory holds.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::jar_lock;

/// The value of `-cp` for a server whose jars are in `home/lib`.
pub(crate) fn of(component: &Component, home: &Path) -> OsString {
    let mut text = OsString::new();
    for jar in jar_lock::jars(component.lock) {
        if !text.is_empty() {
            text.push(":");
        }
        text.push(home.join("lib").join(jar.file_name()));
    }
    text
}

/// The one jar of the lock whose file name begins with `prefix`.
pub(crate) fn jar(component: &Component, home: &Path, prefix: &str) -> Option<PathBuf> {
    jar_lock::jars(component.lock)
        .find(|jar| jar.file_name().starts_with(prefix))
        .map(|jar| home.join("lib").join(jar.file_name()))
}
