//! Faults that are ordered beforehand: one for each of the next answers, one for all others, and a share of spoiled users.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hostile::Share;

/// What is wrong with one answer. Without any knob it is as it should be, which leaves room between two faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// HTTP status, 200..=599. From 400 on the body is an error: HTML from 500 on, JSON below, unless `html` or `error` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `Retry-After`: seconds or a date. Status 429 unless another is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,
    /// Milliseconds before the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The first half of the body, as if it were all of it.
    #[serde(skip_serializing_if = "is_false")]
    pub truncate: bool,
    /// The whole length announced, the first half of the body sent, the connection closed.
    #[serde(skip_serializing_if = "is_false")]
    pub disconnect: bool,
    /// A page of HTML.
    #[serde(skip_serializing_if = "is_false")]
    pub html: bool,
    /// No users, while `info.results` is 1.
    #[serde(skip_serializing_if = "is_false")]
    pub empty: bool,
    /// So many users, while `info.results` is what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The answer for this page instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The answer for this seed instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// `{"error": ..}` instead of users: true for the API's usual text, or a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
}

/// The value of `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "retry_after is a number of seconds or text")]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// Seconds or an HTTP date, sent as it is.
    Text(String),
}

/// The value of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "error is true or a text")]
pub enum ErrorText {
    /// True for the API's usual text; false is no fault.
    Usual(bool),
    /// This text.
    Text(String),
}

/// What the API says when something is wrong, the limit included.
pub const USUAL_ERROR: &str = "Uh oh, something has gone wrong. Please tweet us @randomapi about the issue. Thank you.";

/// Most users of an answer with a wrong count.
const MAX_COUNT: u32 = 10_000;

fn is_false(knob: &bool) -> bool {
    !knob
}

impl Fault {
    /// True when it changes nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The time before the answer.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.delay_ms.map(Duration::from_millis)
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> u16 {
        let implied = if self.retry_after.is_some() { 429 } else { 200 };
        self.status.unwrap_or(implied)
    }

    /// The text of an error in JSON, where the answer is one.
    pub(crate) fn error_text(&self) -> Option<&str> {
        match &self.error {
            Some(ErrorText::Text(text)) => Some(text),
            Some(ErrorText::Usual(true)) => Some(USUAL_ERROR),
            Some(ErrorText::Usual(false)) | None => (!self.is_html() && self.status() >= 400).then_some(USUAL_ERROR),
        }
    }

    /// True when the answer is a page of HTML.
    pub(crate) fn is_html(&self) -> bool {
        self.html || (self.status() >= 500 && matches!(self.error, None | Some(ErrorText::Usual(false))))
    }

    /// True when the answer carries users, however wrong.
    pub(crate) fn carries_users(&self) -> bool {
        !self.is_html() && self.error_text().is_none()
    }

    fn check(&self) -> Result<(), FaultError> {
        if !(200..=599).contains(&self.status()) {
            return Err(FaultError::Status);
        }
        if let Some(RetryAfter::Text(text)) = &self.retry_after
            && !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        {
            return Err(FaultError::RetryAfter);
        }
        if self.count.is_some_and(|count| count > MAX_COUNT) {
            return Err(FaultError::Count);
        }
        let twice = self.html && self.error_text().is_some();
        let shaped = self.empty || self.count.is_some() || self.page.is_some() || self.seed.is_some();
        if twice || (shaped && !self.carries_users()) || (self.empty && self.count.is_some()) {
            return Err(FaultError::Contradiction);
        }
        Ok(())
    }
}

/// Why a plan was refused.
#[derive(Debug, Error)]
pub enum FaultError {
    /// Not JSON, an unknown knob, a wrong type, a share that cannot be.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A status that cannot be sent as an answer.
    #[error("status is a number from 200 to 599")]
    Status,
    /// Characters that a header cannot carry.
    #[error("retry_after is printable ASCII")]
    RetryAfter,
    /// More users than an answer may have.
    #[error("count is at most {MAX_COUNT}")]
    Count,
    /// Knobs that exclude each other.
    #[error("one answer is either html, an error, empty, or users by count; page and seed need users")]
    Contradiction,
}

/// What is ordered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// One for each of the next answers, in order. What remains is shown.
    pub next: VecDeque<Fault>,
    /// For every answer after those: an outage that lasts until it is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<Fault>,
    /// Users spoiled in every answer.
    pub share: Share,
}

impl Plan {
    /// Reads a plan as `PUT /faults` takes it. Unknown knobs are refused by name, together with the known ones.
    pub fn parse(json: &[u8]) -> Result<Self, FaultError> {
        let plan: Self = serde_json::from_slice(json)?;
        plan.next.iter().chain(&plan.always).try_for_each(Fault::check)?;
        Ok(plan)
    }

    /// Takes the fault of the answer that is about to be given.
    pub(crate) fn take(&mut self) -> Fault {
        self.next.pop_front().or_else(|| self.always.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_knobs_are_refused_with_the_known_ones_named() {
        for (json, unknown, known) in [
            (r#"{"nxt":[]}"#, "nxt", "next"),
            (r#"{"next":[{"stauts":500}]}"#, "stauts", "retry_after"),
            (r#"{"always":{"htm":true}}"#, "htm", "html"),
            (r#"{"share":{"bad_hair":0.1}}"#, "bad_hair", "missing_email"),
        ] {
            let said = Plan::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(unknown) && said.contains(known), "{said}");
        }
    }

    #[test]
    fn impossible_faults_are_refused() {
        for json in [
            r#"{"next":[{"status":99}]}"#,
            r#"{"next":[{"status":600}]}"#,
            r#"{"next":[{"status":"500"}]}"#,
            r#"{"next":[{"retry_after":"2\n"}]}"#,
            r#"{"next":[{"retry_after":true}]}"#,
            r#"{"next":[{"count":10001}]}"#,
            r#"{"next":[{"html":true,"error":true}]}"#,
            r#"{"next":[{"status":503,"page":2}]}"#,
            r#"{"next":[{"empty":true,"count":2}]}"#,
            r#"{"always":{"error":true,"count":2}}"#,
            "",
        ] {
            assert!(Plan::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn the_next_come_in_order_then_the_lasting_one() {
        let json = br#"{"next":[{"status":500},{},{"status":429,"retry_after":2}],"always":{"html":true}}"#;
        let mut plan = Plan::parse(json).unwrap();
        assert_eq!(plan.take().status(), 500);
        assert!(plan.take().is_none());
        let third = plan.take();
        assert_eq!((third.status(), third.retry_after), (429, Some(RetryAfter::Seconds(2))));
        assert!(plan.take().html && plan.take().html);
    }

    #[test]
    fn a_plan_reads_back_as_it_was_written() {
        let json = r#"{"next":[{"status":429,"retry_after":"2"},{"truncate":true},{"seed":"x","page":9}],"share":{"missing_email":0.01}}"#;
        let plan = Plan::parse(json.as_bytes()).unwrap();
        let written = serde_json::to_vec(&plan).unwrap();
        assert_eq!(Plan::parse(&written).unwrap(), plan);
    }
}
