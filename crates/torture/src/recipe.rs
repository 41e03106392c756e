//! The records of the load: what is sent at which turn is a function of the seed, only versions come from the clock.
//!
//! A turn is one or two records that belong together. Poison stays far below the share at which the processor takes it for a
//! wrong deploy and stops its line.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kafka::Topics;
use schema::dead_letter::{self, App};
use schema::fault::Fault;
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, NewRecord, Record};
use schema::topics::USER_DATA_DLQ;
use schema::version::VersionMicros;
use serde_json::json;
use uuid::Uuid;

use crate::dice::Dice;
use crate::ground::REPLAYS;
use crate::model::Promise;

/// A record to be sent, and what has to become of it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) record: NewRecord,
    pub(crate) promise: Promise,
}

/// Source offsets of dead letters of our own making, far beyond what a run reaches.
const PLANTED_FROM: i64 = 1_000_000_000_000;
/// An update is of a key at most so many turns old.
const UPDATED_WITHIN: u64 = 5_000;

/// Writes the records of one run.
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) topic: Arc<str>,
    pub(crate) dlq: Arc<str>,
    pub(crate) group: String,
}

/// Kinds of poison: each fails for another reason.
#[derive(Debug, Clone, Copy)]
enum Poison {
    NoJson,
    List,
    Empty,
    Null,
    Keyless,
    UnknownSchema,
    ForeignKey,
    VersionNoNumber,
    FromTheFuture,
    Incomplete,
    LongName,
    Garbage,
}

const POISON: [Poison; 12] = [
    Poison::NoJson,
    Poison::List,
    Poison::Empty,
    Poison::Null,
    Poison::Keyless,
    Poison::UnknownSchema,
    Poison::ForeignKey,
    Poison::VersionNoNumber,
    Poison::FromTheFuture,
    Poison::Incomplete,
    Poison::LongName,
    Poison::Garbage,
];

impl Recipe {
    pub(crate) fn new(seed: u64, topics: &Topics, group: &str) -> Self {
        let (topic, dlq) = (topics.user_data.as_str().into(), topics.dlq.as_str().into());
        Self { seed, topic, dlq, group: group.to_owned() }
    }

    /// The records of a turn, to be sent one after another. `version` gives a new version each time it is called.
    pub(crate) fn turn(&self, turn: u64, mut version: impl FnMut() -> VersionMicros) -> Vec<Item> {
        let mut dice = Dice::of(self.seed, turn);
        let id = self.id(turn);
        match dice.below(1_000) {
            0..520 => vec![self.whole(id, version(), &mut dice)],
            520..640 => {
                let older = turn.saturating_sub(1 + dice.below(UPDATED_WITHIN));
                vec![self.whole(self.id(older), version(), &mut dice)]
            }
            640..720 => {
                let item = self.whole(id, version(), &mut dice);
                vec![item.clone(), item]
            }
            720..800 => {
                let (older, newer) = (version(), version());
                vec![self.whole(id, newer, &mut dice), self.whole(id, older, &mut dice)]
            }
            800..910 => vec![self.flat(id, millis(version()), &mut dice)],
            910..950 => {
                let newer = millis(version());
                vec![self.flat(id, newer, &mut dice), self.flat(id, newer - 1_000, &mut dice)]
            }
            950..995 => vec![self.poison(turn, version(), &mut dice)],
            _ => self.letter(turn, version(), &mut dice).into_iter().collect(),
        }
    }

    /// The key of a turn.
    fn id(&self, turn: u64) -> Uuid {
        let mut dice = Dice::of(self.seed.rotate_left(32), turn);
        uuid::Builder::from_random_bytes((u128::from(dice.bits()) << 64 | u128::from(dice.bits())).to_be_bytes())
            .into_uuid()
    }

    fn record(&self, key: Option<String>, value: Option<Vec<u8>>, headers: Headers) -> NewRecord {
        let key = key.map(String::into_bytes);
        NewRecord { topic: Arc::clone(&self.topic), partition: None, timestamp_ms: None, key, value, headers }
    }

