//! Waiting for the broker's word on records that were handed to the client.
//!
//! Records are handed over in groups. Each travels through the client with the number of its group and its place in it as the
//! delivery opaque. A report fills in its place, and the last one of a group wakes whoever waits: what a record costs is a place
//! in a vector. A caller that goes away leaves nothing behind: its group goes with the last report.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use slab::Slab;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::error::{Class, class_of_code};
use crate::{client_log, way_back};

/// Where a record was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// The broker's word on a record, or the client's where the broker never got it.
pub(crate) type Report = Result<Delivered, RDKafkaErrorCode>;

/// What stands in a place until its report comes; no report says this.
const UNDER_WAY: Report = Err(RDKafkaErrorCode::InProgress);

/// The lower half of an opaque is the place, the upper one the group.
const PLACE_BITS: u32 = usize::BITS / 2;

struct Group {
    reports: Vec<Report>,
    /// How many reports are still to come.
    open: usize,
    /// The first word that the client is at its end.
    end: Option<RDKafkaErrorCode>,
    waiter: Waiter,
}

enum Waiter {
    /// Still handing over, or not asking.
    Busy,
    Waits(Waker),
    /// Nobody asks any more; the last report frees the group.
    Gone,
}

impl Group {
    /// Takes a report; whoever is to hear of it.
    fn note(&mut self, place: usize, report: Report) -> Option<Waker> {
        let noted = self.reports.get_mut(place).filter(|noted| **noted == UNDER_WAY)?;
        *noted = report;
        self.open -= 1;
        let mut is_news = self.open == 0;
        if let Err(code) = report
            && self.end.is_none()
            && class_of_code(code) == Class::Fatal
        {
            self.end = Some(code);
            is_news = true;
        }
        match &mut self.waiter {
            waiter @ Waiter::Waits(_) if is_news => match std::mem::replace(waiter, Waiter::Busy) {
                Waiter::Waits(waker) => Some(waker),
                Waiter::Busy | Waiter::Gone => None,
            },
            Waiter::Waits(_) | Waiter::Busy | Waiter::Gone => None,
        }
    }

    fn is_over(&self) -> bool {
        self.open == 0 && matches!(self.waiter, Waiter::Gone)
    }
}

/// The client's context: the groups whose reports are still to come.
#[derive(Clone, Default)]
pub(crate) struct Deliveries {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    groups: Mutex<Slab<Group>>,
    /// Told when the client has room again.
    room: Notify,
    /// Whether no broker was connected when the client last told.
    cut_off: AtomicBool,
}

impl Deliveries {
    fn groups(&self) -> MutexGuard<'_, Slab<Group>> {
        self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group of so many records, all of them to be handed over.
    pub(crate) fn open(&self, records: usize) -> Awaited {
        let group = Group { reports: vec![UNDER_WAY; records], open: records, end: None, waiter: Waiter::Busy };
        let key = self.groups().insert(group);
        Awaited { deliveries: self.clone(), key: Some(key), next: 0, records, refused: Vec::new() }
    }

    /// Takes the reports of one event, each with the opaque of its record: one lock for all, one wake-up for a group.
    pub(crate) fn report(&self, reports: impl Iterator<Item = (usize, Report)>) {
        let mut wakers = Vec::new();
        let mut groups = self.groups();
        for (opaque, report) in reports {
            let (key, place) = (opaque >> PLACE_BITS, opaque & ((1 << PLACE_BITS) - 1));
            let Some(group) = groups.get_mut(key) else { continue };
            wakers.extend(group.note(place, report));
            if group.is_over() {
                groups.remove(key);
            }
        }
        drop(groups);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether no broker was connected when the client last told.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.shared.cut_off.load(Ordering::SeqCst)
    }

    /// Resolves when the client has given up some records after this call.
    pub(crate) fn room(&self) -> Notified<'_> {
        self.shared.room.notified()
    }

    /// The client has given up the records of an event.
    pub(crate) fn made_room(&self) {
        self.shared.room.notify_waiters();
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_log::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_log::error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.shared.cut_off.store(!way_back::any_is_up(statistics), Ordering::SeqCst);
    }
}

