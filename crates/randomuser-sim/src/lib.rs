//! A RandomUser API of its own, for offline use, tests and load.
//!
//! It behaves as version 1.4 does, silent fallbacks and rate limit included, and answers the same request with the same users
//! on any day and any machine; only ages follow the calendar. Faults are ordered over HTTP (`/faults`), never at random.
//!
//! Who reads for the first time: [`asked`] is what a request means, [`answer`] what is said to it, [`catalogue`] who the users
//! are, [`fault`] and [`hostile`] what can be made to go wrong.
//!
//! Known differences from the public API: the people are others; the answer is JSON whatever `format` says; an 18-character
//! seed is a seed like any other (there its last two characters pick a nationality and the echoed seed is longer than the one
//! that was asked for); the login's digests are made up.

pub mod answer;
pub mod asked;
mod body;
pub mod catalogue;
mod draw;
pub mod fault;
pub mod field;
pub mod hostile;
mod http;
pub mod limit;
pub mod nationality;
pub mod settings;
pub mod simulator;
pub mod stats;
mod transliteration;
pub mod words;

use service::shutdown::Shutdown;

pub use catalogue::Catalogue;
pub use hostile::{Kind, Share, hostile_kind};
pub use settings::Settings;
pub use simulator::{Running, Simulator, SimulatorError};

/// Serves until the shutdown is requested.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), SimulatorError> {
    let simulator = Simulator::bind(settings, shutdown).await?;
    tracing::info!(
        address = %simulator.address(),
        limit_users = settings.limit.users,
        limit_window_seconds = settings.limit.window.as_secs_f64(),
        "serving users"
    );
    simulator.serve().await
}
