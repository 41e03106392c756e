//! The records of a run: functions of a seed and of their place, so that every run and every contender reads the same ones.
//!
//! None needs cleaning: texts are trimmed, e-mails lower case, dates RFC 3339 in UTC with milliseconds. Record times are a
//! millisecond apart and lie in the past, so the topics must not expire them.

use std::sync::Arc;

use schema::event::Event;
use schema::record::{Headers, NewRecord};
use schema::version::VersionMicros;
use serde::Serialize;
use uuid::Uuid;

const FIRST: [&str; 16] = [
    "Ada", "Boris", "Chiara", "Dmitri", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaori", "Liam", "Mina",
    "Noor", "Olga", "Pavel",
];
const LAST: [&str; 16] = [
    "Aalto", "Bauer", "Castro", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanov", "Jensen", "Kaya",
    "Lopez", "Moreau", "Nowak", "Okafor", "Petrov",
];
const PLACES: [(&str, &str, &str); 5] = [
    ("Izmir", "Turkey", "TR"),
    ("Bergen", "Norway", "NO"),
    ("Lyon", "France", "FR"),
    ("Cork", "Ireland", "IE"),
    ("Graz", "Austria", "AT"),
];
/// 2025-06-01T00:00:00Z: the time of the first record, milliseconds since 1970.
const FIRST_AT_MS: i64 = 1_748_736_000_000;
/// Of so many records one has a hot key, where there are any.
const HOT_EVERY: u64 = 100;
/// So many hot keys there are.
const HOT_KEYS: u64 = 100;
/// Users of a page of the producer.
const PAGE: u64 = 100;

/// The shape of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Document {
    /// The flat dialect: no headers, 12 fields, about 420 bytes.
    Flat,
    /// `user/1` with the headers that our producer sets.
    Full,
}

/// How records are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// Other records for another one.
    pub seed: u64,
    /// Their shape.
    pub document: Document,
    /// Whether every hundredth record has one of a hundred keys; the newest of a key wins.
    pub hot: bool,
    /// Bytes of a field that nobody reads; 0 for none.
    pub padding_bytes: usize,
    /// Of a hundred records so many break a rule and become dead letters.
    pub poison_percent: u64,
}

impl Default for Recipe {
    /// Flat, each with a key of its own, all good.
    fn default() -> Self {
        Self { seed: 7, document: Document::Flat, hot: false, padding_bytes: 0, poison_percent: 0 }
    }
}

impl Recipe {
    /// A name of letters, digits and hyphens that no other recipe has.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = match self.document {
            Document::Flat => "flat".to_owned(),
            Document::Full => "full".to_owned(),
        };
        if self.hot {
            name.push_str("-hot");
        }
        if self.padding_bytes > 0 {
            name.push_str(&format!("-padded{}", self.padding_bytes));
        }
        if self.poison_percent > 0 {
            name.push_str(&format!("-poison{}", self.poison_percent));
        }
        format!("{name}-{}", self.seed)
    }

    /// The key of the record at a place, from 0.
    #[must_use]
    pub fn id(&self, index: u64) -> Uuid {
        let what = match self.hot_key(index) {
            Some(key) => format!("{}:hot:{key}", self.seed),
            None => format!("{}:{index}", self.seed),
        };
        Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes())
    }

    /// Which of the hot keys the record at a place has.
    #[must_use]
    pub fn hot_key(&self, index: u64) -> Option<u64> {
        (self.hot && index % HOT_EVERY == HOT_EVERY - 1).then_some(index / HOT_EVERY % HOT_KEYS)
    }

    /// Whether the record at a place breaks a rule.
    #[must_use]
    pub fn is_poison(&self, index: u64) -> bool {
        // Spread, so that no run of them is long.
        index * 37 % 100 < self.poison_percent
    }

    /// The record at a place.
    #[must_use]
    pub fn record(&self, index: u64, topic: &Arc<str>) -> NewRecord {
        let id = self.id(index);
        let at_ms = FIRST_AT_MS.saturating_add_unsigned(index);
        let headers = match self.document {
            Document::Flat => Headers::new(),
            Document::Full => self.event(index, at_ms).map_or_else(Headers::new, |event| event.headers()),
        };
        NewRecord {
            topic: Arc::clone(topic),
            partition: None,
            timestamp_ms: Some(at_ms),
            key: Some(id.to_string().into_bytes()),
            value: Some(self.value(index, id).into_bytes()),
            headers,
        }
    }

    fn event(&self, index: u64, at_ms: i64) -> Option<Event> {
        Some(Event {
            run_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}:run", self.seed).as_bytes()),
            seed: format!("bench{}x", self.seed).into(),
            page: u32::try_from(index / PAGE + 1).ok()?,
            index: u32::try_from(index % PAGE).ok()?,
            version: VersionMicros::from_millis(at_ms)?,
        })
    }

    fn value(&self, index: u64, id: Uuid) -> String {
        let n = id.as_fields().0;
        let (first, last) = (pick(&FIRST, n), pick(&LAST, n / 16));
        let (city, country, nation) = pick(&PLACES, n / 256);
        let (gender, title, folder) = if n % 2 == 1 { ("female", "Ms", "women") } else { ("male", "Mr", "men") };
        let email = match self.is_poison(index) {
            true => "nobody".to_owned(),
            false => format!("{first}.{last}.{index}@example.com").to_lowercase(),
        };
        let (username, post_code) = (format!("{first}{last}{}", n % 100_000).to_lowercase(), 10_000 + n % 89_999);
        let day = format!("{:02}-{:02}T{:02}:{:02}", 1 + n % 12, 1 + n % 28, n % 24, n % 60);
        let (born, registered) = (1950 + n % 55, 2002 + n % 20);
        let mut value = format!(
            r#"{{"id":"{id}","first_name":"{first}","last_name":"{last}","gender":"{gender}","address":"{} Long Harbour Street, {city}, Region {}, {country}","post_code":"{post_code}","email":"{email}","username":"{username}","dob":"{born}-{day}:11.{:03}Z","registered_date":"{registered}-{day}:42.{:03}Z","phone":"({}) {}-{}","picture":"https://example.com/api/portraits/{folder}/{}.jpg""#,
            n % 9999,
            n % 90,
            n % 1000,
            n % 1000,
            n % 900 + 100,
            n % 900 + 99,
            n % 9000 + 1000,
            n % 100,
        );
        if self.document == Document::Full {
            value.push_str(&format!(
                r#","title":"{title}","city":"{city}","state":"Region {}","country":"{country}","nat":"{nation}","latitude":{}.{:04},"longitude":-{}.{:04},"timezone":"+3:00","cell":"{}-{}""#,
                n % 90,
                n % 90,
                n % 10_000,
                n % 180,
                n % 10_000,
                n % 900 + 99,
                n % 9000 + 1000,
            ));
        }
        if self.padding_bytes > 0 {
            value.push_str(r#","padding":""#);
            pad(&mut value, id.as_u64_pair().1, self.padding_bytes);
            value.push('"');
        }
        value.push('}');
        value
    }
}

