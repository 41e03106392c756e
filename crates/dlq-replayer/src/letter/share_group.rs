//! Share groups (KIP-1191): the broker's `ShareGroupDLQStateManager` of apache/kafka writes six headers, all of them text.
//!
//! Key and value are the record's only where the group copies them (`errors.deadletterqueue.copy.record.enable`), and its
//! headers never are: the record that failed has to be fetched from where it was.

use schema::record::Headers;

use super::Dialect;
use super::told::{self, Family, Told};

const TOPIC: &str = "__dlq.errors.topic";
const PARTITION: &str = "__dlq.errors.partition";
const OFFSET: &str = "__dlq.errors.offset";
const GROUP: &str = "__dlq.errors.group";
const DELIVERY_COUNT: &str = "__dlq.errors.delivery.count";
const MESSAGE: &str = "__dlq.errors.message";

pub(super) const FAMILY: Family =
    Family { dialect: Dialect::ShareGroup, names: &[TOPIC, PARTITION, OFFSET, GROUP, DELIVERY_COUNT, MESSAGE], read };

/// A topic that the broker no longer knows by name is written by its id, which is the name of no topic that is replayed to.
fn read(headers: &Headers) -> Told {
    Told {
        source: told::source(headers, TOPIC, PARTITION, OFFSET),
        error_type: None,
        error_message: told::text(headers, MESSAGE),
        attempts: headers.text(DELIVERY_COUNT).and_then(told::number),
    }
}
