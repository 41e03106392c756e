//! What a Kafka error means for us: wait, rejoin, mend the configuration, refuse the record, or end.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The broker may recover; the same request may succeed later.
    Retry,
    /// The group has moved on: our assignment is void, the client joins again by itself.
    Rejoin,
    /// A setting, a permission or a topic is wrong; a person has to mend it.
    Misconfigured,
    /// The record itself can never be accepted.
    Rejected,
    /// The client cannot go on; only a new process can.
    Fatal,
}

/// The class of a client error.
pub fn class(error: &KafkaError) -> Class {
    match error.rdkafka_error_code() {
        Some(code) => class_of_code(code),
        // Errors without a code come from building a client, a list or a C string: our own input.
        None => Class::Misconfigured,
    }
}

/// The class of a protocol or client error code.
///
/// The enum is the broker's and grows with it; what is not listed is waited out, because giving up on an unknown error could
/// lose a record and waiting cannot.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the protocol's enum has 150 members and grows; the default is the safe one"
)]
pub fn class_of_code(code: RDKafkaErrorCode) -> Class {
    use RDKafkaErrorCode as C;
    match code {
        C::UnknownMemberId
        | C::IllegalGeneration
        | C::FencedInstanceId
        | C::FencedMemberEpoch
        | C::RebalanceInProgress
        | C::AssignmentLost
        | C::PollExceeded => Class::Rejoin,
        C::Authentication
        | C::SaslAuthenticationFailed
        | C::UnsupportedSASLMechanism
        | C::IllegalSASLState
        | C::SSL
        | C::TopicAuthorizationFailed
        | C::GroupAuthorizationFailed
        | C::ClusterAuthorizationFailed
        | C::TransactionalIdAuthorizationFailed
        | C::UnknownTopic
        | C::UnknownTopicOrPartition
        | C::UnknownPartition
        | C::InvalidTopic
        | C::InvalidConfig
        | C::InvalidGroupId
        | C::InvalidSessionTimeout
        | C::InconsistentGroupProtocol
        | C::UnsupportedVersion
        | C::UnsupportedFeature
        | C::NotConfigured
        | C::InvalidArgument => Class::Misconfigured,
        C::MessageSizeTooLarge
        | C::MessageBatchTooLarge
        | C::InvalidMessage
        | C::InvalidMessageSize
        | C::InvalidRecord
        | C::InvalidTimestamp
        | C::PolicyViolation
        | C::UnsupportedForMessageFormat => Class::Rejected,
        C::Fatal | C::Fenced | C::ProducerFenced | C::InvalidProducerEpoch | C::CriticalSystemResource => Class::Fatal,
        _ => Class::Retry,
    }
}

/// A client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A setting that the client library refuses.
    #[error("the Kafka client cannot be built: {0}")]
    Config(#[source] KafkaError),
    /// The thread of the client could not be started.
    #[error("a thread of the Kafka client cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// A request to the cluster failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct RequestError {
    /// What was asked for.
    pub what: &'static str,
    /// What the client said.
    #[source]
    pub source: KafkaError,
}

impl RequestError {
    /// What is to be done about it.
    pub fn class(&self) -> Class {
        class(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_never_a_reason_to_refuse_a_record() {
        for code in [
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::NotEnoughReplicas,
            RDKafkaErrorCode::LeaderNotAvailable,
            RDKafkaErrorCode::RequestTimedOut,
            RDKafkaErrorCode::KafkaStorageError,
        ] {
            assert_eq!(class_of_code(code), Class::Retry, "{code:?}");
        }
    }

    #[test]
    fn a_void_assignment_is_rejoined_not_retried() {
        for code in
            [RDKafkaErrorCode::UnknownMemberId, RDKafkaErrorCode::IllegalGeneration, RDKafkaErrorCode::FencedInstanceId]
        {
            assert_eq!(class_of_code(code), Class::Rejoin, "{code:?}");
        }
    }
}
