//! The client library's own messages, as log lines of ours.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::error::{Class, class};

/// A log line of the client library.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        // The library calls a lost connection an error; whether it matters is decided where a request fails.
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        // The committed offset is not there any more: retention was faster than we, or the topic is another one.
        RDKafkaLogLevel::Warning if facility == "OFFSET" => tracing::warn!(target: "librdkafka", "{message}"),
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::debug!(target: "librdkafka", facility, "{message}")
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::trace!(target: "librdkafka", facility, "{message}");
        }
    }
}

/// A global error of the client. Lost connections are the client's to mend, and whoever needs the broker tells that it is
/// away; what a person has to mend is told here.
pub(crate) fn error(error: &KafkaError, reason: &str) {
    if class(error) == Class::Retry {
        tracing::debug!(target: "librdkafka", %error, reason, "kafka client reports a problem");
    } else {
        tracing::warn!(target: "librdkafka", %error, reason, "kafka client reports a problem");
    }
}
