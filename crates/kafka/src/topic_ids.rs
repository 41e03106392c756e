//! The ids of topics (KIP-516): two topics of one name, one deleted and one made anew, differ by them.

use std::ffi::CString;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};

use crate::error::{Class, class_of_code};
use crate::queue::{Options, Queue, text};

/// Asks for ids; at most one question is under way.
#[derive(Debug)]
pub(crate) struct TopicIds {
    answers: Queue,
    asked: bool,
}

/// The topics that exist, each with its id; none for a broker that has no ids.
pub(crate) type Ids = Vec<(String, Option<String>)>;

impl TopicIds {
    /// None when there is no memory for it.
    pub(crate) fn new<C: ConsumerContext>(client: &BaseConsumer<C>) -> Option<Self> {
        Some(Self { answers: Queue::new(client)?, asked: false })
    }

    /// Sends the question, unless one is under way. The client gives it up after `limit`.
    pub(crate) fn ask<C: ConsumerContext>(&mut self, client: &BaseConsumer<C>, topics: &[String], limit: Duration) {
        if self.asked || topics.is_empty() {
            return;
        }
        let kind = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let Some(options) = Options::new(client, kind, limit) else { return };
        let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok()).collect();
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: client, options and queue are alive; the names are copied into the collection, which is copied into the
        // question.
        unsafe {
            let collection = c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let client = client.client().native_ptr();
            c::rd_kafka_DescribeTopics(client, collection, options.ptr(), self.answers.ptr());
            c::rd_kafka_TopicCollection_destroy(collection);
        }
        self.asked = true;
    }

    /// The answer to the question under way; none when there is none, or it is not known within `patience`, or the cluster did
    /// not answer. A cluster that refuses the question has no ids for us.
    pub(crate) fn answer(&mut self, patience: Duration) -> Option<Ids> {
        if !self.asked {
            return None;
        }
        let event = self.answers.poll_for(c::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT, patience)?;
        self.asked = false;
        if let Err(code) = event.error() {
            tracing::debug!(error = %code, "topic ids are not known");
            return (class_of_code(code) != Class::Retry).then(Ids::new);
        }
        // SAFETY: the event is alive and owns the result; everything is copied.
        Some(unsafe { ids(c::rd_kafka_event_DescribeTopics_result(event.ptr())) })
    }
}

/// # Safety
/// `result` is null or alive.
unsafe fn ids(result: *const c::rd_kafka_DescribeTopics_result_t) -> Ids {
    let mut ids = Vec::new();
    if result.is_null() {
        return ids;
    }
    let mut count = 0;
    // SAFETY: the result is alive and owns the descriptions, whose number it tells.
    unsafe {
        let descriptions = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for index in 0..count {
            let description = *descriptions.add(index);
            let error = c::rd_kafka_TopicDescription_error(description);
            if c::rd_kafka_error_code(error) != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                continue;
            }
            let id = NonNull::new(c::rd_kafka_TopicDescription_topic_id(description).cast_mut())
                .map(|id| id.as_ptr().cast_const())
                .filter(|id| {
                    c::rd_kafka_Uuid_most_significant_bits(*id) != 0
                        || c::rd_kafka_Uuid_least_significant_bits(*id) != 0
                })
                .map(|id| text(c::rd_kafka_Uuid_base64str(id)));
            ids.push((text(c::rd_kafka_TopicDescription_name(description)), id));
        }
    }
    ids
}
