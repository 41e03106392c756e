//! From a dead letter to the record that is published again.
//!
//! Key, value and headers are those of the original record; what was added to it on its way to the dead-letter topic is taken
//! off, what this replay adds is set anew and never twice. The record's version is the original's, so that a replay never
//! beats newer data (I3).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use schema::event::{Event, coordinates};
use schema::fault::Fault;
use schema::record::{Headers, NewRecord};
use schema::version::VersionMicros;
use schema::{date, headers, produce};

use crate::letter::{Absence, Dialect, Letter, Original};
use crate::mend::{self, Mend, Preview};
use crate::routes::Routes;

/// Headers that belong to one replay, or to one passage through the services.
const OF_ONE_PASSAGE: [&str; 9] = [
    headers::REPLAY_ID,
    headers::REPLAY_DLQ_ID,
    headers::REPLAY_COUNT,
    headers::REPLAY_FIRST_FAILED_AT,
    headers::REPLAY_AT,
    headers::REPLAY_BY,
    headers::REPLAY_REASON,
    headers::REPLAY_PATCH_SHA256,
    headers::TRACEPARENT,
];

/// Why a dead letter cannot be replayed. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody we know wrote it.
    #[error("its headers are not understood")]
    UnknownDialect,
    /// The record that failed is not to be had.
    #[error("the record that failed is not to be had: {0}")]
    NoOriginal(Absence),
    /// It says nothing of its record's topic, or contradicts itself: any topic could be the wrong one.
    #[error("it does not say which topic its record was on, or says two of them")]
    NoTopic,
    /// Its record was on a topic that nothing may be replayed to.
    #[error("its record was on another topic, which REPLAY_ALLOWED_TOPICS does not name: {0}")]
    OtherTopic(String),
    /// Its record was on a topic that does not exist any more.
    #[error("its record's topic does not exist: {0}")]
    MissingTopic(String),
    /// Without a version the replay could beat newer data.
    #[error("it has neither an event.version_us header nor the timestamp of its record")]
    NoVersion,
    /// A producer's dead letter without the headers that its record would have had.
    #[error("its event headers are missing or malformed")]
    NoEvent,
    /// A producer's dead letter that would fail again, for the same reason or another one.
    #[error("it would fail again: {0}")]
    StillFails(Box<Fault>),
    /// Deletions of that age may be forgotten.
    #[error(
        "it failed before {0}, longer ago than the table's gc_grace_seconds: replaying it could bring back a row that was \
         deleted since; --force replays it"
    )]
    TooOld(String),
    /// Its value is no JSON, so there is nothing to patch.
    #[error("its value is not JSON, so no patch applies")]
    NoJson,
    /// The patch is not for this letter.
    #[error("the patch does not apply: {0}")]
    PatchDoesNotApply(String),
    /// The broker does not take the record.
    #[error("the broker does not take it: {0}")]
    NotTaken(String),
    /// It was deleted while the job ran.
    #[error("it is no longer on the topic")]
    Gone,
}

impl Refusal {
    /// A stable label.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::UnknownDialect => "unknown_dialect",
            Self::NoOriginal(_) => "no_original",
            Self::NoTopic => "no_topic",
            Self::OtherTopic(_) => "other_topic",
            Self::MissingTopic(_) => "missing_topic",
            Self::NoVersion => "no_version",
            Self::NoEvent => "no_event",
            Self::StillFails(_) => "still_fails",
            Self::TooOld(_) => "too_old",
            Self::NoJson => "no_json",
            Self::PatchDoesNotApply(_) => "patch_does_not_apply",
            Self::NotTaken(_) => "not_taken",
            Self::Gone => "gone",
        }
    }
}

/// What all records of one replay have in common.
#[derive(Debug, Clone)]
pub struct Redrive {
    /// The job.
    pub replay_id: String,
    /// Where records go.
    pub routes: Routes,
    /// Who replays.
    pub by: String,
    /// Why.
    pub why: String,
    /// What is done to each record first.
    pub mend: Option<Mend>,
    /// Letters that failed first before this are refused where their records become rows: deletions of that age may be
    /// forgotten.
    pub oldest: Option<DateTime<Utc>>,
}

