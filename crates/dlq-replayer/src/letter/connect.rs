//! Kafka Connect's sink connectors: `DeadLetterQueueReporter` of apache/kafka adds ten headers behind those of the record,
//! all of them text, and publishes the record's own bytes.

use schema::headers;
use schema::record::Headers;

use super::Dialect;
use super::told::{self, Family, Told};

pub(super) const FAMILY: Family = Family {
    dialect: Dialect::Connect,
    names: &[
        headers::CONNECT_TOPIC,
        headers::CONNECT_PARTITION,
        headers::CONNECT_OFFSET,
        headers::CONNECT_CONNECTOR_NAME,
        headers::CONNECT_TASK_ID,
        headers::CONNECT_STAGE,
        headers::CONNECT_CLASS_NAME,
        headers::CONNECT_EXCEPTION_CLASS_NAME,
        headers::CONNECT_EXCEPTION_MESSAGE,
        headers::CONNECT_EXCEPTION_STACKTRACE,
    ],
    read,
};

/// Of headers that occur twice the last one wins, as in `Headers::text`.
fn read(headers: &Headers) -> Told {
    Told {
        source: told::source(headers, headers::CONNECT_TOPIC, headers::CONNECT_PARTITION, headers::CONNECT_OFFSET),
        error_type: told::text(headers, headers::CONNECT_EXCEPTION_CLASS_NAME),
        error_message: told::text(headers, headers::CONNECT_EXCEPTION_MESSAGE),
        attempts: None,
    }
}
