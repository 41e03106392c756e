//! SmallRye Reactive Messaging (Quarkus): `KafkaDeadLetterQueue` of smallrye/smallrye-reactive-messaging writes its headers, all
//! of them text, **before** those of the record. So of a name that occurs twice the first is this failure's.

use schema::record::{Header, Headers};

use super::told::{self, Family, Told};
use super::{Dialect, Source};

const EXCEPTION: &str = "dead-letter-exception-class-name";
const REASON: &str = "dead-letter-reason";
const CAUSE_EXCEPTION: &str = "dead-letter-cause-class-name";
const CAUSE: &str = "dead-letter-cause";
const TOPIC: &str = "dead-letter-topic";
const PARTITION: &str = "dead-letter-partition";
const OFFSET: &str = "dead-letter-offset";

pub(super) const FAMILY: Family = Family {
    dialect: Dialect::SmallRye,
    names: &[EXCEPTION, REASON, CAUSE_EXCEPTION, CAUSE, TOPIC, PARTITION, OFFSET],
    read,
};

fn read(all: &Headers) -> Told {
    let mut newest: Vec<Header> = Vec::new();
    for header in all {
        if FAMILY.names.contains(&&*header.name) && newest.iter().all(|known| known.name != header.name) {
            newest.push(header.clone());
        }
    }
    let headers: Headers = newest.into_iter().collect();
    Told {
        source: Source {
            topic: told::topic(&headers, TOPIC),
            partition: told::partition(&headers, PARTITION),
            offset: told::offset(&headers, OFFSET),
            timestamp_ms: None,
        },
        error_type: told::text(&headers, EXCEPTION),
        error_message: told::text(&headers, REASON),
        attempts: None,
    }
}
