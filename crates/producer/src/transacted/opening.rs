//! How a producer takes its name: it registers, which ends what was open under it, ends what hangs all the same, and reads where
//! its predecessor stood.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka::{
    ClientError, Hidden, KafkaSettings, OpenError, Published, ReadError, TransactionError, TransactionalProducer,
    UNREACHABLE_REMEDY,
};
use schema::event::coordinates;
use schema::headers;
use schema::record::{NewRecord, Record};

use crate::attendance::Attendance;
use crate::bookmark::Bookmark;
use crate::cursor::{Cursor, Place};
use crate::shelf::{Shelf, ShelfError};
use crate::transacted::Unread;

/// What keeps a producer from being opened.
pub(super) enum Setback {
    /// It may pass, or somebody may mend it.
    Waits { reason: String, remedy: String },
    /// The settings of the client are wrong.
    Client(ClientError),
}

impl From<OpenError> for Setback {
    fn from(error: OpenError) -> Self {
        let remedy = error.remedy().to_owned();
        match error {
            OpenError::Client(error) => Self::Client(error),
            OpenError::Register(error) => {
                Self::Waits { reason: format!("the producer's name cannot be registered: {error}"), remedy }
            }
        }
    }
}

impl From<ShelfError> for Setback {
    fn from(error: ShelfError) -> Self {
        Self::Waits { reason: error.to_string(), remedy: error.remedy() }
    }
}

impl Setback {
    /// What a transaction left behind cannot be looked for or ended.
    pub(super) fn of_leftovers(error: &TransactionError) -> Self {
        let remedy = format!("{UNREACHABLE_REMEDY}; it goes on by itself");
        Self::Waits { reason: format!("the end of the last transaction is not certain: {error}"), remedy }
    }

    /// The claim of a name was not published.
    fn of_claim(error: &TransactionError) -> Self {
        let remedy = "bring Kafka back, and let it take records on the cursor topic; it goes on by itself";
        Self::Waits { reason: format!("the place in the API cannot be claimed: {error}"), remedy: remedy.to_owned() }
    }
}

/// What a look found; none once the last of the `looks` has found transactions open.
pub(super) fn past_undecided<T>(found: Result<T, ShelfError>, looks: &mut u32) -> Result<Option<T>, ShelfError> {
    match found {
        Err(error @ ShelfError::Read(ReadError::Undecided(_))) => {
            *looks = looks.saturating_sub(1);
            if *looks == 0 { Ok(None) } else { Err(error) }
        }
        found => found.map(Some),
    }
}

pub(super) async fn register(
    kafka: &KafkaSettings,
    shelf: &Shelf,
    attendance: &Attendance,
) -> Result<TransactionalProducer, OpenError> {
    let id = shelf.transactional_id();
    attendance.attended(TransactionalProducer::new(kafka, "producer", &id)).await
}

/// The topics that a page goes to, its bookmark aside.
pub(super) fn of_pages(kafka: &KafkaSettings) -> BTreeSet<Arc<str>> {
    [&kafka.topics.user_data, &kafka.topics.dlq].map(|topic| topic.as_str().into()).into()
}

/// The bookmark on the topic, with nothing of ours under way any more. Registering has ended every transaction of ours that the
/// coordinator knows of. One that hangs although it does not is ended: by what we `held` once more, because what was told to be
/// committed has to stay so; where that is not known as aborted, then its page is published again. Neither loses anything.
///
/// What we held is published only behind a bookmark of our own. Another's may be the claim of a successor that has published
/// pages since, all of it behind the open transaction of another name: what we held would send it back. Nothing comes behind
/// the bookmark that is found meanwhile, because registering has fenced every other producer of the name.
pub(super) async fn stored(
    producer: &TransactionalProducer,
    shelf: &Shelf,
    attendance: &Attendance,
    held: Option<&Bookmark>,
) -> Result<Option<Bookmark>, Setback> {
    match attendance.attended(shelf.read()).await {
        Err(ShelfError::Read(ReadError::Undecided(topic))) => {
            tracing::warn!(topic, "a transaction stays open: should it be ours, it is ended now");
            let held = match held.and_then(|held| Some((held, held.owner.as_deref()?))) {
                Some((held, owner)) => attendance.attended(shelf.ends_with_one_of(owner)).await?.then_some(held),
                None => None,
            };
            let ended = match held {
                Some(held) => attendance.attended(producer.publish(&[shelf.record(held)])).await.map(drop),
                None => attendance.attended(producer.end_hanging(&[shelf.blank()])).await,
            };
            ended.map_err(|error| Setback::of_claim(&error))?;
            Ok(attendance.attended(shelf.read()).await?)
        }
        read => Ok(read?),
    }
}

