//! A queue of the client library and the events in it, through the C interface.
//!
//! The wrapper's own poll is not used by the consumer, because it drops the offset from the event that says "end of partition",
//! and it has no way to learn the outcome of an asynchronous commit or a topic's id.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{IsError as _, RDKafkaErrorCode};

use crate::delivery::{Delivered, Report};

/// Owned by its client: to be dropped before it.
#[derive(Debug)]
pub(crate) struct Queue(NonNull<c::rd_kafka_queue_t>);

// SAFETY: the library's queues are locked inside and may be used from any thread.
unsafe impl Send for Queue {}

impl Queue {
    /// A queue of its own, for the answers to one kind of question. None when there is no memory for it.
    pub(crate) fn new<C: ConsumerContext>(client: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is alive; the new queue is ours.
        NonNull::new(unsafe { c::rd_kafka_queue_new(client.client().native_ptr()) }).map(Self)
    }

    /// Where the records, rebalances and errors of a group member arrive. None for a client without a group.
    pub(crate) fn of_consumer<C: ConsumerContext>(client: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is alive; the reference to its queue is ours.
        NonNull::new(unsafe { c::rd_kafka_queue_get_consumer(client.client().native_ptr()) }).map(Self)
    }

    /// Where the reports, errors and log lines of a client without a group arrive.
    pub(crate) fn main<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the client is alive; the reference to its queue is ours.
        NonNull::new(unsafe { c::rd_kafka_queue_get_main(client.native_ptr()) }).map(Self)
    }

    pub(crate) fn ptr(&self) -> *mut c::rd_kafka_queue_t {
        self.0.as_ptr()
    }

    /// The next event; none when nothing comes within `patience`.
    pub(crate) fn poll(&self, patience: Duration) -> Option<Event> {
        let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is ours.
        NonNull::new(unsafe { c::rd_kafka_queue_poll(self.ptr(), millis) }).map(Event)
    }

    /// The next event of this kind, one of `RD_KAFKA_EVENT_*`; none when it does not come within `patience`. What comes before
    /// it is dropped.
    pub(crate) fn poll_for(&self, kind: i32, patience: Duration) -> Option<Event> {
        let deadline = Instant::now() + patience;
        loop {
            let event = self.poll(deadline.saturating_duration_since(Instant::now()))?;
            if event.kind() == kind {
                return Some(event);
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: our reference, given back once.
        unsafe { c::rd_kafka_queue_destroy(self.ptr()) }
    }
}

/// How a question is to be asked.
#[derive(Debug)]
pub(crate) struct Options(NonNull<c::rd_kafka_AdminOptions_t>);

impl Options {
    /// Of a question of this kind, which the client gives up after `limit`. None when the library knows no such kind.
    pub(crate) fn new<C: ConsumerContext>(
        client: &BaseConsumer<C>,
        kind: c::rd_kafka_admin_op_t,
        limit: Duration,
    ) -> Option<Self> {
        let millis = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client is alive; the options are ours.
        let options = Self(NonNull::new(unsafe { c::rd_kafka_AdminOptions_new(client.client().native_ptr(), kind) })?);
        // SAFETY: the options are alive. Refused only when out of range; the client's own limit holds then.
        unsafe { c::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), millis, std::ptr::null_mut(), 0) };
        Some(options)
    }

    pub(crate) fn ptr(&self) -> *mut c::rd_kafka_AdminOptions_t {
        self.0.as_ptr()
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, given back once.
        unsafe { c::rd_kafka_AdminOptions_destroy(self.ptr()) }
    }
}

/// An event of the library.
#[derive(Debug)]
pub(crate) struct Event(NonNull<c::rd_kafka_event_t>);

impl Event {
    pub(crate) fn ptr(&self) -> *mut c::rd_kafka_event_t {
        self.0.as_ptr()
    }

    /// One of `RD_KAFKA_EVENT_*`.
    pub(crate) fn kind(&self) -> i32 {
        // SAFETY: the event is alive.
        unsafe { c::rd_kafka_event_type(self.ptr()) }
    }

    /// The raw error code of the event.
    pub(crate) fn response(&self) -> c::rd_kafka_resp_err_t {
        // SAFETY: the event is alive.
        unsafe { c::rd_kafka_event_error(self.ptr()) }
    }

    /// The error that the event carries.
    pub(crate) fn error(&self) -> Result<(), RDKafkaErrorCode> {
        outcome(self.response())
    }

    /// What the library says of the error.
    pub(crate) fn error_text(&self) -> String {
        // SAFETY: the event is alive, and so is its text; it is copied.
        unsafe { text(c::rd_kafka_event_error_string(self.ptr())) }
    }

