//! An entry of the disposition ledger: what became of one dead letter, who did it and why.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use schema::date;
use schema::reason::UnknownName;
use schema::record::{Headers, NewRecord, Record};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::letter::{Coordinates, Letter};

/// The version of the entries: 1, and no other is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version;

impl Version {
    const NUMBER: u32 = 1;
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            Self::NUMBER => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!("its version is {other}, not {}", Self::NUMBER))),
        }
    }
}

/// The cause of an entry that says [`State::Parked`] because the attempts were used up.
pub const REPLAY_LIMIT: &str = "replay_limit";

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing yet.
    Unresolved,
    /// Published again; not known yet to what end.
    Replayed,
    /// Published again, and processed.
    Confirmed,
    /// Published again, and back as another dead letter.
    Boomeranged,
    /// Kept on the parked topic, not replayed any more.
    Parked,
    /// Given up on purpose.
    Discarded,
}

impl State {
    /// Every state, in the order of a dead letter's life.
    pub const ALL: [Self; 6] =
        [Self::Unresolved, Self::Replayed, Self::Confirmed, Self::Boomeranged, Self::Parked, Self::Discarded];

    /// The name in the ledger, in listings and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Replayed => "replayed",
            Self::Confirmed => "confirmed",
            Self::Boomeranged => "boomeranged",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
        }
    }

    /// Whether it is how a replay ends.
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::Confirmed | Self::Boomeranged)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| UnknownName { what: "state", accepted: Self::ALL.map(Self::as_str).join(", ") })
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the record of a dead letter landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// One entry. It speaks of the dead letter at `dlq` that failed at `failed_at`: together they name it even where a topic was
/// made anew and its offsets, and with them the ids, began again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    /// Its version.
    pub v: Version,
    /// The dead letter's id: the entry's key.
    #[serde(skip)]
    pub id: String,
    /// What became of it.
    pub state: State,
    /// Where it lies.
    pub dlq: Coordinates,
    /// When its record failed.
    #[serde(with = "micros")]
    pub failed_at: DateTime<Utc>,
    /// When the entry was made.
    #[serde(with = "micros")]
    pub at: DateTime<Utc>,
    /// Who made it.
    pub by: String,
    /// Why.
    pub why: String,
    /// How often the record was replayed so far.
    pub replays: u32,
    /// The last job that replayed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_id: Option<String>,
    /// The dead letter it came back as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boomerang: Option<String>,
    /// Where its record landed: the replayed one, or the copy on the parked topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landed: Option<Landed>,
    /// Whether the job that replayed it waits for it. Else `serve` watches it come home.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub attended: bool,
    /// What led to the state where no person chose it: [`REPLAY_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// A record of the ledger topic that is no entry we can read. Nothing may be replayed past it: it may say that a dead letter
/// is home already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ledger entry {topic}/{partition}/{offset} cannot be read: {problem}; a newer version may have written it")]
pub struct Unreadable {
    topic: String,
    partition: i32,
    offset: i64,
    problem: String,
}

/// A record of the ledger topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost every record of the topic is the large one")]
pub enum Entry {
    /// Something became of a dead letter.
    Made(Disposition),
    /// What was known of the dead letter of this id is withdrawn.
    Withdrawn(String),
}

impl Disposition {
    /// An entry about `letter`.
    pub fn new(letter: &Letter, state: State, replays: u32, by: &str, why: &str, now: DateTime<Utc>) -> Self {
        Self {
            v: Version,
            id: letter.id.clone(),
            state,
            dlq: letter.dlq,
            failed_at: letter.failed_at,
            at: now.trunc_subsecs(6),
            by: by.to_owned(),
            why: why.to_owned(),
            replays,
            replay_id: None,
            boomerang: None,
            landed: None,
            attended: true,
            cause: None,
        }
    }

    /// The entry as a record of the ledger topic.
    pub fn record(&self, ledger: &Arc<str>) -> NewRecord {
        NewRecord {
            topic: Arc::clone(ledger),
            partition: None,
            timestamp_ms: None,
            key: Some(self.id.clone().into_bytes()),
            // Texts and numbers only: nothing that JSON cannot hold.
            value: serde_json::to_vec(self).ok(),
            headers: Headers::new(),
        }
    }
}

