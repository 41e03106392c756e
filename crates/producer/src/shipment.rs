//! The users of one page on their way to Kafka; pure.
//!
//! A record is a function of its user and its event, so it is made again for another try instead of being kept: the same
//! version, the same bytes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kafka::SendError;
use schema::api::Page;
use schema::dead_letter::{self, App};
use schema::event::Event;
use schema::fault::Fault;
use schema::produce;
use schema::reason::{Reason, Stage};
use schema::record::NewRecord;
use schema::version::VersionClock;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::cursor::Place;

/// Where records go.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The topic of users.
    pub topic: Arc<str>,
    /// The topic of dead letters.
    pub dlq_topic: Arc<str>,
    /// Who sends.
    pub app: App,
}

/// A page whose users are not all acknowledged.
#[derive(Debug)]
pub struct Shipment {
    destination: Destination,
    now: DateTime<Utc>,
    open: Vec<Parcel>,
    tally: Tally,
}

/// One user that is not acknowledged.
#[derive(Debug)]
pub struct Parcel {
    raw: Box<RawValue>,
    event: Event,
    /// Set once the user is to become a dead letter.
    fault: Option<Box<Fault>>,
    /// Set once its dead letter turned out to be larger than the topic takes, too.
    without_value: bool,
}

/// What became of the users of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that are acknowledged.
    pub published: usize,
    /// Dead letters that are acknowledged.
    pub dead_lettered: usize,
}

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Of a user's record.
    Published,
    /// Of a user's dead letter.
    DeadLettered(Box<Fault>),
}

impl Shipment {
    /// All users of `page`, each with its own version.
    pub fn new(page: Page, place: &Place, run_id: Uuid, clock: &mut VersionClock, destination: Destination) -> Self {
        let now = Utc::now();
        let parcel = |(index, raw)| Parcel {
            raw,
            event: Event { run_id, seed: Arc::clone(&place.seed), page: place.page, index, version: clock.next(now) },
            fault: None,
            without_value: false,
        };
        let open = (0..).zip(page.users).map(parcel).collect();
        Self { destination, now, open, tally: Tally::default() }
    }

    /// What is not acknowledged yet, to be sent; each comes back through [`Shipment::settle`].
    pub fn take_open(&mut self) -> Vec<(Parcel, NewRecord)> {
        let parcels = std::mem::take(&mut self.open);
        parcels.into_iter().map(|parcel| self.record_of(parcel)).collect()
    }

    /// Notes what became of one send: an arrival, or an error that is to be waited out. A record that can never be stored
    /// becomes a dead letter and is open again.
    ///
    /// # Errors
    /// The error to wait out; the parcel is open again.
    pub fn settle(&mut self, mut parcel: Parcel, sent: Result<(), SendError>) -> Result<Option<Arrival>, SendError> {
        match (sent, parcel.fault.take()) {
            (Ok(()), None) => {
                self.tally.published += 1;
                Ok(Some(Arrival::Published))
            }
            (Ok(()), Some(fault)) => {
                self.tally.dead_lettered += 1;
                Ok(Some(Arrival::DeadLettered(fault)))
            }
            (Err(error), None) if let Some(fault) = fault_of(&error) => {
                parcel.fault = Some(fault);
                self.open.push(parcel);
                Ok(None)
            }
            // A user may be of any size, a topic may not: what it cannot hold can be fetched again by its coordinates.
            (Err(SendError::TooLarge), Some(fault)) if !parcel.without_value => {
                self.open.push(Parcel { fault: Some(fault), without_value: true, ..parcel });
                Ok(None)
            }
            // A dead letter that is refused cannot become another one: the topic has to be mended.
            (Err(error), fault) => {
                parcel.fault = fault;
                self.open.push(parcel);
                Err(error)
            }
        }
    }

    /// Takes back what was sent in vain through no fault of its own.
    pub fn put_back(&mut self, parcel: Parcel) {
        self.open.push(parcel);
    }

    /// How many users are not acknowledged.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// What was acknowledged.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn record_of(&self, mut parcel: Parcel) -> (Parcel, NewRecord) {
        let Destination { topic, dlq_topic, app } = &self.destination;
        let fault = match parcel.fault.take() {
            Some(fault) => fault,
            None => match produce::record_of(parcel.raw.get(), &parcel.event, topic) {
                Ok(record) => return (parcel, record),
                Err(fault) => fault,
            },
        };
        let letter = dead_letter::from_user(parcel.raw.get(), &parcel.event, &fault, topic, dlq_topic, app, self.now);
        let record = if parcel.without_value { dead_letter::without_value(letter) } else { letter };
        (Parcel { fault: Some(fault), ..parcel }, record)
    }
}

