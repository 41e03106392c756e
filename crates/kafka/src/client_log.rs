//! The client library's own messages, as log lines of ours.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// A log line of the client library.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        // The library calls a lost connection an error; whether it matters is decided where a request fails.
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::debug!(target: "librdkafka", facility, "{message}")
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::trace!(target: "librdkafka", facility, "{message}");
        }
    }
}

/// A global error of the client: brokers away, authentication refused.
pub(crate) fn error(error: &KafkaError, reason: &str) {
    tracing::warn!(target: "librdkafka", error = %error, reason, "kafka client reports a problem");
}