    /// A record of `user/1` as the producer writes it.
    fn whole(&self, id: Uuid, version: VersionMicros, dice: &mut Dice) -> Item {
        let value = json!({
            "id": id, "first_name": "Ada", "last_name": "Lovelace", "gender": "female",
            "address": "1 St James's Square, London SW1Y 4LB, Westminster, United Kingdom",
            "city": format!("city {version}"), "latitude": 51.5, "email": format!("ada.{id}@example.com"),
            "username": "ada1815", "dob": "1915-12-10T00:00:00.000Z",
            "registered_date": "2018-10-18T04:05:51.990Z", "phone": "031-623-5189",
            "unknown_to_the_processor": filler(dice),
        });
        let record =
            self.record(Some(id.to_string()), Some(value.to_string().into_bytes()), whole_headers(id, version));
        Item { record, promise: Promise::Row { id, version: version.get() } }
    }

    /// A record as older pipelines write it: its version is its timestamp.
    fn flat(&self, id: Uuid, timestamp_ms: i64, dice: &mut Dice) -> Item {
        let value = json!({
            "id": id, "first_name": "Grace", "last_name": "Hopper", "gender": "female",
            "address": format!("made at {timestamp_ms}"), "post_code": 12345, "email": format!("grace.{id}@example.com"),
            "username": "grace1906", "dob": "1906-12-09T00:00:00.000Z",
            "registered_date": "2018-10-18T04:05:51.990Z", "phone": "1", "unknown_to_the_processor": filler(dice),
        });
        let key = (dice.below(2) == 0).then(|| id.to_string());
        let mut record = self.record(key, Some(value.to_string().into_bytes()), Headers::new());
        // Without a key the place is free: two versions then meet in any order.
        record.timestamp_ms = Some(timestamp_ms);
        Item { record, promise: Promise::Row { id, version: timestamp_ms * 1_000 } }
    }

    fn poison(&self, turn: u64, version: VersionMicros, dice: &mut Dice) -> Item {
        let id = self.id(turn);
        let raw = |value: Option<&[u8]>| {
            self.record(Some(format!("poison-{turn}")), value.map(<[u8]>::to_vec), Headers::new())
        };
        let mut whole = self.whole(id, version, dice).record;
        let record = match dice.pick(&POISON).unwrap_or(Poison::NoJson) {
            Poison::NoJson => raw(Some(b"no json")),
            Poison::List => raw(Some(b"[1, 2]")),
            Poison::Empty => raw(Some(b"")),
            Poison::Null => raw(None),
            Poison::Keyless => NewRecord { key: None, ..whole },
            Poison::UnknownSchema => {
                whole.headers.replace(headers::SCHEMA_ID, "user/9");
                whole
            }
            Poison::ForeignKey => {
                NewRecord { key: Some(self.id(turn.wrapping_add(1)).to_string().into_bytes()), ..whole }
            }
            Poison::VersionNoNumber => {
                whole.headers.replace(headers::EVENT_VERSION_US, "soon");
                whole
            }
            Poison::FromTheFuture => {
                // A month: nobody waits until it is over.
                whole.headers.replace(headers::EVENT_VERSION_US, (version.get() + 2_592_000_000_000).to_string());
                whole
            }
            Poison::Incomplete => raw(Some(b"{}")),
            Poison::LongName => {
                let value =
                    json!({"id": id, "first_name": "x".repeat(101), "email": "a@example.com", "username": "abc"});
                NewRecord { value: Some(value.to_string().into_bytes()), ..whole }
            }
            Poison::Garbage => raw(Some(&vec![b'x'; 300_000])),
        };
        Item { record, promise: Promise::Poison }
    }

    /// A dead letter of a healthy record, as an older processor with a stricter rule left it behind: a replay brings it home,
    /// or parks it where its attempts are used up.
    fn letter(&self, turn: u64, version: VersionMicros, dice: &mut Dice) -> Option<Item> {
        let mut whole = self.whole(self.id(turn), version, dice).record;
        if dice.below(3) == 0 {
            whole.headers.push(headers::REPLAY_COUNT, REPLAYS.to_string());
        }
        let consumed = Record {
            topic: whole.topic,
            partition: i32::try_from(turn % 12).ok()?,
            offset: PLANTED_FROM + i64::try_from(turn).ok()?,
            timestamp_ms: Some(millis(version)),
            key: whole.key,
            value: whole.value,
            headers: whole.headers,
        };
        let fault = Fault::new(Reason::QualityRule, Stage::Quality, "rules", "a rule was too strict");
        let app = App { name: "stream-processor", version: "0.0.9" };
        let now = version.instant();
        let record =
            dead_letter::from_record(consumed, &fault, &self.dlq, USER_DATA_DLQ.partitions, &self.group, &app, now);
        let id = record.headers.text(headers::DLQ_ID)?.to_owned();
        Some(Item { record, promise: Promise::Letter { id } })
    }
}

