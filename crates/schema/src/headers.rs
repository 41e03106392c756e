//! Every header name of the contract, in one place.

use std::borrow::Cow;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// Every name of this page, so that a consumed record allocates none of them.
        pub const ALL: &[&str] = &[$($text),*];

        /// The name as one of the contract's constants where it is one, else a copy.
        pub fn interned(name: &str) -> Cow<'static, str> {
            match name {
                $($text => Cow::Borrowed($text),)*
                _ => Cow::Owned(name.to_owned()),
            }
        }
    };
}

names! {
    /// `<run.id>/<page>/<index>`.
    EVENT_ID = "event.id";
    /// The row's write timestamp in microseconds.
    EVENT_VERSION_US = "event.version_us";
    /// The schema's name and version; absent on the flat dialect.
    SCHEMA_ID = "schema.id";
    /// UUIDv7 of the producer's run.
    RUN_ID = "run.id";
    /// `randomuser:<seed>/<page>/<index>`.
    SOURCE = "source";
    /// W3C trace context.
    TRACEPARENT = "traceparent";

    /// Version of the dead-letter headers, `1`.
    DLQ_V = "dlq.v";
    /// The dead letter's id.
    DLQ_ID = "dlq.id";
    /// Where the record failed.
    DLQ_STAGE = "dlq.stage";
    /// Why the record failed.
    DLQ_REASON = "dlq.reason";
    /// `true` or `false`.
    DLQ_RETRYABLE = "dlq.retryable";
    /// A stable label, finer than the reason.
    DLQ_ERROR_TYPE = "dlq.error.type";
    /// Text that never holds a field's value.
    DLQ_ERROR_MESSAGE = "dlq.error.message";
    /// JSON list of pointer and rule.
    DLQ_ERROR_DETAILS = "dlq.error.details";
    /// Rule ids, comma-separated.
    DLQ_RULE_IDS = "dlq.rule.ids";
    /// 16 hexadecimal digits, the same for every record that fails alike.
    DLQ_FINGERPRINT = "dlq.fingerprint";
    /// How often the record failed.
    DLQ_ATTEMPTS = "dlq.attempts";
    /// RFC 3339, UTC, microseconds.
    DLQ_FIRST_FAILED_AT = "dlq.first.failed.at";
    /// RFC 3339, UTC, microseconds.
    DLQ_FAILED_AT = "dlq.failed.at";
    /// The topic the record was read from, or was meant for.
    DLQ_SOURCE_TOPIC = "dlq.source.topic";
    /// Its partition.
    DLQ_SOURCE_PARTITION = "dlq.source.partition";
    /// Its offset.
    DLQ_SOURCE_OFFSET = "dlq.source.offset";
    /// Its timestamp in milliseconds.
    DLQ_SOURCE_TIMESTAMP = "dlq.source.timestamp";
    /// The consumer group that read it.
    DLQ_SOURCE_GROUP = "dlq.source.group";
    /// The service that gave up on it.
    DLQ_APP = "dlq.app";
    /// That service's version.
    DLQ_APP_VERSION = "dlq.app.version";
    /// The run of the producer that made it.
    DLQ_RUN_ID = "dlq.run.id";
    /// How long the value was that the topic of dead letters did not take; the letter's own value is null then.
    DLQ_VALUE_OMITTED_BYTES = "dlq.value.omitted.bytes";

    /// Kafka Connect: the topic.
    CONNECT_TOPIC = "__connect.errors.topic";
    /// Kafka Connect: the partition.
    CONNECT_PARTITION = "__connect.errors.partition";
    /// Kafka Connect: the offset.
    CONNECT_OFFSET = "__connect.errors.offset";
    /// Kafka Connect: the connector; here the service.
    CONNECT_CONNECTOR_NAME = "__connect.errors.connector.name";
    /// Kafka Connect: the task; here always 0.
    CONNECT_TASK_ID = "__connect.errors.task.id";
    /// Kafka Connect: the stage, one of its own names.
    CONNECT_STAGE = "__connect.errors.stage";
    /// Kafka Connect: the class that failed; here service and stage.
    CONNECT_CLASS_NAME = "__connect.errors.class.name";
    /// Kafka Connect: the exception's class; here reason and error type.
    CONNECT_EXCEPTION_CLASS_NAME = "__connect.errors.exception.class.name";
    /// Kafka Connect: the exception's message.
    CONNECT_EXCEPTION_MESSAGE = "__connect.errors.exception.message";
    /// Kafka Connect: the stack trace; here a line per violated rule.
    CONNECT_EXCEPTION_STACKTRACE = "__connect.errors.exception.stacktrace";

    /// The replay job.
    REPLAY_ID = "replay.id";
    /// The dead letter that was replayed.
    REPLAY_DLQ_ID = "replay.dlq.id";
    /// How often the record was replayed, this time included.
    REPLAY_COUNT = "replay.count";
    /// `dlq.first.failed.at` of the first dead letter.
    REPLAY_FIRST_FAILED_AT = "replay.first.failed.at";
    /// When it was replayed.
    REPLAY_AT = "replay.at";
    /// Who replayed it.
    REPLAY_BY = "replay.by";
    /// Why it was replayed.
    REPLAY_REASON = "replay.reason";
    /// SHA-256 of the patch that was applied, where one was.
    REPLAY_PATCH_SHA256 = "replay.patch.sha256";
}

/// Whether the name is one that a dead letter of ours sets, and so replaces.
pub fn is_dead_letter_header(name: &str) -> bool {
    (name.starts_with("dlq.") || name.starts_with("__connect.errors.")) && ALL.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_interned_and_foreign_ones_are_kept() {
        for name in ALL {
            assert!(matches!(interned(name), Cow::Borrowed(interned) if interned == *name));
        }
        assert_eq!(interned("foreign"), Cow::<str>::Owned("foreign".to_owned()));
    }

    #[test]
    fn only_names_that_we_set_are_replaced() {
        let ours = ALL.iter().filter(|name| is_dead_letter_header(name)).count();
        assert_eq!(ours, 22 + 10);
        for foreign in ["dlq.foreign", "__connect.errors.foreign", "event.id", "replay.id", "kafka_dlt-original-topic"]
        {
            assert!(!is_dead_letter_header(foreign), "{foreign}");
        }
    }
}
