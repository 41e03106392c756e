//! What the client hands to the thread that polls.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::client::ClientContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use schema::record::Record;

use crate::error::{Class, class_of_code};
use crate::message;
use crate::queue::{Event, Listed, Queue};
use crate::rebalance::GroupContext;

/// One turn's yield.
#[derive(Debug)]
pub(crate) enum Polled {
    /// A record.
    Record(Fetched),
    /// Everything below this offset of a partition was handed out before: the client has read to the end.
    End(Listed),
    /// The client or a broker has trouble.
    Trouble(KafkaError),
    /// The client cannot go on.
    Fatal(KafkaError),
    /// Something of the client's own: a rebalance that is noted, statistics, a log line.
    Served,
}

/// A record in the client's buffer.
#[derive(Debug)]
pub(crate) struct Fetched {
    message: *const c::rd_kafka_message_t,
    /// Owns the message.
    _event: Event,
}

impl Fetched {
    pub(crate) fn topic(&self) -> Cow<'_, str> {
        // SAFETY: the event owns the message and lives as long as we do; the name ends with a zero byte.
        unsafe { CStr::from_ptr(c::rd_kafka_topic_name((*self.message).rkt)) }.to_string_lossy()
    }

    pub(crate) fn partition(&self) -> i32 {
        // SAFETY: as above.
        unsafe { (*self.message).partition }
    }

    pub(crate) fn offset(&self) -> i64 {
        // SAFETY: as above.
        unsafe { (*self.message).offset }
    }

    /// A copy, so that the record does not pin its whole fetch response.
    pub(crate) fn record(&self, topic: &Arc<str>) -> Record {
        // SAFETY: as above.
        unsafe { message::copied(self.message, topic) }
    }
}

/// Polls once; none when nothing came within `patience`.
pub(crate) fn poll(queue: &Queue, consumer: &BaseConsumer<GroupContext>, patience: Duration) -> Option<Polled> {
    let event = queue.poll(patience)?;
    let context = &**consumer.context();
    if event.tell(context) {
        return Some(Polled::Served);
    }
    match event.kind() {
        c::RD_KAFKA_EVENT_FETCH => {
            // SAFETY: the event is alive and owns the message.
            let message = unsafe { c::rd_kafka_event_message_next(event.ptr()) };
            Some(if message.is_null() { Polled::Served } else { Polled::Record(Fetched { message, _event: event }) })
        }
        c::RD_KAFKA_EVENT_REBALANCE => {
            context.note(event.response(), event.partitions(), consumer.assignment_lost());
            Some(Polled::Served)
        }
        c::RD_KAFKA_EVENT_ERROR => Some(trouble(&event, consumer)),
        _ => {
            tracing::debug!(kind = event.kind(), "event of the client is not for us");
            Some(Polled::Served)
        }
    }
}

fn trouble(event: &Event, consumer: &BaseConsumer<GroupContext>) -> Polled {
    if event.response() == c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF {
        return event.partition().map_or(Polled::Served, Polled::End);
    }
    let Err(code) = event.error() else { return Polled::Served };
    consumer.context().error(KafkaError::Global(code), &event.error_text());
    // The event itself only says that there is a fatal error, the client which one.
    match consumer.client().fatal_error() {
        Some((code, _)) => Polled::Fatal(KafkaError::MessageConsumptionFatal(code)),
        None if event.is_fatal() || class_of_code(code) == Class::Fatal => {
            Polled::Fatal(KafkaError::MessageConsumptionFatal(code))
        }
        None => Polled::Trouble(KafkaError::MessageConsumption(code)),
    }
}
