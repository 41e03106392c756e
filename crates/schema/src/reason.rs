//! The closed sets of dead-letter reasons and stages, and the pairs of them that exist: metric labels as well as headers.

use std::fmt;
use std::str::FromStr;

/// A name that is none of a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}; accepted: {accepted}")]
pub struct UnknownName {
    /// What the name was to be.
    pub what: &'static str,
    /// The set, comma-separated.
    pub accepted: String,
}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// Every member, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the wire and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                match name {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownName { what: $what, accepted: [$($text),*].join(", ") }),
                }
            }
        }
    };
}

closed_set! {
    /// Why a record became a dead letter.
    Reason, "reason" {
        /// Not JSON, not UTF-8, empty.
        Deserialization = "deserialization",
        /// A null value, JSON but no object, a wrong type, headers that do not fit.
        SchemaViolation = "schema_violation",
        /// A `schema.id` that this version does not know.
        UnsupportedSchema = "unsupported_schema",
        /// A record of `user/1` without a key.
        MissingKey = "missing_key",
        /// A rule, also for an object that lacks what is required.
        QualityRule = "quality_rule",
        /// The event's version is too far ahead of the clock: it would freeze its row.
        TimestampInFuture = "timestamp_in_future",
        /// Too large for the topic.
        TooLarge = "too_large",
        /// Cannot be serialised.
        Serialization = "serialization",
        /// Refused by the broker for good.
        ProduceRejected = "produce_rejected",
        /// Cassandra refuses this row for good.
        WriteRejected = "write_rejected",
        /// This row keeps failing alone while others succeed.
        WriteExhausted = "write_exhausted",
        /// The attempts are used up at replay.
        ReplayLimit = "replay_limit",
        /// Late beyond a limit.
        TooLate = "too_late",
        /// A bug of ours, caught per record.
        Internal = "internal",
    }
}

closed_set! {
    /// Where a record failed.
    Stage, "stage" {
        /// Bytes to a user (processor), or a page's user to its shape (producer).
        Decode = "decode",
        /// Rules, level 1 (producer).
        Validate = "validate",
        /// Rules, level 2 (processor).
        Quality = "quality",
        /// A user to bytes.
        Encode = "encode",
        /// Bytes to the broker.
        Produce = "produce",
        /// A row to Cassandra.
        Write = "write",
    }
}

impl Reason {
    /// Whether the same record may succeed later, unchanged.
    pub const fn retryable(self) -> bool {
        match self {
            Self::WriteExhausted => true,
            Self::Deserialization
            | Self::SchemaViolation
            | Self::UnsupportedSchema
            | Self::MissingKey
            | Self::QualityRule
            | Self::TimestampInFuture
            | Self::TooLarge
            | Self::Serialization
            | Self::ProduceRejected
            | Self::WriteRejected
            | Self::ReplayLimit
            | Self::TooLate
            | Self::Internal => false,
        }
    }
}

impl Stage {
    /// The stage of Kafka Connect that its tools show in this one's place.
    pub const fn connect(self) -> &'static str {
        match self {
            Self::Decode => "VALUE_CONVERTER",
            Self::Validate => "TASK_POLL",
            Self::Quality => "TRANSFORMATION",
            Self::Encode | Self::Produce => "KAFKA_PRODUCE",
            Self::Write => "TASK_PUT",
        }
    }
}

/// The pairs of reason and stage that exist: the series of `sluice_dead_letters_total{reason,stage}` from the start.
pub const PAIRS: &[(Reason, Stage)] = &[
    (Reason::Deserialization, Stage::Decode),
    (Reason::SchemaViolation, Stage::Decode),
    (Reason::SchemaViolation, Stage::Validate),
    (Reason::UnsupportedSchema, Stage::Decode),
    (Reason::MissingKey, Stage::Decode),
    (Reason::QualityRule, Stage::Validate),
    (Reason::QualityRule, Stage::Quality),
    (Reason::TimestampInFuture, Stage::Validate),
    (Reason::TimestampInFuture, Stage::Quality),
    (Reason::TooLarge, Stage::Encode),
    (Reason::TooLarge, Stage::Produce),
    (Reason::Serialization, Stage::Encode),
    (Reason::Serialization, Stage::Produce),
    (Reason::ProduceRejected, Stage::Encode),
    (Reason::ProduceRejected, Stage::Produce),
    (Reason::WriteRejected, Stage::Write),
    (Reason::WriteExhausted, Stage::Write),
    (Reason::ReplayLimit, Stage::Decode),
    (Reason::ReplayLimit, Stage::Validate),
    (Reason::ReplayLimit, Stage::Quality),
    (Reason::ReplayLimit, Stage::Encode),
    (Reason::ReplayLimit, Stage::Produce),
    (Reason::ReplayLimit, Stage::Write),
    (Reason::TooLate, Stage::Decode),
    (Reason::TooLate, Stage::Validate),
    (Reason::TooLate, Stage::Quality),
    (Reason::TooLate, Stage::Encode),
    (Reason::TooLate, Stage::Produce),
    (Reason::TooLate, Stage::Write),
    (Reason::Internal, Stage::Decode),
    (Reason::Internal, Stage::Validate),
    (Reason::Internal, Stage::Quality),
    (Reason::Internal, Stage::Encode),
    (Reason::Internal, Stage::Produce),
    (Reason::Internal, Stage::Write),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused_with_the_set() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        for stage in Stage::ALL {
            assert_eq!(stage.to_string().parse(), Ok(*stage));
        }
        let error = "Write".parse::<Stage>().unwrap_err().to_string();
        assert_eq!(error, "not a stage; accepted: decode, validate, quality, encode, produce, write");
    }

    #[test]
    fn each_pair_is_listed_once_and_no_reason_or_stage_is_without_one() {
        let pairs: BTreeSet<_> = PAIRS.iter().copied().collect();
        assert_eq!(pairs.len(), PAIRS.len());
        assert_eq!(pairs.iter().map(|pair| pair.0).collect::<BTreeSet<_>>(), Reason::ALL.iter().copied().collect());
        assert_eq!(pairs.iter().map(|pair| pair.1).collect::<BTreeSet<_>>(), Stage::ALL.iter().copied().collect());
        for anywhere in [Reason::ReplayLimit, Reason::TooLate, Reason::Internal] {
            assert_eq!(pairs.iter().filter(|pair| pair.0 == anywhere).count(), Stage::ALL.len());
        }
    }

    #[test]
    fn only_an_exhausted_write_may_succeed_unchanged() {
        let retryable: Vec<_> = Reason::ALL.iter().filter(|reason| reason.retryable()).collect();
        assert_eq!(retryable, [&Reason::WriteExhausted]);
    }
}