/// The fault of a record that can never be stored; none where the send is to be tried again.
fn fault_of(error: &SendError) -> Option<Box<Fault>> {
    let (reason, error_type, message) = match error {
        SendError::TooLarge => (Reason::TooLarge, "message_too_large", "the record is larger than the topic takes"),
        SendError::Rejected(_) => (Reason::ProduceRejected, "rejected", "the broker refuses the record for good"),
        SendError::Transient(_) | SendError::Misconfigured(_) | SendError::Fatal(_) => return None,
    };
    Some(Box::new(Fault::new(reason, Stage::Produce, error_type, message)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use schema::api::parse_page;

    use super::*;

    const RECORDED: &str = include_str!("../tests/data/page.json");

    fn shipment(edit: impl FnOnce(&mut Vec<serde_json::Value>)) -> Shipment {
        let mut body: serde_json::Value = serde_json::from_str(RECORDED).expect("JSON");
        edit(body["results"].as_array_mut().expect("users"));
        let page = parse_page(body.to_string().as_bytes()).expect("a page");
        let place = Place { seed: "abc".into(), page: 3 };
        let destination = Destination {
            topic: "user_data".into(),
            dlq_topic: "user_data_dlq".into(),
            app: App { name: "producer", version: "0" },
        };
        Shipment::new(page, &place, Uuid::now_v7(), &mut VersionClock::new(), destination)
    }

    fn text(record: &NewRecord, header: &str) -> String {
        record.headers.text(header).unwrap_or_default().to_owned()
    }

    #[test]
    fn every_user_is_sent_under_its_own_version_and_place() {
        let mut shipment = shipment(|_| {});
        let sent = shipment.take_open();
        assert_eq!(sent.len(), 3);
        let versions: HashSet<_> = sent.iter().map(|(_, record)| text(record, "event.version_us")).collect();
        assert_eq!(versions.len(), 3);
        for (index, (parcel, record)) in sent.into_iter().enumerate() {
            assert_eq!(&*record.topic, "user_data");
            assert_eq!(text(&record, "source"), format!("randomuser:abc/3/{index}"));
            assert_eq!(shipment.settle(parcel, Ok(())), Ok(Some(Arrival::Published)));
        }
        assert_eq!((shipment.open(), shipment.tally()), (0, Tally { published: 3, dead_lettered: 0 }));
    }

    #[test]
    fn a_user_that_fails_becomes_a_dead_letter_and_its_siblings_go_on() {
        let mut shipment = shipment(|users| users[1]["email"] = "".into());
        let sent = shipment.take_open();
        let topics: Vec<_> = sent.iter().map(|(_, record)| record.topic.to_string()).collect();
        assert_eq!(topics, ["user_data", "user_data_dlq", "user_data"]);
        let (_, dead) = &sent[1];
        assert_eq!((text(dead, "dlq.reason"), text(dead, "dlq.stage")), ("quality_rule".into(), "validate".into()));
        assert_eq!(text(dead, "dlq.rule.ids"), "email.required");
        for (parcel, _) in sent {
            assert!(matches!(shipment.settle(parcel, Ok(())), Ok(Some(_))));
        }
        assert_eq!(shipment.tally(), Tally { published: 2, dead_lettered: 1 });
    }

    #[test]
    fn an_outage_makes_no_dead_letter_and_the_same_record_is_sent_again() {
        let mut shipment = shipment(|users| users.truncate(1));
        let (parcel, first) = shipment.take_open().remove(0);
        assert_eq!(shipment.open(), 0, "what is under way is not sent twice");
        assert!(shipment.settle(parcel, Err(SendError::Transient("no".into()))).is_err());
        let (parcel, second) = shipment.take_open().remove(0);
        assert_eq!(second, first);
        assert!(shipment.settle(parcel, Err(SendError::Misconfigured("no".into()))).is_err());
        assert_eq!((shipment.open(), shipment.tally()), (1, Tally::default()));
    }

    #[test]
    fn a_record_that_can_never_be_stored_becomes_a_dead_letter() {
        for (error, reason) in
            [(SendError::TooLarge, "too_large"), (SendError::Rejected("no".into()), "produce_rejected")]
        {
            let mut shipment = shipment(|users| users.truncate(1));
            let (parcel, record) = shipment.take_open().remove(0);
            assert_eq!(shipment.settle(parcel, Err(error)), Ok(None));
            let (parcel, dead) = shipment.take_open().remove(0);
            assert_eq!(&*dead.topic, "user_data_dlq");
            assert_eq!((text(&dead, "dlq.reason"), text(&dead, "dlq.stage")), (reason.into(), "produce".into()));
            assert_eq!(text(&dead, "event.version_us"), text(&record, "event.version_us"));
            // Its dead letter is refused too: it stays open and is tried again.
            let refused = SendError::Rejected("no".into());
            assert_eq!(shipment.settle(parcel, Err(refused.clone())), Err(refused));
            let (parcel, again) = shipment.take_open().remove(0);
            assert_eq!(again, dead);
            assert!(matches!(shipment.settle(parcel, Ok(())), Ok(Some(Arrival::DeadLettered(_)))));
        }
    }

    #[test]
    fn a_dead_letter_that_is_too_large_goes_without_its_value() {
        let mut shipment = shipment(|users| users.truncate(1));
        let (parcel, _) = shipment.take_open().remove(0);
        assert_eq!(shipment.settle(parcel, Err(SendError::TooLarge)), Ok(None));
        let (parcel, dead) = shipment.take_open().remove(0);
        assert_eq!(shipment.settle(parcel, Err(SendError::TooLarge)), Ok(None));
        let (parcel, small) = shipment.take_open().remove(0);
        assert_eq!((small.value, &small.key), (None, &dead.key));
        assert_eq!(
            small.headers.text("dlq.value.omitted.bytes"),
            Some(&*dead.value.expect("a value").len().to_string())
        );
        // Even that is too large: the topic has to be mended.
        assert_eq!(shipment.settle(parcel, Err(SendError::TooLarge)), Err(SendError::TooLarge));
    }
}
