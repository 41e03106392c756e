//! Which build this is.

/// The version of every crate of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The revision it was built from, where the build was told one (`SLUICE_REVISION`).
pub const REVISION: &str = match option_env!("SLUICE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
