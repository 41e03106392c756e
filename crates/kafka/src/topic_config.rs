//! What the broker says of a topic's configuration, through the client that asks everything else. The wrapper has a client of its
//! own for such questions: a service that asks every minute would build one every minute, with its threads and connections.

use std::ffi::CString;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::queue::{Options, Queue, outcome, text};

/// The value of a topic's configuration `name`; none where it has no such one. The client gives the question up after `limit`.
/// Blocks.
pub(crate) fn value<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    name: &str,
    limit: Duration,
) -> Result<Option<String>, KafkaError> {
    if topic.is_empty() {
        // The library makes no resource of it, and would read from the one that is not there.
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::InvalidTopic));
    }
    let topic = CString::new(topic)?;
    let no_memory = || KafkaError::ClientCreation("no memory".to_owned());
    let answers = Queue::new(client).ok_or_else(no_memory)?;
    let kind = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
    let options = Options::new(client, kind, limit).ok_or_else(no_memory)?;
    // SAFETY: client, options and queue are alive; the name is copied into the resource, which is copied into the question.
    unsafe {
        let mut resource =
            c::rd_kafka_ConfigResource_new(c::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, topic.as_ptr());
        let client = client.client().native_ptr();
        c::rd_kafka_DescribeConfigs(client, &raw mut resource, 1, options.ptr(), answers.ptr());
        c::rd_kafka_ConfigResource_destroy(resource);
    }
    let event = answers
        .poll_for(c::RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT, limit)
        .ok_or(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))?;
    event.error().map_err(KafkaError::AdminOp)?;
    // SAFETY: the event is alive and owns the result; everything is copied.
    unsafe { found(c::rd_kafka_event_DescribeConfigs_result(event.ptr()), name) }
}

/// # Safety
/// `result` is null or alive.
unsafe fn found(result: *const c::rd_kafka_DescribeConfigs_result_t, name: &str) -> Result<Option<String>, KafkaError> {
    if result.is_null() {
        return Ok(None);
    }
    let mut count = 0;
    // SAFETY: the result is alive and owns the resources and their entries, whose numbers it tells.
    unsafe {
        let resources = c::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if count == 0 {
            return Ok(None);
        }
        let resource = *resources;
        outcome(c::rd_kafka_ConfigResource_error(resource)).map_err(KafkaError::AdminOp)?;
        let entries = c::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        let entry = (0..count)
            .map(|index| *entries.add(index))
            .find(|entry| text(c::rd_kafka_ConfigEntry_name(*entry)) == name);
        let value = entry.map(|entry| c::rd_kafka_ConfigEntry_value(entry));
        Ok(value.filter(|value| !value.is_null()).map(|value| text(value)))
    }
}
