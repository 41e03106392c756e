//! A flat record of an older pipeline as the record of `user/1` that says the same.

use crate::fault::Fault;
use crate::flat::FlatDocument;
use crate::json::{Shape, read_object};
use crate::reason::{Reason, Stage};
use crate::rules::{self, Level};
use crate::version::VersionMicros;

/// Key and value of a record of `user/1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcast {
    /// The id, lower-case hyphenated.
    pub key: Vec<u8>,
    /// The user as JSON.
    pub value: Vec<u8>,
}

/// Reads, cleans and judges a flat value as the processor does (level 2), and writes it as `user/1`. Fields that the flat
/// dialect does not know are lost, as the processor passes over them.
///
/// # Errors
///
/// The fault that the processor would find in the flat record.
pub fn user_of(flat: &[u8], version: VersionMicros) -> Result<Upcast, Box<Fault>> {
    let document: FlatDocument<'_> = read_object(flat, Stage::Decode)?;
    let mut shape = Shape::default();
    let user = document.into_user(&mut shape);
    if let Some(fault) = shape.into_fault(Stage::Decode) {
        return Err(fault);
    }
    let id = rules::judge(&user, &Level::two(version.day()))
        .map_err(|violations| rules::fault(Stage::Quality, violations))?;
    // The error's own text could quote the user.
    let value = serde_json::to_vec(&user).map_err(|_| {
        Box::new(Fault::new(Reason::Serialization, Stage::Encode, "json", "the user cannot be written as JSON"))
    })?;
    Ok(Upcast { key: id.to_string().into_bytes(), value })
}
