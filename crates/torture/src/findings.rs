//! What is there when everything has come to rest: topics as `read_committed` sees them, the table, the group's offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use dlq_replayer::book::{Book, Census};
use schema::row::UserRow;
use uuid::Uuid;

/// What `schema` says of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A row; its values as a digest.
    Row {
        id: Uuid,
        version: i64,
        digest: u64,
    },
    Poison,
}

/// The replay that a record or a dead letter comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replay {
    /// The dead letter that was replayed.
    pub(crate) of: String,
    /// The job.
    pub(crate) job: String,
    /// How often it was replayed, this time included.
    pub(crate) count: u32,
}

/// A record of `user_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The `source` header.
    pub(crate) source: Option<String>,
    pub(crate) replay: Option<Replay>,
    pub(crate) verdict: Verdict,
}

/// A record of the DLQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LetterSeen {
    pub(crate) id: String,
    /// The `source` header of a user that the producer could not publish.
    pub(crate) of_user: Option<String>,
    pub(crate) replay: Option<Replay>,
}

/// What the disposition ledger says last of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disposed {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) job: Option<String>,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowSeen {
    pub(crate) version: i64,
    pub(crate) digest: u64,
}

/// The producer's durable place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seed: String,
    /// The page that comes next.
    pub(crate) page: u32,
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Name of `user_data`.
    pub(crate) topic: String,
    pub(crate) records: Vec<Seen>,
    pub(crate) letters: Vec<LetterSeen>,
    /// Ids of parked dead letters.
    pub(crate) parked: Vec<String>,
    /// Every entry of the disposition ledger, in its order.
    pub(crate) disposed: Vec<Disposed>,
    /// What the replayer's own code makes of letters and ledger.
    pub(crate) book: Book,
    pub(crate) rows: BTreeMap<Uuid, RowSeen>,
    pub(crate) place: Option<Place>,
    /// The group's commits.
    pub(crate) committed: BTreeMap<i32, i64>,
    /// One past the last offset of each partition of `user_data`.
    pub(crate) ends: BTreeMap<i32, i64>,
}

impl Findings {
    /// Ids of the letters that poison on the topic has to have.
    pub(crate) fn poison_ids(&self) -> BTreeSet<String> {
        let poison = self.records.iter().filter(|record| record.verdict == Verdict::Poison);
        poison.map(|record| format!("{}/{}/{}", self.topic, record.partition, record.offset)).collect()
    }

    /// How many letters are in which state.
    pub(crate) fn states(&self) -> Census {
        let all = dlq_replayer::disposition::State::ALL;
        self.book.census(&dlq_replayer::selection::Selection::default(), &all, chrono::Utc::now())
    }
}

/// Columns in the order of [`digest_of`].
pub(crate) const COLUMNS: [&str; 25] = [
    "first_name",
    "last_name",
    "title",
    "gender",
    "address",
    "city",
    "state",
    "country",
    "nat",
    "post_code",
    "latitude",
    "longitude",
    "timezone",
    "email",
    "username",
    "dob",
    "registered_date",
    "phone",
    "cell",
    "picture",
    "age_band",
    "email_domain",
    "source",
    "run_id",
    "schema_id",
];

/// The digest of the values of a row as the table has to hold them.
pub(crate) fn digest_of(row: &UserRow<'_>) -> u64 {
    let text = |value: &Option<std::borrow::Cow<'_, str>>| value.as_deref().map(str::to_owned);
    let date = |value: Option<chrono::DateTime<chrono::Utc>>| {
        value.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    };
    let number = |value: Option<f64>| value.map(|number| number.to_string());
    digest(&[
        text(&row.first_name),
        text(&row.last_name),
        text(&row.title),
        row.gender.map(str::to_owned),
        text(&row.address),
        text(&row.city),
        text(&row.state),
        text(&row.country),
        text(&row.nat),
        text(&row.post_code),
        number(row.latitude),
        number(row.longitude),
        text(&row.timezone),
        Some(row.email.to_string()),
        Some(row.username.to_string()),
        date(row.dob),
        date(row.registered_date),
        text(&row.phone),
        text(&row.cell),
        text(&row.picture),
        row.age_band.map(str::to_owned),
        Some(row.email_domain.to_string()),
        Some(row.source.to_string()),
        text(&row.run_id),
        Some(row.schema_id.to_owned()),
    ])
}

/// The same for the same values, in one process.
pub(crate) fn digest(values: &[Option<String>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.hash(&mut hasher);
    hasher.finish()
}