fn pick<T: Copy + Default, const N: usize>(things: &[T; N], n: u32) -> T {
    things.get(n as usize % N).copied().unwrap_or_default()
}

/// Text that compresses to about half, as records do.
fn pad(value: &mut String, mut state: u64, bytes: usize) {
    let end = value.len() + bytes;
    while value.len() < end {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value.push_str(&format!("{state:016x}"));
    }
    value.truncate(end);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::Utc;
    use schema::record::Record;
    use schema::row::row_of;

    use super::*;

    fn consumed(new: NewRecord) -> Record {
        Record {
            topic: new.topic,
            partition: 3,
            offset: 42,
            timestamp_ms: new.timestamp_ms,
            key: new.key,
            value: new.value,
            headers: new.headers,
        }
    }

    #[test]
    fn a_good_record_is_a_row_as_it_stands() {
        for document in [Document::Flat, Document::Full] {
            let recipe = Recipe { document, ..Recipe::default() };
            for index in 0..2_000 {
                let record = consumed(recipe.record(index, &"t".into()));
                let row = row_of(&record, Utc::now()).unwrap();
                assert_eq!((row.id, row.email_domain.as_ref()), (recipe.id(index), "example.com"));
                let value: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
                for (name, stored) in [("email", Some(row.email)), ("address", row.address), ("phone", row.phone)] {
                    assert_eq!(value[name].as_str(), stored.as_deref(), "{name} needed cleaning");
                }
                assert_eq!(row.schema_id, if document == Document::Flat { "flat" } else { "user/1" });
            }
        }
    }

    #[test]
    fn a_poison_record_breaks_a_rule_and_so_many_of_a_hundred_do() {
        let recipe = Recipe { poison_percent: 10, ..Recipe::default() };
        let refused = |index: &u64| row_of(&consumed(recipe.record(*index, &"t".into())), Utc::now()).is_err();
        let poison: Vec<u64> = (0..1_000).filter(|index| recipe.is_poison(*index)).collect();
        assert_eq!(poison.len(), 100);
        assert_eq!((0..1_000).filter(refused).collect::<Vec<_>>(), poison);
        assert!((0..1_000).all(|index| !Recipe::default().is_poison(index)));
    }

    #[test]
    fn keys_are_unique_but_for_the_hot_ones() {
        let keys = |recipe: Recipe| (0..20_000).map(|index| recipe.id(index)).collect::<BTreeSet<_>>().len();
        assert_eq!(keys(Recipe::default()), 20_000);
        assert_eq!(keys(Recipe { hot: true, ..Recipe::default() }), 19_800 + 100);
        assert_ne!(Recipe::default().id(0), Recipe { seed: 8, ..Recipe::default() }.id(0));
    }

    #[test]
    fn records_are_as_large_as_they_are_said_to_be() {
        let size = |recipe: Recipe| {
            let sizes = (0..100).map(|index| recipe.record(index, &"t".into()).value.unwrap().len());
            sizes.sum::<usize>() / 100
        };
        let flat = size(Recipe::default());
        assert!((400..=440).contains(&flat), "{flat}");
        let padded = size(Recipe { padding_bytes: 10_000, ..Recipe::default() });
        assert_eq!(padded, flat + 10_000 + r#","padding":"""#.len());
        let name = |recipe: Recipe| recipe.name();
        assert_eq!(
            name(Recipe { hot: true, padding_bytes: 9, poison_percent: 1, ..Recipe::default() }),
            "flat-hot-padded9-poison1-7"
        );
    }
}