fn whole_headers(id: Uuid, version: VersionMicros) -> Headers {
    let mut all = Headers::with_capacity(5);
    all.push(headers::EVENT_ID, format!("{id}/1/0"));
    all.push(headers::EVENT_VERSION_US, version.to_string());
    all.push(headers::SCHEMA_ID, "user/1");
    all.push(headers::RUN_ID, Uuid::nil().to_string());
    all.push(headers::SOURCE, format!("torture:{version}"));
    all
}

fn millis(version: VersionMicros) -> i64 {
    let at: DateTime<Utc> = version.instant();
    at.timestamp_millis()
}

/// Text that the processor passes over: mostly short, at times as much as a record may have, and hardly to be compressed.
fn filler(dice: &mut Dice) -> String {
    let bytes = match dice.below(1_000) {
        0..900 => dice.below(500),
        900..990 => dice.below(20_000),
        990..998 => dice.below(100_000),
        _ => dice.below(900_000),
    };
    (0..bytes / 16).map(|_| format!("{:016x}", dice.bits())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schema::row::row_of;
    use schema::version::VersionClock;
    use service::settings::Reader;

    use super::*;

    fn recipe(seed: u64) -> Recipe {
        let kafka = kafka::KafkaSettings::read(&mut Reader::from_pairs(Vec::<(String, String)>::new()));
        Recipe::new(seed, &kafka.topics, &kafka.group_id)
    }

    fn items(seed: u64, turns: u64) -> Vec<Item> {
        let recipe = recipe(seed);
        let now = Utc::now();
        let mut clock = VersionClock::new();
        (0..turns).flat_map(|turn| recipe.turn(turn, || clock.next(now))).collect()
    }

    fn placed(record: &NewRecord) -> Record {
        Record {
            topic: Arc::clone(&record.topic),
            partition: 0,
            offset: 0,
            timestamp_ms: record.timestamp_ms.or(Some(0)),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        }
    }

    #[test]
    fn every_promise_is_what_the_processors_own_code_says_of_the_record() {
        let items = items(3, 6_000);
        for Item { record, promise } in &items {
            let consumed = placed(record);
            let judged = row_of(&consumed, Utc::now());
            match promise {
                Promise::Row { id, version } => {
                    let row = judged.unwrap_or_else(|fault| panic!("{fault}"));
                    assert_eq!((row.id, row.version.get()), (*id, *version));
                }
                Promise::Poison => assert!(judged.is_err(), "{:?}", String::from_utf8_lossy(&consumed.value.unwrap())),
                Promise::Letter { id } => {
                    assert_eq!(consumed.headers.text(headers::DLQ_ID), Some(id.as_str()));
                    assert!(judged.is_ok());
                }
            }
        }
        let poison = items.iter().filter(|item| item.promise == Promise::Poison).count();
        assert!((180..400).contains(&poison), "{poison} of {}", items.len());
    }

    #[test]
    fn a_seed_repeats_its_keys_and_no_two_records_of_a_key_have_one_version_but_different_bytes() {
        let keys = |seed| items(seed, 500).into_iter().map(|item| item.record.key).collect::<Vec<_>>();
        assert_eq!(keys(1), keys(1));
        assert_ne!(keys(1), keys(2));
        let mut bytes = BTreeMap::new();
        for Item { record, promise } in items(5, 3_000) {
            if let Promise::Row { id, version } = promise {
                let before = bytes.entry((id, version)).or_insert_with(|| record.value.clone());
                assert_eq!(*before, record.value, "{id} {version}");
            }
        }
    }
}