/// For the reports that the wrapper serves itself: where its poll is used to wait, with nothing being handed over, and where
/// it drops its client.
impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let report = match result {
            Ok(message) => Ok(Delivered { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.report(std::iter::once((opaque, report)));
    }
}

/// A group on its way to the broker.
pub(crate) struct Awaited {
    deliveries: Deliveries,
    /// None once the reports were handed out.
    key: Option<usize>,
    /// Place of the next record to be handed over.
    next: usize,
    records: usize,
    refused: Vec<(usize, RDKafkaErrorCode)>,
}

impl Awaited {
    /// What the next record takes along.
    pub(crate) fn opaque(&self) -> usize {
        (self.key.unwrap_or_default() << PLACE_BITS) | self.next
    }

    /// The client has taken the record: its report will come.
    pub(crate) fn taken(&mut self) {
        self.next += 1;
    }

    /// The client has not taken the record: this is its report.
    pub(crate) fn not_taken(&mut self, code: RDKafkaErrorCode) {
        self.refused.push((self.next, code));
        self.deliveries.report(std::iter::once((self.opaque(), Err(code))));
        self.next += 1;
    }

    /// The places of the records that the client did not take.
    pub(crate) fn refused(&mut self) -> Vec<(usize, RDKafkaErrorCode)> {
        std::mem::take(&mut self.refused)
    }

    /// Resolves as soon as a report says that the client is at its end, with its code; none once all reports are in and none
    /// says so.
    pub(crate) async fn end(&mut self) -> Option<RDKafkaErrorCode> {
        poll_fn(|context| self.look(context, |group| group.end.map(Some).or_else(|| (group.open == 0).then_some(None))))
            .await
            .flatten()
    }

    /// All reports, in order, when the last one is in.
    pub(crate) async fn reports(mut self) -> Vec<Report> {
        let reports = poll_fn(|context| {
            self.look(context, |group| (group.open == 0).then(|| std::mem::take(&mut group.reports)))
        });
        let reports = reports.await.unwrap_or_default();
        if let Some(key) = self.key.take() {
            self.deliveries.groups().try_remove(key);
        }
        reports
    }

    /// What is found in the group; the next news of it wakes the task while there is nothing. None where there is no group.
    fn look<T>(&self, context: &Context<'_>, find: impl FnOnce(&mut Group) -> Option<T>) -> Poll<Option<T>> {
        let mut groups = self.deliveries.groups();
        let Some(group) = self.key.and_then(|key| groups.get_mut(key)) else { return Poll::Ready(None) };
        match find(group) {
            Some(found) => Poll::Ready(Some(found)),
            None => {
                group.waiter = Waiter::Waits(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut groups = self.deliveries.groups();
        let Some(group) = groups.get_mut(key) else { return };
        // What was not handed over has no report.
        group.open -= self.records - self.next;
        group.waiter = Waiter::Gone;
        if group.is_over() {
            groups.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn stored(offset: i64) -> Report {
        Ok(Delivered { partition: 0, offset })
    }

    /// A group of which all records are handed over, with their opaques.
    fn handed_over(deliveries: &Deliveries, records: usize) -> (Awaited, Vec<usize>) {
        let mut awaited = deliveries.open(records);
        let opaque = |_| {
            let opaque = awaited.opaque();
            awaited.taken();
            opaque
        };
        let opaques = (0..records).map(opaque).collect();
        (awaited, opaques)
    }

    fn is_pending<T>(future: impl Future<Output = T>) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn reports_come_in_any_order_and_are_handed_out_in_that_of_the_records() {
        let deliveries = Deliveries::default();
        let (first, of_first) = handed_over(&deliveries, 3);
        let (second, of_second) = handed_over(&deliveries, 2);
        deliveries.report([(of_second[1], stored(21)), (of_first[2], stored(12))].into_iter());
        let waiting = tokio::spawn(first.reports());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let late = [(of_first[0], stored(10)), (of_second[0], stored(20)), (of_first[1], stored(11))];
        deliveries.report(late.into_iter());
        assert_eq!(waiting.await.unwrap(), [stored(10), stored(11), stored(12)]);
        assert_eq!(second.reports().await, [stored(20), stored(21)]);
        assert!(deliveries.groups().is_empty());
    }

    #[tokio::test]
    async fn a_record_that_the_client_does_not_take_is_told_with_the_others() {
        let deliveries = Deliveries::default();
        let mut awaited = deliveries.open(3);
        let first = awaited.opaque();
        awaited.taken();
        awaited.not_taken(RDKafkaErrorCode::MessageSizeTooLarge);
        let third = awaited.opaque();
        awaited.taken();
        assert_eq!(awaited.refused(), [(1, RDKafkaErrorCode::MessageSizeTooLarge)]);
        deliveries.report([(first, stored(0)), (third, Err(RDKafkaErrorCode::MessageTimedOut))].into_iter());
        assert_eq!(awaited.end().await, None, "one refused record does not end a client");
        let reports = awaited.reports().await;
        let expected = [stored(0), Err(RDKafkaErrorCode::MessageSizeTooLarge), Err(RDKafkaErrorCode::MessageTimedOut)];
        assert_eq!(reports, expected);
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nothing_behind() {
        let deliveries = Deliveries::default();
        let (abandoned, opaques) = handed_over(&deliveries, 2);
        deliveries.report([(opaques[0], stored(0))].into_iter());
        assert!(is_pending(abandoned.reports()));
        let kept = deliveries.groups().len();
        deliveries.report([(opaques[1], stored(1))].into_iter());
        assert_eq!((kept, deliveries.groups().len()), (1, 0), "kept until its last report and no longer");

        // Given up in the middle of handing over: the rest has no report.
        let mut partly = deliveries.open(5);
        let opaque = partly.opaque();
        partly.taken();
        drop(partly);
        assert_eq!(deliveries.groups().len(), 1);
        deliveries.report([(opaque, stored(0))].into_iter());
        assert!(deliveries.groups().is_empty());
        drop(deliveries.open(5));
        assert!(deliveries.groups().is_empty());
    }

    #[tokio::test]
    async fn the_end_of_a_client_is_told_before_the_last_report() {
        let deliveries = Deliveries::default();
        let (mut awaited, opaques) = handed_over(&deliveries, 3);
        assert!(is_pending(awaited.end()));
        deliveries.report([(opaques[0], stored(0))].into_iter());
        assert!(is_pending(awaited.end()));
        let waiting = tokio::spawn(async move { (awaited.end().await, awaited.reports().await) });
        tokio::task::yield_now().await;
        deliveries.report([(opaques[1], Err(RDKafkaErrorCode::Fatal))].into_iter());
        tokio::task::yield_now().await;
        deliveries.report([(opaques[2], Err(RDKafkaErrorCode::PurgeInflight))].into_iter());
        let (end, reports) = waiting.await.unwrap();
        assert_eq!(end, Some(RDKafkaErrorCode::Fatal));
        assert_eq!(reports[1..], [Err(RDKafkaErrorCode::Fatal), Err(RDKafkaErrorCode::PurgeInflight)]);
    }

    #[tokio::test]
    async fn an_empty_group_is_over_at_once() {
        let awaited = Deliveries::default().open(0);
        assert_eq!(awaited.reports().await, []);
    }
}
