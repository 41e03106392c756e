//! Publishing in transactions: all records of a page, its dead letters and the place behind it become visible together.
//!
//! Whatever goes wrong, the cursor topic decides. A transaction whose outcome is not known, or a fenced producer, is answered
//! by opening the producer anew, which ends what was open under its id, and then reading the bookmark: the one of this
//! transaction means that it was committed, the one before means that it was not, and any other that another producer of the
//! same name is at work. Each process claims the name when it starts, by a bookmark of its own, so that a producer that was
//! fenced knows whether by a successor or by the coordinator, which fences whoever leaves a transaction open for too long.

use std::collections::BTreeSet;

use kafka::{
    ClientError, KafkaSettings, OpenError, Reach, ReadError, SendError, TransactionError, TransactionalProducer,
    UNREACHABLE_REMEDY,
};
use schema::record::NewRecord;
use schema::version::VersionClock;
use service::backoff::Delays;
use uuid::Uuid;

use crate::attendance::{Attendance, worse};
use crate::bookmark::Bookmark;
use crate::cursor::Cursor;
use crate::publish::PublishError;
use crate::shelf::{Shelf, ShelfError};
use crate::shipment::{Parcel, Shipment, Tally};

/// How often a fenced producer finds transactions open where the claim of a successor would be, before it registers all the
/// same. Each look lasts ten seconds, so every transaction that the coordinator knows of has ended by the last of them (30 s,
/// and 10 s until the coordinator looks), and a successor has long ended what hangs under the name and published its claim.
const UNDECIDED_LOOKS: u32 = 5;

/// How often a committed page that cannot be read is published again. Once is enough for a transaction of ours that hangs unless
/// the broker crashes once more; what another name keeps open is not ended by it, however often.
const REPEATS: u32 = 2;

/// Publishes shipments, one at a time.
pub struct Transacted {
    producer: TransactionalProducer,
    kafka: KafkaSettings,
    shelf: Shelf,
    /// What the topic says of us while nothing of ours is under way.
    held: Bookmark,
    /// The last page, until it is known that it can be read.
    unread: Option<Unread>,
    attendance: Attendance,
}

/// A committed page, its bookmark included.
struct Unread {
    records: Vec<NewRecord>,
    reach: Reach,
}

/// What became of a transaction whose outcome was not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Committed,
    Aborted,
    /// Another producer of the same name is at work.
    Superseded,
}

impl Outcome {
    /// Judges by the bookmark that was `found` when nothing of ours was under way any more.
    fn of(found: Option<&Bookmark>, held: &Bookmark, attempted: &Bookmark) -> Self {
        match found {
            Some(found) if found == attempted => Self::Committed,
            Some(found) if found == held => Self::Aborted,
            Some(_) => Self::Superseded,
            // It was withdrawn, or the topic was made anew: what we hold is still right.
            None => Self::Aborted,
        }
    }
}

/// What keeps a producer from being opened.
enum Setback {
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
    fn of_leftovers(error: &TransactionError) -> Self {
        let remedy = format!("{UNREACHABLE_REMEDY}; it goes on by itself");
        Self::Waits { reason: format!("the end of the last transaction is not certain: {error}"), remedy }
    }

    /// The claim of a name was not published.
    fn of_claim(error: &TransactionError) -> Self {
        let remedy = "bring Kafka back, and let it take records on the cursor topic; it goes on by itself";
        Self::Waits { reason: format!("the place in the API cannot be claimed: {error}"), remedy: remedy.to_owned() }
    }
}

impl Transacted {
    /// Takes the name over: ends an older producer of it and what that left open, reads where it stood and claims the place.
    ///
    /// # Errors
    /// The settings of the client are wrong.
    pub async fn open(
        kafka: &KafkaSettings,
        shelf: Shelf,
        api_seed: Option<&str>,
        attendance: Attendance,
    ) -> Result<(Self, Cursor, VersionClock), ClientError> {
        let owner = Uuid::now_v7().to_string();
        let mut delays = attendance.delays();
        loop {
            let (reason, remedy) = match take_over(kafka, &shelf, api_seed, &owner, &attendance).await {
                Ok((producer, held, cursor)) => {
                    attendance.acknowledged();
                    let clock = held.version().map_or_else(VersionClock::new, VersionClock::after);
                    let opened = Self { producer, kafka: kafka.clone(), shelf, held, unread: None, attendance };
                    return Ok((opened, cursor, clock));
                }
                Err(Setback::Waits { reason, remedy }) => (reason, remedy),
                Err(Setback::Client(error)) => return Err(error),
            };
            attendance.waits_out(&reason, &remedy, &mut delays).await;
        }
    }

