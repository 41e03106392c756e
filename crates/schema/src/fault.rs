//! Why one record can never succeed unchanged. Nothing in a fault ever holds a field's value.

use sha2::{Digest, Sha256};

use crate::reason::{Reason, Stage};

/// One violated rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// JSON pointer of the wire record's field, as `/email`; of the API's user where its type is wrong, as
    /// `/location/city`; empty for the record as a whole.
    pub pointer: String,
    /// The rule's id, one of [`crate::rules::ALL`].
    pub rule: &'static str,
}

/// Why and where a record failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at {stage}: {message}")]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub stage: Stage,
    /// A stable label, finer than the reason.
    pub error_type: &'static str,
    /// Text for people that never holds a field's value.
    pub message: String,
    /// Every violated rule in the wire record's order of fields, wrong types by pointer; empty where no rule was asked.
    pub violations: Vec<Violation>,
}

impl Fault {
    /// A fault without violations. `message` must not hold a field's value.
    pub fn new(reason: Reason, stage: Stage, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { reason, stage, error_type, message: message.into(), violations: Vec::new() }
    }

    /// The ids of the violated rules, each once, in order.
    pub fn rule_ids(&self) -> Vec<&'static str> {
        let mut ids = Vec::with_capacity(self.violations.len());
        for violation in &self.violations {
            if !ids.contains(&violation.rule) {
                ids.push(violation.rule);
            }
        }
        ids
    }

    /// 16 hexadecimal digits of reason, error type, rule ids and pointers: the same for every record that fails alike.
    pub fn fingerprint(&self) -> String {
        let mut violations: Vec<_> = self.violations.iter().collect();
        violations.sort_unstable();
        violations.dedup();
        let mut digest = Sha256::new();
        // The separator occurs in none of the parts, so no two different faults are spelled alike.
        for part in [self.reason.as_str(), self.error_type] {
            digest.update(part);
            digest.update([0]);
        }
        for violation in violations {
            digest.update(violation.rule);
            digest.update([0]);
            digest.update(&violation.pointer);
            digest.update([0]);
        }
        digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
