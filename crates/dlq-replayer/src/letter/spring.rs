//! Spring Kafka: `DeadLetterPublishingRecoverer` of spring-projects/spring-kafka adds its headers behind those of the record.
//! Text is UTF-8; partition is a Java `int`, offset and timestamp are a Java `long`, the highest byte first.

use schema::record::Headers;

use super::told::{self, Family, Told};
use super::{Dialect, Source};

const TOPIC: &str = "kafka_dlt-original-topic";
const PARTITION: &str = "kafka_dlt-original-partition";
const OFFSET: &str = "kafka_dlt-original-offset";
const TIMESTAMP: &str = "kafka_dlt-original-timestamp";
const TIMESTAMP_TYPE: &str = "kafka_dlt-original-timestamp-type";
const CONSUMER_GROUP: &str = "kafka_dlt-original-consumer-group";
const EXCEPTION: &str = "kafka_dlt-exception-fqcn";
const CAUSE: &str = "kafka_dlt-exception-cause-fqcn";
const MESSAGE: &str = "kafka_dlt-exception-message";
const STACKTRACE: &str = "kafka_dlt-exception-stacktrace";
const KEY_EXCEPTION: &str = "kafka_dlt-key-exception-fqcn";
const KEY_MESSAGE: &str = "kafka_dlt-key-exception-message";
const KEY_STACKTRACE: &str = "kafka_dlt-key-exception-stacktrace";

pub(super) const FAMILY: Family = Family {
    dialect: Dialect::Spring,
    names: &[
        TOPIC,
        PARTITION,
        OFFSET,
        TIMESTAMP,
        TIMESTAMP_TYPE,
        CONSUMER_GROUP,
        EXCEPTION,
        CAUSE,
        MESSAGE,
        STACKTRACE,
        KEY_EXCEPTION,
        KEY_MESSAGE,
        KEY_STACKTRACE,
    ],
    read,
};

/// The exception is nearly always the listener's wrapper, so its cause tells more; a key that could not be read has headers of
/// its own.
fn read(headers: &Headers) -> Told {
    let first_of = |names: &[&str]| names.iter().find_map(|name| told::text(headers, name));
    Told {
        source: Source {
            topic: told::topic(headers, TOPIC),
            partition: told::int(headers, PARTITION),
            offset: told::long(headers, OFFSET),
            timestamp_ms: told::long(headers, TIMESTAMP),
        },
        error_type: first_of(&[CAUSE, EXCEPTION, KEY_EXCEPTION]),
        error_message: first_of(&[MESSAGE, KEY_MESSAGE]),
        attempts: None,
    }
}
