//! Short texts of other origins, each decoder given the whole input: the header `Retry-After`, the DDL of `cql/`, entries of the
//! disposition ledger, the metadata of commits, the producer's place, moments and names of the command line.

use std::time::Duration;

use cassandra::statements;
use chrono::{DateTime, TimeDelta, Utc};
use dlq_replayer::disposition::{Entry, State};
use dlq_replayer::selection::{Moment, Selection};
use kafka::Account;
use producer::bookmark::Bookmark;
use producer::retry_after;
use schema::reason::{Reason, Stage};

use crate::envelope::Envelope;
use crate::record::placed;

pub(crate) fn decode(input: &[u8]) {
    let now: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().expect("a date");
    entry(input);
    account(input);
    bookmark(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    for now in [now, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        assert!(retry_after::parse(text, now).is_none_or(|wait| wait <= Duration::from_secs(3600)));
        moment(text, now);
    }
    let split = statements(text);
    assert!(split.iter().all(|statement| !statement.trim().is_empty()));
    assert_eq!(statements(&split.join(";\n")), split, "what is split stays split");
    assert!(text.parse().map_or(true, |reason: Reason| reason.as_str() == text));
    assert!(text.parse().map_or(true, |stage: Stage| stage.as_str() == text));
    assert!(text.parse().map_or(true, |state: State| state.as_str() == text));
}

/// An entry of the ledger that is read is written as it was.
fn entry(input: &[u8]) {
    let mut record = Envelope { lines: Vec::new(), body: input }.record("user_data_dlq_ledger");
    record.key = Some(b"user_data/3/1042".to_vec());
    let Ok(Entry::Made(read)) = Entry::of(&record) else { return };
    let Ok(Entry::Made(again)) = Entry::of(&placed(read.record(&record.topic))) else {
        panic!("{read:?} is not read again")
    };
    assert_eq!(Entry::of(&placed(again.record(&record.topic))), Ok(Entry::Made(again)));
}

/// An account that is read is written as it was, and never counts more records than there are offsets.
fn account(input: &[u8]) {
    for offset in [1042, i64::MAX] {
        let Some(read) = Account::decode(input, offset) else { continue };
        assert!(i128::from(read.total()) <= i128::from(offset) - i128::from(read.from), "I8");
        assert_eq!(Account::decode(read.encode().as_bytes(), offset), Some(read));
    }
}

/// A place that is read is written as it was.
fn bookmark(input: &[u8]) {
    let record = Envelope { lines: Vec::new(), body: input }.record("user_data_cursor");
    let Ok(Some(read)) = Bookmark::of(&record) else { return };
    assert_eq!(Bookmark::of(&placed(read.record(&record.topic, "producer"))), Ok(Some(read)));
}

/// No moment leads out of the calendar, and what failed before one did not fail since.
fn moment(text: &str, now: DateTime<Utc>) {
    let Ok(moment) = text.parse::<Moment>() else { return };
    let failed_us = now.checked_sub_signed(TimeDelta::hours(1)).unwrap_or(now).timestamp_micros();
    let since = Selection { since: Some(moment), ..Selection::default() };
    let until = Selection { until: Some(moment), ..Selection::default() };
    let [since, until] = [since, until].map(|selection| selection.window(now).contains(&failed_us));
    assert_ne!(since, until, "since and until part all letters between them");
}
