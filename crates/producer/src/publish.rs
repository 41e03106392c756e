//! Publishes a page and the place behind it: in one transaction, or one after the other where the brokers know none.

use kafka::{ClientError, SendError};
use schema::version::VersionClock;

use crate::attendance::Attendance;
use crate::bookmark::Bookmark;
use crate::confirmed::Confirmed;
use crate::cursor::Cursor;
use crate::settings::ProducerSettings;
use crate::shelf::Shelf;
use crate::shipment::{Shipment, Tally};
use crate::transacted::Transacted;

/// Publishes shipments, one at a time.
pub enum Publisher {
    /// A page and the place behind it become visible together.
    Transacted(Box<Transacted>),
    /// The place follows its page.
    Confirmed(Box<Confirmed>),
}

/// Nothing more can be published by this process.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The settings of the Kafka client are wrong.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The Kafka client is at its end.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Another process of the same name has taken over.
    #[error(
        "another producer with PRODUCER_NAME={0} has taken over: give each its own PRODUCER_NAME, or stop one of them"
    )]
    Superseded(String),
}

impl Publisher {
    /// Reads where the producer of this name stood, and how far its versions have come.
    ///
    /// # Errors
    /// The settings of the client are wrong.
    pub async fn open(
        settings: &ProducerSettings,
        attendance: Attendance,
    ) -> Result<(Self, Cursor, VersionClock), ClientError> {
        let kafka = &settings.kafka;
        let shelf = Shelf::new(kafka, &settings.name);
        let seed = settings.api.seed.as_deref();
        Ok(if settings.transactions {
            let (publisher, cursor, clock) = Transacted::open(kafka, shelf, seed, attendance).await?;
            (Self::Transacted(Box::new(publisher)), cursor, clock)
        } else {
            let (publisher, cursor, clock) = Confirmed::open(kafka, shelf, seed, attendance).await?;
            (Self::Confirmed(Box::new(publisher)), cursor, clock)
        })
    }

    /// What the process calls itself in its bookmarks; nothing where it claims no name.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Transacted(publisher) => publisher.owner(),
            Self::Confirmed(_) => None,
        }
    }

    /// Returns once every user of the page is published as a record or as a dead letter, and `next` too; none when a shutdown
    /// is requested before and the next process begins the page anew.
    ///
    /// # Errors
    /// See [`PublishError`]; an outage is none of them.
    pub async fn publish(&mut self, shipment: Shipment, next: &Bookmark) -> Result<Option<Tally>, PublishError> {
        match self {
            Self::Transacted(publisher) => publisher.publish(shipment, next).await,
            Self::Confirmed(publisher) => Ok(Some(publisher.publish(shipment, next).await?)),
        }
    }
}
