//! A record of the dead-letter topic, whoever wrote it: a letter, what the ledger says of it, and its replay.

use chrono::{DateTime, Utc};
use dlq_replayer::disposition::{Disposition, Entry, State};
use dlq_replayer::letter::{Carried, Dialect, Letter, is_of_dead_letters};
use dlq_replayer::redrive::Redrive;
use dlq_replayer::routes::Routes;
use kafka::Missing;
use schema::dead_letter::DeadLetter;
use schema::headers;
use schema::record::Record;

use crate::envelope::Envelope;
use crate::record::placed;

/// Every header that a replay sets anew.
const SET_ANEW: [&str; 7] = [
    headers::REPLAY_ID,
    headers::REPLAY_DLQ_ID,
    headers::REPLAY_COUNT,
    headers::REPLAY_FIRST_FAILED_AT,
    headers::REPLAY_AT,
    headers::REPLAY_BY,
    headers::REPLAY_REASON,
];

pub(crate) fn decode(input: &[u8]) {
    let record = Envelope::open(input).record("user_data_dlq");
    let now: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().expect("a date");
    if let Ok(told) = DeadLetter::parse(&record.headers) {
        // What others wrote may be finer than ours; what we write is read back as it is.
        let ours = DeadLetter::parse(&told.headers()).expect("our own headers are read");
        assert_eq!(DeadLetter::parse(&ours.headers()).as_ref(), Ok(&ours));
        assert_eq!((&ours.id, ours.attempts, &ours.source), (&told.id, told.attempts, &told.source));
    }
    let letter = Letter::of(record.clone());
    assert_eq!((&letter.key, &letter.value, &letter.headers), (&record.key, &record.value, &record.headers));
    accounted(&letter, now);
    replayed(&letter, now);
    completed(letter, now);
}

/// A letter that does not carry all of its record takes what is found at its place, or goes on without.
fn completed(letter: Letter, now: DateTime<Utc>) {
    let Some((topic, partition, offset)) = letter.wanted() else { return };
    let found = Record {
        topic: topic.into(),
        partition,
        offset,
        timestamp_ms: Some(letter.appended_ms),
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: letter.headers.clone(),
    };
    let mut gone = letter.clone();
    gone.fetched(Err(Missing::NoTopic(topic.to_owned())));
    assert_eq!(gone.original().is_ok(), letter.original().is_ok(), "only what is not carried is lost");
    replayed(&gone, now);
    let mut whole = letter;
    whole.fetched(Ok(found));
    assert!(matches!(whole.carried, Carried::Fetched(_)), "its own record is recognised");
    assert_eq!(whole.original().map(|original| original.value).as_ref(), Ok(&whole.value));
    replayed(&whole, now);
}

/// Whatever a letter says, its entry in the ledger can be read: an unreadable one would stop every replay.
fn accounted(letter: &Letter, now: DateTime<Utc>) {
    for state in State::ALL {
        let entry = Disposition::new(letter, state, letter.replays(), "me", "mended", now);
        let read = Entry::of(&placed(entry.record(&"user_data_dlq_ledger".into())));
        let Ok(Entry::Made(read)) = read else { panic!("{read:?} of {entry:?}") };
        assert_eq!((&read.id, read.state, read.replays, read.dlq), (&entry.id, state, entry.replays, entry.dlq));
        assert_eq!(read.failed_at, letter.failed_at, "the entry speaks of this letter and of no other");
    }
}

fn replayed(letter: &Letter, now: DateTime<Utc>) {
    let count = letter.replays().saturating_add(1);
    let redrive = Redrive {
        replay_id: "r1".to_owned(),
        routes: Routes::new("user_data", &[]),
        by: "me".to_owned(),
        why: "mended".to_owned(),
        mend: None,
        oldest: None,
    };
    let Ok(record) = redrive.record_of(letter, count, now) else { return };
    assert_ne!(letter.dialect, Dialect::Unknown, "nothing is guessed of a letter that is not understood");
    assert_eq!(letter.source.topic.as_deref(), Some("user_data"), "it says itself where it belongs");
    assert!(record.headers.contains(headers::EVENT_VERSION_US), "a replay never beats newer data (I3)");
    for name in SET_ANEW {
        assert_eq!(record.headers.iter().filter(|header| header.name == name).count(), 1, "{name}");
    }
    assert!(!record.headers.iter().any(|header| is_of_dead_letters(&header.name)));
    assert_eq!(record.headers.text(headers::REPLAY_COUNT), Some(&*count.to_string()), "I7");
}