    /// What the process calls itself in its bookmarks.
    pub fn owner(&self) -> Option<&str> {
        self.held.owner.as_deref()
    }

    /// Returns once the page and `next` are visible; none when a shutdown is requested before. Then nothing of the page is
    /// visible, or all of it is and the next process finds `next`.
    ///
    /// # Errors
    /// Another producer of the same name is at work, or the settings of the client are wrong.
    pub async fn publish(&mut self, mut shipment: Shipment, next: &Bookmark) -> Result<Option<Tally>, PublishError> {
        let attendance = self.attendance.clone();
        let mut delays = attendance.delays();
        if Box::pin(self.until_readable(&mut delays)).await?.is_none() {
            return Ok(None);
        }
        loop {
            let (parcels, mut records): (Vec<_>, Vec<_>) = shipment.take_open().into_iter().unzip();
            records.push(self.shelf.record(next));
            // Not cut by a shutdown: a transaction is short, and its orderly end spares its readers a wait.
            let setback = match attendance.attended(self.producer.publish(&records)).await {
                Ok(delivered) => {
                    let reach = Reach::of(&records, &delivered);
                    self.unread = Some(Unread { records, reach });
                    return Ok(Some(self.arrived(shipment, parcels, next)));
                }
                Err(TransactionError::Refused(refused)) => match blame(&mut shipment, parcels, &refused) {
                    // What was refused is a dead letter now: the page can go at once.
                    None => continue,
                    Some(setback) => setback,
                },
                Err(TransactionError::Aborted(setback)) => {
                    parcels.into_iter().for_each(|parcel| shipment.put_back(parcel));
                    setback
                }
                Err(
                    error @ (TransactionError::Fenced
                    | TransactionError::Unknown { .. }
                    | TransactionError::Leftovers(_)
                    | TransactionError::Task(_)),
                ) => {
                    let Some(outcome) = attendance.unless_over(Box::pin(self.recover(&error, next, &mut delays))).await
                    else {
                        return Ok(None);
                    };
                    let (outcome, reach) = outcome?;
                    match outcome {
                        Outcome::Committed => {
                            if !reach.is_empty() {
                                self.unread = Some(Unread { records, reach });
                            }
                            return Ok(Some(self.arrived(shipment, parcels, next)));
                        }
                        Outcome::Aborted => {
                            parcels.into_iter().for_each(|parcel| shipment.put_back(parcel));
                            continue;
                        }
                        Outcome::Superseded => return Err(PublishError::Superseded(self.shelf.name().to_owned())),
                    }
                }
            };
            let wait = attendance.waits_out(&setback, setback.remedy(), &mut delays);
            if attendance.unless_over(wait).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// Waits until the last page can be read, so that no abort behind it can undo it; none when a shutdown is requested before.
    ///
    /// Where it stays unreadable, a broker may have skipped its end on a partition. The next end there is the end of both, so the
    /// page is published once more: committed, both are there, the same versions and dead letters twice; aborted, neither is on
    /// that partition, and it is tried again.
    async fn until_readable(&mut self, delays: &mut Delays) -> Result<Option<()>, PublishError> {
        let attendance = self.attendance.clone();
        let mut repeats = 0;
        while let Some(Unread { reach, .. }) = &self.unread {
            let Some(looked) = attendance.unless_over(attendance.attended(self.producer.is_readable(reach))).await
            else {
                return Ok(None);
            };
            match looked {
                Ok(true) => self.unread = None,
                Ok(false) if repeats < REPEATS => {
                    repeats += 1;
                    tracing::warn!(
                        "the last page is committed and cannot be read: a transaction before its end stays open; should it \
                         be ours, it is ended by publishing the page again"
                    );
                    if self.repeat(delays).await?.is_none() {
                        return Ok(None);
                    }
                }
                Ok(false) => {
                    tracing::warn!("the last page is committed and cannot be read yet: another transaction stays open");
                    self.unread = None;
                }
                Err(error) => {
                    let wait = attendance.waits_out(&error, UNREACHABLE_REMEDY, delays);
                    if attendance.unless_over(wait).await.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(()))
    }

    /// Publishes the last page again, until it is committed; none when a shutdown is requested before.
    async fn repeat(&mut self, delays: &mut Delays) -> Result<Option<()>, PublishError> {
        let attendance = self.attendance.clone();
        while let Some(Unread { records, .. }) = &self.unread {
            let setback = match attendance.attended(self.producer.publish(records)).await {
                Ok(delivered) => {
                    let reach = Reach::of(records, &delivered);
                    if let Some(unread) = &mut self.unread {
                        unread.reach = reach;
                    }
                    attendance.acknowledged();
                    return Ok(Some(()));
                }
                Err(TransactionError::Aborted(setback)) => setback,
                // They were taken before: somebody has changed a topic since.
                Err(error @ TransactionError::Refused(_)) => SendError::Misconfigured(error.to_string()),
                Err(
                    error @ (TransactionError::Fenced
                    | TransactionError::Unknown { .. }
                    | TransactionError::Leftovers(_)
                    | TransactionError::Task(_)),
                ) => {
                    let held = self.held.clone();
                    match attendance.unless_over(Box::pin(self.recover(&error, &held, delays))).await {
                        None => return Ok(None),
                        // The bookmark is that of both: it does not tell whether the second was committed.
                        Some(outcome) => match outcome?.0 {
                            Outcome::Committed | Outcome::Aborted => continue,
                            Outcome::Superseded => return Err(PublishError::Superseded(self.shelf.name().to_owned())),
                        },
                    }
                }
            };
            let wait = attendance.waits_out(&setback, setback.remedy(), delays);
            if attendance.unless_over(wait).await.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    /// Notes that the page is visible, and `next` with it.
    fn arrived(&mut self, mut shipment: Shipment, parcels: Vec<Parcel>, next: &Bookmark) -> Tally {
        for parcel in parcels {
            if let Ok(Some(arrival)) = shipment.settle(parcel, Ok(())) {
                self.attendance.arrived(&arrival);
            }
        }
        self.held = next.clone();
        self.attendance.acknowledged();
        shipment.tally()
    }

    /// Opens the producer anew after `error`, until it is known what became of its transaction; where it was committed, how far
    /// it is hidden.
    async fn recover(
        &mut self,
        error: &TransactionError,
        next: &Bookmark,
        delays: &mut Delays,
    ) -> Result<(Outcome, Reach), ClientError> {
        let mut looks = if matches!(error, TransactionError::Fenced) { UNDECIDED_LOOKS } else { 0 };
        let mut reason = error.to_string();
        let mut remedy =
            "wait, it finds out by itself what became of the page; where it stays so, bring Kafka back".to_owned();
        loop {
            // Before the first try too: who fenced us is to have its claim published by then.
            self.attendance.waits_out(&reason, &remedy, delays).await;
            (reason, remedy) = match self.reopen(next, &mut looks).await {
                Ok((outcome, hidden)) => {
                    tracing::info!(?outcome, "it is known what became of the transaction");
                    return Ok((outcome, hidden));
                }
                Err(Setback::Waits { reason, remedy }) => (reason, remedy),
                Err(Setback::Client(error)) => return Err(error),
            };
        }
    }

    /// Opens the producer anew, at once or after at most so many `looks` for a successor.
    ///
    /// Who fenced us has ended our transaction; a successor has to be left alone, because to open would fence it. Its claim
    /// tells of it, once nothing before the claim is open any more. What stays open under this name although the coordinator
    /// counts it as ended, nobody but a registered producer of the name ends: a successor does so before it claims, and where
    /// there is none we have to. So the looks are bounded, and after them we register and [`stored`] ends what hangs. From
    /// then on only another name's transaction keeps the bookmark from being read. A successor that was fenced by this takes
    /// over again, and finds all that it has published.
    ///
    /// The bookmark says what was decided. That is not yet so on every partition where a broker has skipped it, and there the end
    /// of the next transaction would decide anew. So what was aborted is ended for good, and what was committed is told.
    async fn reopen(&mut self, next: &Bookmark, looks: &mut u32) -> Result<(Outcome, Reach), Setback> {
        if *looks > 0 {
            let found = self.attendance.attended(self.shelf.read()).await;
            match past_undecided(found, looks)? {
                Some(found) if Outcome::of(found.as_ref(), &self.held, next) == Outcome::Superseded => {
                    return Ok((Outcome::Superseded, Reach::default()));
                }
                Some(_) | None => {}
            }
        }
        self.producer = register(&self.kafka, &self.shelf, &self.attendance).await?;
        let found = stored(&self.producer, &self.shelf, &self.attendance, Some(&self.held)).await?;
        let outcome = Outcome::of(found.as_ref(), &self.held, next);
        let topics =
            BTreeSet::from([&self.kafka.topics.user_data, &self.kafka.topics.dlq].map(|topic| topic.as_str().into()));
        let hidden = match outcome {
            Outcome::Committed => self.attendance.attended(self.producer.unreadable(topics)).await,
            Outcome::Aborted => {
                let ended = self.attendance.attended(self.producer.end_leftovers(topics)).await;
                ended.map(|()| Reach::default())
            }
            Outcome::Superseded => Ok(Reach::default()),
        };
        Ok((outcome, hidden.map_err(|error| Setback::of_leftovers(&error))?))
    }
}

/// What a look found; none once the last of the `looks` has found transactions open.
fn past_undecided<T>(found: Result<T, ShelfError>, looks: &mut u32) -> Result<Option<T>, ShelfError> {
    match found {
        Err(error @ ShelfError::Read(ReadError::Undecided(_))) => {
            *looks = looks.saturating_sub(1);
            if *looks == 0 { Ok(None) } else { Err(error) }
        }
        found => found.map(Some),
    }
}

async fn register(
    kafka: &KafkaSettings,
    shelf: &Shelf,
    attendance: &Attendance,
) -> Result<TransactionalProducer, OpenError> {
    let id = shelf.transactional_id();
    attendance.attended(TransactionalProducer::new(kafka, "producer", &id)).await
}

/// The bookmark on the topic, with nothing of ours under way any more. Registering has ended every transaction of ours that the
/// coordinator knows of. One that hangs although it does not is ended: by what we `held` once more, because what was told to be
/// committed has to stay so; where that is not known as aborted, then its page is published again. Neither loses anything.
///
/// What we held is published only behind a bookmark of our own. Another's may be the claim of a successor that has published
/// pages since, all of it behind the open transaction of another name: what we held would send it back. Nothing comes behind
/// the bookmark that is found meanwhile, because registering has fenced every other producer of the name.
async fn stored(
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

async fn take_over(
    kafka: &KafkaSettings,
    shelf: &Shelf,
    api_seed: Option<&str>,
    owner: &str,
    attendance: &Attendance,
) -> Result<(TransactionalProducer, Bookmark, Cursor), Setback> {
    let producer = register(kafka, shelf, attendance).await?;
    let stored = stored(&producer, shelf, attendance, None).await?;
    let cursor = Cursor::resume(stored.as_ref(), api_seed);
    let claim = cursor.bookmark(cursor.place(), stored.as_ref().and_then(Bookmark::version), Some(owner));
    let claimed = attendance.attended(producer.publish(&[shelf.record(&claim)])).await;
    claimed.map_err(|error| Setback::of_claim(&error))?;
    Ok((producer, claim, cursor))
}

/// Takes all parcels back into the shipment, those that were `refused` as dead letters; the error to wait out, if any. What was
/// refused behind the parcels is the bookmark.
fn blame(shipment: &mut Shipment, parcels: Vec<Parcel>, refused: &[(usize, SendError)]) -> Option<SendError> {
    let bookmark = parcels.len();
    let mut setback = None;
    for (place, parcel) in parcels.into_iter().enumerate() {
        match refused.iter().find(|(refused, _)| *refused == place) {
            None => shipment.put_back(parcel),
            Some((_, error)) => {
                if let Err(error) = shipment.settle(parcel, Err(error.clone())) {
                    setback = Some(worse(setback, error));
                }
            }
        }
    }
    match refused.iter().find(|(refused, _)| *refused == bookmark) {
        Some((_, error)) => Some(SendError::Misconfigured(format!("the place in the API: {error}"))),
        None => setback,
    }
}

#[cfg(test)]
mod tests;
