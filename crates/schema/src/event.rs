//! One user of one page, as an event: where it came from and which version of its row it is.

use std::sync::Arc;

use uuid::Uuid;

use crate::headers;
use crate::record::Headers;
use crate::version::VersionMicros;

/// The `schema.id` that this version writes and reads.
pub const SCHEMA_USER_1: &str = "user/1";

/// Coordinates and version of one user of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// UUIDv7 of the run.
    pub run_id: Uuid,
    /// The API's seed.
    pub seed: Arc<str>,
    /// The API's page, from 1.
    pub page: u32,
    /// The user's place in the page, from 0.
    pub index: u32,
    /// Assigned once, here, and never again.
    pub version: VersionMicros,
}

impl Event {
    /// `<run.id>/<page>/<index>`.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.run_id, self.page, self.index)
    }

    /// `randomuser:<seed>/<page>/<index>`.
    pub fn source(&self) -> String {
        format!("randomuser:{}/{}/{}", self.seed, self.page, self.index)
    }

    /// `event.id`, `event.version_us`, `schema.id`, `run.id`, `source`.
    pub fn headers(&self) -> Headers {
        // One more place, for the trace context.
        let mut headers = Headers::with_capacity(6);
        headers.push(headers::EVENT_ID, self.id());
        headers.push(headers::EVENT_VERSION_US, self.version.to_string());
        headers.push(headers::SCHEMA_ID, SCHEMA_USER_1);
        headers.push(headers::RUN_ID, self.run_id.to_string());
        headers.push(headers::SOURCE, self.source());
        headers
    }
}

/// Seed, page and index of an [`Event::source`]; none of any other text. A seed may hold any character.
pub fn coordinates(source: &str) -> Option<(&str, u32, u32)> {
    let mut parts = source.strip_prefix("randomuser:")?.rsplitn(3, '/');
    let index = parts.next()?.parse().ok()?;
    let page = parts.next()?.parse().ok()?;
    Some((parts.next()?, page, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinates_of_a_source_are_those_that_it_was_made_of() {
        for seed in ["abc", "a/b", ""] {
            let event = Event {
                run_id: Uuid::nil(),
                seed: seed.into(),
                page: 12,
                index: 0,
                version: VersionMicros::new(5).expect("a version"),
            };
            assert_eq!(coordinates(&event.source()), Some((seed, 12, 0)));
        }
        for other in ["", "user_data/3/1042", "randomuser:abc", "randomuser:abc/1", "randomuser:abc/x/1"] {
            assert_eq!(coordinates(other), None, "{other}");
        }
    }
}
