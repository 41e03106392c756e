//! The process skeleton of every service: settings, telemetry, shutdown, admin HTTP, supervision, backoff.
//!
//! A binary's `main` hands its service to the skeleton and is a table of contents; what the service does is a function of its
//! settings, so a test drives the same function as the process.

pub mod admin;
pub mod backoff;
pub mod exit;
pub mod health;
pub mod metrics;
pub mod process;
pub mod settings;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod version;

pub use exit::Exit;
