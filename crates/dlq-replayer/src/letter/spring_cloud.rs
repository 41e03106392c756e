//! Spring Cloud Stream: `KafkaMessageChannelBinder` of spring-cloud/spring-cloud-stream-binder-kafka adds its headers behind
//! those of the record. Text is UTF-8; partition is a Java `int`, offset and timestamp are a Java `long`, the highest byte
//! first. With `headerMode=embeddedHeaders` they are inside the value, and the letter is not understood.

use schema::record::Headers;

use super::told::{self, Family, Told};
use super::{Dialect, Source};

const TOPIC: &str = "x-original-topic";
const PARTITION: &str = "x-original-partition";
const OFFSET: &str = "x-original-offset";
const TIMESTAMP: &str = "x-original-timestamp";
const TIMESTAMP_TYPE: &str = "x-original-timestamp-type";
const EXCEPTION: &str = "x-exception-fqcn";
const MESSAGE: &str = "x-exception-message";
const STACKTRACE: &str = "x-exception-stacktrace";

pub(super) const FAMILY: Family = Family {
    dialect: Dialect::SpringCloud,
    names: &[TOPIC, PARTITION, OFFSET, TIMESTAMP, TIMESTAMP_TYPE, EXCEPTION, MESSAGE, STACKTRACE],
    read,
};

fn read(headers: &Headers) -> Told {
    Told {
        source: Source {
            topic: told::topic(headers, TOPIC),
            partition: told::int(headers, PARTITION),
            offset: told::long(headers, OFFSET),
            timestamp_ms: told::long(headers, TIMESTAMP),
        },
        error_type: told::text(headers, EXCEPTION),
        error_message: told::text(headers, MESSAGE),
        attempts: None,
    }
}
