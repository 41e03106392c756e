//! The producer's whole pure part: one raw user of the API to the record that is published.

use std::sync::Arc;

use crate::api_user::ApiUser;
use crate::event::Event;
use crate::fault::Fault;
use crate::json::{Shape, read_object};
use crate::reason::{Reason, Stage};
use crate::record::NewRecord;
use crate::rules::{self, Level};

/// Maps, cleans, judges (level 1) and serialises one user. Partition and timestamp are left to Kafka's client.
///
/// # Errors
///
/// The fault says why this user can never be published unchanged; all of its violations are collected.
pub fn record_of(raw_user: &str, event: &Event, topic: &Arc<str>) -> Result<NewRecord, Box<Fault>> {
    let document: ApiUser<'_> = read_object(raw_user.as_bytes(), Stage::Validate)?;
    let mut shape = Shape::default();
    let user = document.into_user(&mut shape);
    if let Some(fault) = shape.into_fault(Stage::Validate) {
        return Err(fault);
    }
    let id = rules::judge(&user, &Level::one(event.version.day()))
        .map_err(|violations| rules::fault(Stage::Validate, violations))?;
    let mut value = Vec::with_capacity(raw_user.len());
    // The error's own text could quote the user.
    serde_json::to_writer(&mut value, &user).map_err(|_| {
        Box::new(Fault::new(Reason::Serialization, Stage::Encode, "json", "the user cannot be written as JSON"))
    })?;
    Ok(NewRecord {
        topic: Arc::clone(topic),
        partition: None,
        timestamp_ms: None,
        key: Some(id.to_string().into_bytes()),
        value: Some(value),
        headers: event.headers(),
    })
}
