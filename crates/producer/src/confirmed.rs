//! Publishing without transactions: every record of the page until it is acknowledged, and only then the place behind it. A
//! crash in between repeats the page.

use kafka::{ClientError, KafkaSettings, Producer, SendError};
use schema::version::VersionClock;

use crate::attendance::{Attendance, worse};
use crate::bookmark::Bookmark;
use crate::cursor::Cursor;
use crate::shelf::Shelf;
use crate::shipment::{Shipment, Tally};

/// Sends shipments, one at a time.
pub struct Confirmed {
    producer: Producer,
    shelf: Shelf,
    attendance: Attendance,
}

impl Confirmed {
    /// Reads where the producer of this name stood.
    ///
    /// # Errors
    /// The settings of the client are wrong.
    pub async fn open(
        kafka: &KafkaSettings,
        shelf: Shelf,
        api_seed: Option<&str>,
        attendance: Attendance,
    ) -> Result<(Self, Cursor, VersionClock), ClientError> {
        let producer = Producer::new(kafka, "producer")?;
        let mut delays = attendance.delays();
        loop {
            match attendance.attended(shelf.read()).await {
                Ok(stored) => {
                    attendance.acknowledged();
                    let version = stored.as_ref().and_then(Bookmark::version);
                    let clock = version.map_or_else(VersionClock::new, VersionClock::after);
                    let cursor = Cursor::resume(stored.as_ref(), api_seed);
                    return Ok((Self { producer, shelf, attendance }, cursor, clock));
                }
                Err(error) => attendance.waits_out(&error, &error.remedy(), &mut delays).await,
            }
        }
    }

    /// Returns once every user of the page is acknowledged as a record or as a dead letter, and after that `next`. Neither a
    /// shutdown nor the end of a run's time cuts it: the users are here, and only the drain deadline of the process gives
    /// them up.
    ///
    /// # Errors
    /// The client is at its end and only a new process can go on.
    pub async fn publish(&self, mut shipment: Shipment, next: &Bookmark) -> Result<Tally, SendError> {
        let mut delays = self.attendance.delays();
        while let Err(setback) = self.round(&mut shipment, next).await {
            if matches!(setback, SendError::Fatal(_)) {
                return Err(setback);
            }
            self.attendance.waits_out(&setback, setback.remedy(), &mut delays).await;
        }
        self.attendance.acknowledged();
        Ok(shipment.tally())
    }

    /// Sends what is open until nothing is, then the bookmark.
    ///
    /// # Errors
    /// What has to be waited out.
    async fn round(&self, shipment: &mut Shipment, next: &Bookmark) -> Result<(), SendError> {
        while shipment.open() > 0 {
            let (parcels, records): (Vec<_>, Vec<_>) = shipment.take_open().into_iter().unzip();
            let sent = self.attendance.attended(self.producer.send_all(records)).await;
            let mut setback = None;
            for (parcel, sent) in parcels.into_iter().zip(sent) {
                match shipment.settle(parcel, sent.map(drop)) {
                    Ok(None) => {}
                    Ok(Some(arrival)) => self.attendance.arrived(&arrival),
                    Err(error) => setback = Some(worse(setback, error)),
                }
            }
            if let Some(setback) = setback {
                return Err(setback);
            }
        }
        self.attendance.attended(self.producer.send(self.shelf.record(next))).await.map(drop)
    }
}