impl Entry {
    /// Reads a record of the ledger topic.
    ///
    /// # Errors
    ///
    /// It is no entry of a version that we know.
    pub fn of(record: &Record) -> Result<Self, Unreadable> {
        let unreadable = |problem: String| Unreadable {
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            problem,
        };
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let id = key.ok_or_else(|| unreadable("its key is no text".to_owned()))?;
        let Some(value) = &record.value else { return Ok(Self::Withdrawn(id.to_owned())) };
        let entry: Disposition = serde_json::from_slice(value).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self::Made(Disposition { id: id.to_owned(), ..entry }))
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// RFC 3339, UTC, microseconds.
mod micros {
    use super::{DateTime, Deserialize, Deserializer, Serializer, Utc, date};

    pub(super) fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date::micros(*at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::<Utc>::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Placed as _};

    fn stored(entry: &Disposition) -> Record {
        let new = entry.record(&"ledger".into());
        Record {
            topic: new.topic,
            partition: 0,
            offset: 5,
            timestamp_ms: Some(0),
            key: new.key,
            value: new.value,
            headers: new.headers,
        }
    }

    fn entry(state: State) -> Disposition {
        let letter = Letter::of(fixture::processor_letter(3, 1042).at(3, 17));
        Disposition::new(&letter, state, 2, "anna@desk", "fixed the rule", fixture::now())
    }

    #[test]
    fn every_field_comes_back_as_it_was_written() {
        for state in State::ALL {
            let full = Disposition {
                replay_id: Some("r1".to_owned()),
                boomerang: Some("user_data/3/2000".to_owned()),
                landed: Some(Landed { topic: "user_data".to_owned(), partition: 3, offset: 2001 }),
                attended: false,
                cause: Some(REPLAY_LIMIT.to_owned()),
                ..entry(state)
            };
            for entry in [entry(state), full] {
                assert_eq!(Entry::of(&stored(&entry)), Ok(Entry::Made(entry)));
            }
        }
    }

    #[test]
    fn an_entry_looks_as_documented() {
        let value = entry(State::Parked).record(&"ledger".into()).value.expect("a value");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&value).expect("JSON"),
            serde_json::json!({
                "v": 1, "state": "parked", "dlq": {"partition": 3, "offset": 17},
                "failed_at": "2026-03-01T12:00:00.000000Z", "at": "2026-03-01T12:00:00.000000Z",
                "by": "anna@desk", "why": "fixed the rule", "replays": 2
            })
        );
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over_and_a_null_withdraws() {
        let mut record = stored(&entry(State::Replayed));
        let text = String::from_utf8(record.value.take().expect("a value")).expect("text");
        record.value = Some(text.replacen('{', "{\"new\":true,", 1).into_bytes());
        assert_eq!(Entry::of(&record), Ok(Entry::Made(entry(State::Replayed))));
        record.value = None;
        assert_eq!(Entry::of(&record), Ok(Entry::Withdrawn("user_data/3/1042".to_owned())));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_taken_for_nothing() {
        let good = stored(&entry(State::Replayed));
        let text = String::from_utf8(good.value.clone().expect("a value")).expect("text");
        let spoiled = |value: &str| Record { value: Some(value.as_bytes().to_vec()), ..good.clone() };
        for record in [
            Record { key: None, ..good.clone() },
            Record { key: Some(vec![0xff]), ..good.clone() },
            spoiled("not JSON"),
            spoiled(&text.replace("\"v\":1", "\"v\":2")),
            spoiled(&text.replace("replayed", "teleported")),
        ] {
            let error = Entry::of(&record).expect_err("unreadable");
            assert!(error.to_string().contains("ledger/0/5"), "{error}");
        }
    }

    #[test]
    fn names_of_states_are_read_back() {
        for state in State::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert!("gone".parse::<State>().is_err_and(|error| error.to_string().contains("unresolved, replayed")));
    }
}
