//! How far a job is.

use serde::Serialize;

use crate::report::Report;

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has not published anything yet.
    #[default]
    Preparing,
    /// It publishes.
    Publishing,
    /// It waits until what it has replayed is processed.
    Waiting,
    /// It is over.
    Done,
}

/// The counts of a job under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What the job is at.
    pub phase: Phase,
    /// The counts so far.
    #[serde(flatten)]
    pub report: Report,
}
