//! Publishing in transactions: all records of a page, its dead letters and the place behind it become visible together.
//!
//! Whatever goes wrong, the cursor topic decides. A transaction whose outcome is not known, or a fenced producer, is answered
//! by opening the producer anew, which ends what was open under its id, and then reading the bookmark: the one of this
//! transaction means that it was committed, the one before means that it was not, and any other that another producer of the
//! same name is at work. Each process claims the name when it starts, by a bookmark of its own, so that a producer that was
//! fenced knows whether by a successor or by the coordinator, which fences whoever leaves a transaction open for too long.

mod opening;

use kafka::{
    ClientError, KafkaSettings, Published, Reach, SendError, TransactionError, TransactionalProducer,
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
use crate::shelf::Shelf;
use crate::shipment::{Parcel, Shipment, Tally};
use crate::transacted::opening::{Setback, Taken, of_pages, past_undecided, register, stored, take_over};

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

/// What is committed and maybe hidden.
struct Unread {
    /// A page, or what was hidden of one; its bookmark is the last.
    records: Vec<NewRecord>,
    /// The bookmark before them: who finds it begins with the page.
    before: Bookmark,
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
                Ok(Taken { producer, held, unread, cursor }) => {
                    attendance.acknowledged();
                    let clock = held.version().map_or_else(VersionClock::new, VersionClock::after);
                    let unread = Some(unread);
                    let opened = Self { producer, kafka: kafka.clone(), shelf, held, unread, attendance };
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
                Ok(Published { reach, .. }) => {
                    self.unread = Some(Unread { records, before: self.held.clone(), reach });
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
                            self.unread = Some(Unread { records, before: self.held.clone(), reach });
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
    /// Where it stays unreadable, a broker may have skipped its end on a partition, and the next end there is the end of both. So
    /// the page is taken back and published once more: committed, both are there, the same versions and dead letters twice;
    /// aborted, neither is on that partition, and it is tried again.
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

    /// Takes the last page back and publishes it again; none when a shutdown is requested before.
    ///
    /// Between the two an abort can undo the page, and a crash then would lose it: so the bookmark before it comes first, and
    /// whoever starts behind the crash begins with the page.
    async fn repeat(&mut self, delays: &mut Delays) -> Result<Option<()>, PublishError> {
        let Some(Unread { records, before, .. }) = self.unread.take() else { return Ok(Some(())) };
        let next = self.held.clone();
        let back = self.shelf.record(&before);
        if self.until_committed(&[back], &before, delays).await?.is_none() {
            return Ok(None);
        }
        let Some(reach) = self.until_committed(&records, &next, delays).await? else { return Ok(None) };
        self.unread = Some(Unread { records, before, reach });
        Ok(Some(()))
    }

    /// Publishes `records`, the last of which is `bookmark`, until they are committed, and says how far they may be hidden; none
    /// when a shutdown is requested before.
    async fn until_committed(
        &mut self,
        records: &[NewRecord],
        bookmark: &Bookmark,
        delays: &mut Delays,
    ) -> Result<Option<Reach>, PublishError> {
        let attendance = self.attendance.clone();
        loop {
            let setback = match attendance.attended(self.producer.publish(records)).await {
                Ok(Published { reach, .. }) => {
                    self.held = bookmark.clone();
                    attendance.acknowledged();
                    return Ok(Some(reach));
                }
                Err(TransactionError::Aborted(setback)) => setback,
                // They were taken before: somebody has changed a topic since.
                Err(error @ TransactionError::Refused(_)) => SendError::Misconfigured(error.to_string()),
                Err(
                    error @ (TransactionError::Fenced
                    | TransactionError::Unknown { .. }
                    | TransactionError::Leftovers(_)
                    | TransactionError::Task(_)),
                ) => match attendance.unless_over(Box::pin(self.recover(&error, bookmark, delays))).await {
                    None => return Ok(None),
                    Some(outcome) => match outcome? {
                        (Outcome::Committed, reach) => {
                            self.held = bookmark.clone();
                            return Ok(Some(reach));
                        }
                        (Outcome::Aborted, _) => continue,
                        (Outcome::Superseded, _) => {
                            return Err(PublishError::Superseded(self.shelf.name().to_owned()));
                        }
                    },
                },
            };
            let wait = attendance.waits_out(&setback, setback.remedy(), delays);
            if attendance.unless_over(wait).await.is_none() {
                return Ok(None);
            }
        }
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
        let hidden = match outcome {
            Outcome::Committed => {
                let hidden = self.attendance.attended(self.producer.hidden(of_pages(&self.kafka))).await;
                hidden.map(|hidden| hidden.reach())
            }
            Outcome::Aborted => {
                let ended = self.attendance.attended(self.producer.end_leftovers(of_pages(&self.kafka))).await;
                ended.map(|()| Reach::default())
            }
            Outcome::Superseded => Ok(Reach::default()),
        };
        Ok((outcome, hidden.map_err(|error| Setback::of_leftovers(&error))?))
    }
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
