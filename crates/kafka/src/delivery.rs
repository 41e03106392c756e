//! Waiting for the broker's word on a record that was handed to the client.
//!
//! A send takes a slot; its index travels through the client as the delivery opaque and comes back in the delivery report. No
//! allocation per send, and a caller that goes away leaves nothing behind.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use slab::Slab;

use crate::client_log;

/// Where a record was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

type Report = Result<Delivered, RDKafkaErrorCode>;

enum Slot {
    Waiting(Option<Waker>),
    Reported(Report),
    /// Nobody waits any more; the report frees the slot.
    Abandoned,
}

/// The client's context: gives out slots and fills them from delivery reports.
#[derive(Clone, Default)]
pub(crate) struct Deliveries {
    slots: Arc<Mutex<Slab<Slot>>>,
}

impl Deliveries {
    fn slots(&self) -> MutexGuard<'_, Slab<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for one send: its index for the client, and the future that resolves with the report.
    pub(crate) fn expect(&self) -> (usize, Awaited) {
        let index = self.slots().insert(Slot::Waiting(None));
        (index, Awaited { deliveries: self.clone(), index, done: false })
    }

    /// Frees the slot of a send that the client did not take: no report will come.
    pub(crate) fn not_sent(&self, mut awaited: Awaited) {
        awaited.done = true;
        self.slots().try_remove(awaited.index);
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_log::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_log::error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let report = match result {
            Ok(message) => Ok(Delivered { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        let mut slots = self.slots();
        let waker = match slots.get_mut(index) {
            Some(Slot::Abandoned) => {
                slots.remove(index);
                None
            }
            Some(slot @ Slot::Waiting(_)) => match std::mem::replace(slot, Slot::Reported(report)) {
                Slot::Waiting(waker) => waker,
                Slot::Reported(_) | Slot::Abandoned => None,
            },
            Some(Slot::Reported(_)) | None => None,
        };
        drop(slots);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Resolves when the broker has acknowledged or refused the record.
pub(crate) struct Awaited {
    deliveries: Deliveries,
    index: usize,
    done: bool,
}

impl Future for Awaited {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Report> {
        let mut slots = self.deliveries.slots();
        match slots.get_mut(self.index) {
            Some(Slot::Waiting(waker)) => {
                match waker {
                    Some(known) => known.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            Some(Slot::Reported(report)) => {
                let report = *report;
                slots.remove(self.index);
                drop(slots);
                self.done = true;
                Poll::Ready(report)
            }
            Some(Slot::Abandoned) | None => Poll::Ready(Err(RDKafkaErrorCode::Fail)),
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut slots = self.deliveries.slots();
        match slots.get_mut(self.index) {
            Some(slot @ Slot::Waiting(_)) => *slot = Slot::Abandoned,
            Some(Slot::Reported(_)) => {
                slots.remove(self.index);
            }
            Some(Slot::Abandoned) | None => {}
        }
    }
}