/// A name that was taken over.
pub(super) struct Taken {
    pub(super) producer: TransactionalProducer,
    /// The claim.
    pub(super) held: Bookmark,
    /// The claim too, and what was hidden of the page before it.
    pub(super) unread: Unread,
    pub(super) cursor: Cursor,
}

/// Ends an older producer of the name, reads where it stood and claims the place.
///
/// A broker may have skipped the end of its last transaction. On the cursor topic [`stored`] has seen to that. Elsewhere the
/// bookmark tells what is to become of it: the page before the bookmark is committed, so what is hidden of it is published
/// again with the claim; anything else was aborted, and is ended so.
pub(super) async fn take_over(
    kafka: &KafkaSettings,
    shelf: &Shelf,
    api_seed: Option<&str>,
    owner: &str,
    attendance: &Attendance,
) -> Result<Taken, Setback> {
    let producer = register(kafka, shelf, attendance).await?;
    let stored = stored(&producer, shelf, attendance, None).await?;
    let hidden = attendance.attended(producer.hidden(of_pages(kafka))).await;
    let hidden = hidden.map_err(|error| Setback::of_leftovers(&error))?;
    let cursor = Cursor::resume(stored.as_ref(), api_seed);
    let claim = cursor.bookmark(cursor.place(), stored.as_ref().and_then(Bookmark::version), Some(owner));
    let publish = async |records: &[NewRecord]| {
        let published = attendance.attended(producer.publish(records)).await;
        published.map_err(|error| Setback::of_claim(&error))
    };
    let (mut records, before) = match unseen_part(&producer, &hidden, stored.as_ref(), owner, attendance).await? {
        Some((records, before)) => {
            let (seed, page) = (&*before.seed, before.page);
            tracing::warn!(
                seed,
                page,
                records = records.len(),
                "a part of a committed page cannot be read, it is published again"
            );
            // The other transaction may undo the part: whoever starts behind a crash then begins with the page.
            publish(&[shelf.record(&before)]).await?;
            (records, before)
        }
        None => {
            let ended = attendance.attended(producer.end_hidden(&hidden)).await;
            ended.map_err(|error| Setback::of_leftovers(&error))?;
            (Vec::new(), claim.clone())
        }
    };
    records.push(shelf.record(&claim));
    let Published { reach, .. } = publish(&records).await?;
    let unread = Unread { records, before, reach };
    Ok(Taken { producer, held: claim, unread, cursor })
}

/// What is `hidden` of the page before the `stored` bookmark, and the bookmark that leads to that page; none where nothing is.
async fn unseen_part(
    producer: &TransactionalProducer,
    hidden: &Hidden,
    stored: Option<&Bookmark>,
    owner: &str,
    attendance: &Attendance,
) -> Result<Option<(Vec<NewRecord>, Bookmark)>, Setback> {
    let Some(stored) = stored.filter(|_| !hidden.is_empty()) else { return Ok(None) };
    let bookmark = stored.clone();
    let is_of_page = move |record: &Record| place_of(record).is_some_and(|place| bookmark.follows(&place));
    let found = attendance.attended(producer.hidden_records(hidden.clone(), is_of_page)).await;
    let found = found.map_err(|error| Setback::of_leftovers(&error))?;
    let Some(Place { seed, page }) = found.first().and_then(place_of) else { return Ok(None) };
    let before = Bookmark { seed: seed.to_string(), page, owner: Some(owner.to_owned()), ..stored.clone() };
    Ok(Some((found.into_iter().map(again).collect(), before)))
}

/// The page of a record that a producer published.
fn place_of(record: &Record) -> Option<Place> {
    let (seed, page, _) = coordinates(record.headers.text(headers::SOURCE)?)?;
    Some(Place { seed: seed.into(), page })
}

/// The same record, once more on its partition.
fn again(record: Record) -> NewRecord {
    let Record { topic, partition, timestamp_ms, key, value, headers, offset: _ } = record;
    NewRecord { topic, partition: Some(partition), timestamp_ms, key, value, headers }
}
