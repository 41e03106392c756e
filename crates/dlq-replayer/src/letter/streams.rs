//! Kafka Streams from 4.2 on (KIP-1034): `ExceptionHandlerUtils` of apache/kafka adds six headers behind those of the record,
//! all of them text, and publishes the source's own bytes.

use schema::record::Headers;

use super::Dialect;
use super::told::{self, Family, Told};

const EXCEPTION: &str = "__streams.errors.exception";
const STACKTRACE: &str = "__streams.errors.stacktrace";
const MESSAGE: &str = "__streams.errors.message";
const TOPIC: &str = "__streams.errors.topic";
const PARTITION: &str = "__streams.errors.partition";
const OFFSET: &str = "__streams.errors.offset";

pub(super) const FAMILY: Family =
    Family { dialect: Dialect::Streams, names: &[EXCEPTION, STACKTRACE, MESSAGE, TOPIC, PARTITION, OFFSET], read };

fn read(headers: &Headers) -> Told {
    Told {
        source: told::source(headers, TOPIC, PARTITION, OFFSET),
        error_type: told::text(headers, EXCEPTION),
        error_message: told::text(headers, MESSAGE),
        attempts: None,
    }
}