impl Redrive {
    /// The record to publish. `count` says how often the record was replayed, this time included.
    ///
    /// # Errors
    ///
    /// The letter cannot be replayed.
    pub fn record_of(&self, letter: &Letter, count: u32, now: DateTime<Utc>) -> Result<NewRecord, Refusal> {
        if letter.dialect == Dialect::Unknown {
            return Err(Refusal::UnknownDialect);
        }
        let topic = self.routes.of(letter)?;
        let is_for_us = self.routes.is_followed(&topic);
        if let Some(oldest) = self.oldest.filter(|oldest| is_for_us && letter.first_failed_at < *oldest) {
            return Err(Refusal::TooOld(date::millis(oldest)));
        }
        let Original { key, value, mut headers, version } = letter.original().map_err(Refusal::NoOriginal)?;
        headers.retain(|header| !OF_ONE_PASSAGE.contains(&&*header.name));
        let value = self.patched(value)?;
        let mut record = if is_for_us && letter.is_from_producer() {
            mapped(value.as_deref(), headers, &topic)?
        } else {
            NewRecord { topic, partition: None, timestamp_ms: None, key, value, headers }
        };
        if is_for_us && !record.headers.contains(headers::EVENT_VERSION_US) {
            let version = version.ok_or(Refusal::NoVersion)?;
            record.headers.push(headers::EVENT_VERSION_US, version.to_string());
        }
        match &self.mend {
            Some(Mend::Patch(patch)) => record.headers.push(headers::REPLAY_PATCH_SHA256, patch.sha256()),
            Some(Mend::Upcast) if is_for_us => mend::upcast(&mut record, &letter.source)?,
            Some(Mend::Upcast) | None => {}
        }
        record.headers.push(headers::REPLAY_ID, self.replay_id.as_str());
        record.headers.push(headers::REPLAY_DLQ_ID, letter.id.as_str());
        record.headers.push(headers::REPLAY_COUNT, count.to_string());
        record.headers.push(headers::REPLAY_FIRST_FAILED_AT, date::micros(letter.first_failed_at));
        record.headers.push(headers::REPLAY_AT, date::micros(now));
        record.headers.push(headers::REPLAY_BY, self.by.as_str());
        record.headers.push(headers::REPLAY_REASON, self.why.as_str());
        record.timestamp_ms = Some(now.timestamp_millis());
        Ok(record)
    }

    /// What mending changes in the record's value; none where nothing is mended, or mending fails.
    pub fn preview(&self, letter: &Letter) -> Option<Preview> {
        let before = letter.original().ok()?.value;
        let after = match self.mend.as_ref()? {
            Mend::Patch(patch) => Some(patch.apply(before.as_deref()).ok()?),
            Mend::Upcast => self.record_of(letter, 1, Utc::now()).ok()?.value,
        };
        Preview::of(letter, before.as_deref(), after.as_deref())
    }

    fn patched(&self, value: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Refusal> {
        match &self.mend {
            Some(Mend::Patch(patch)) => Ok(Some(patch.apply(value.as_deref())?)),
            Some(Mend::Upcast) | None => Ok(value),
        }
    }
}

/// The record that the producer would have published, mapped by the producer's own code.
fn mapped(value: Option<&[u8]>, original: Headers, topic: &Arc<str>) -> Result<NewRecord, Refusal> {
    let event = event(&original).ok_or(Refusal::NoEvent)?;
    // Bytes that are no text are no JSON either; the mapping says so.
    let user = String::from_utf8_lossy(value.unwrap_or_default());
    let mut record = produce::record_of(&user, &event, topic).map_err(Refusal::StillFails)?;
    let own = record.headers.clone();
    record.headers.extend(original.into_iter().filter(|header| !own.contains(&header.name)).collect());
    Ok(record)
}

/// The event of a producer's dead letter, from the headers that its record would have had.
fn event(headers: &Headers) -> Option<Event> {
    let (seed, page, index) = coordinates(headers.text(headers::SOURCE)?)?;
    Some(Event {
        run_id: headers.text(headers::RUN_ID)?.parse().ok()?,
        seed: seed.into(),
        page,
        index,
        version: VersionMicros::parse(headers.text(headers::EVENT_VERSION_US)?)?,
    })
}

#[cfg(test)]
mod tests;
