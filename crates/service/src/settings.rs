//! Settings: one catalogue of every variable, one reader, every problem at once.
//!
//! The environment is read here and nowhere else; a crate asks the [`Reader`] for its variables by name.

pub mod catalogue;
mod effective;
mod problem;
mod reader;
mod secret;
mod source;
mod variables;

pub use effective::{Effective, Warning};
pub use problem::{Problem, SettingsError};
pub use reader::Reader;
pub use secret::Secret;