    /// True when the client cannot go on.
    pub(crate) fn is_fatal(&self) -> bool {
        // SAFETY: the event is alive.
        unsafe { c::rd_kafka_event_error_is_fatal(self.ptr()) != 0 }
    }

    /// Each partition that the event lists.
    pub(crate) fn partitions(&self) -> Vec<Listed> {
        // SAFETY: the event is alive and owns the list; everything is copied.
        unsafe { listed(c::rd_kafka_event_topic_partition_list(self.ptr())) }
    }

    /// The partition that an error event is about.
    pub(crate) fn partition(&self) -> Option<Listed> {
        // SAFETY: the event is alive; the element is a copy that is ours, and given back once.
        unsafe {
            let element = NonNull::new(c::rd_kafka_event_topic_partition(self.ptr()))?;
            let copied = Listed::copied(element.as_ref());
            c::rd_kafka_topic_partition_destroy(element.as_ptr());
            Some(copied)
        }
    }

    /// The delivery reports of the event, each with the opaque of its record; each is yielded once.
    pub(crate) fn reports(&self) -> impl Iterator<Item = (usize, Report)> {
        std::iter::from_fn(|| {
            // SAFETY: the event is alive and owns the message, which is read before the next one is asked for.
            let message = unsafe { c::rd_kafka_event_message_next(self.ptr()).as_ref() }?;
            let delivered = Delivered { partition: message.partition, offset: message.offset };
            Some((message._private.addr(), outcome(message.err).map(|()| delivered)))
        })
    }

    /// Hands statistics and log lines to the context; false when the event is neither.
    pub(crate) fn tell(&self, context: &impl ClientContext) -> bool {
        match self.kind() {
            c::RD_KAFKA_EVENT_STATS => {
                // SAFETY: the event is alive and owns the text for the length of the call.
                let json = unsafe { CStr::from_ptr(c::rd_kafka_event_stats(self.ptr())) };
                context.stats_raw(json.to_bytes());
                true
            }
            c::RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut message, mut level) = (std::ptr::null(), std::ptr::null(), 0);
                // SAFETY: the event is alive and owns both texts; they are copied.
                let (facility, message) = unsafe {
                    c::rd_kafka_event_log(self.ptr(), &raw mut facility, &raw mut message, &raw mut level);
                    (text(facility), text(message))
                };
                context.log(log_level(level), &facility, &message);
                true
            }
            _ => false,
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, given back once.
        unsafe { c::rd_kafka_event_destroy(self.ptr()) }
    }
}

/// An element of the library's list of partitions.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Negative where it is none.
    pub(crate) offset: i64,
    /// The bytes of a commit's metadata: whoever committed may have put anything there.
    pub(crate) metadata: Vec<u8>,
    pub(crate) error: Result<(), RDKafkaErrorCode>,
}

impl Listed {
    /// # Safety
    /// `element` was filled in by the library.
    unsafe fn copied(element: &c::rd_kafka_topic_partition_t) -> Self {
        let metadata = if element.metadata.is_null() || element.metadata_size == 0 {
            Vec::new()
        } else {
            // SAFETY: the library gives the length of what it points to.
            unsafe { std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size) }.to_vec()
        };
        Self {
            // SAFETY: the library's names end with a zero byte.
            topic: unsafe { text(element.topic) },
            partition: element.partition,
            offset: element.offset,
            metadata,
            error: outcome(element.err),
        }
    }
}

pub(crate) fn outcome(response: c::rd_kafka_resp_err_t) -> Result<(), RDKafkaErrorCode> {
    if response.is_error() { Err(response.into()) } else { Ok(()) }
}

/// Copies a list of the library.
///
/// # Safety
/// `list` is null or a live list.
pub(crate) unsafe fn listed(list: *const c::rd_kafka_topic_partition_list_t) -> Vec<Listed> {
    // SAFETY: as the caller promises.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.cnt).unwrap_or(0);
    if list.elems.is_null() {
        return Vec::new();
    }
    // SAFETY: the library gives the length of its array, whose elements it filled in.
    unsafe { std::slice::from_raw_parts(list.elems, count).iter().map(|element| Listed::copied(element)).collect() }
}

/// Copies a text of the library; names that are not UTF-8 are shown as well as they can be.
///
/// # Safety
/// `text` is null or ends with a zero byte.
pub(crate) unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The library's syslog levels.
fn log_level(level: i32) -> rdkafka::config::RDKafkaLogLevel {
    use rdkafka::config::RDKafkaLogLevel as L;
    match level {
        ..=0 => L::Emerg,
        1 => L::Alert,
        2 => L::Critical,
        3 => L::Error,
        4 => L::Warning,
        5 => L::Notice,
        6 => L::Info,
        7.. => L::Debug,
    }
}
