//! A consumed message as an owned record, and a record's headers as the client wants them.

use std::ffi::CStr;
use std::sync::Arc;

use rdkafka::bindings;
use rdkafka::message::{BorrowedMessage, Header as ClientHeader, OwnedHeaders};
use schema::record::{Headers, Record};

/// Copies a message out of the client's buffer, so that it does not pin its whole fetch response.
pub(crate) fn record(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> Record {
    // SAFETY: a borrowed message is alive.
    unsafe { copied(message.ptr(), topic) }
}

/// The same of a message of the C interface.
///
/// # Safety
/// `message` is alive for the length of the call.
pub(crate) unsafe fn copied(message: *const bindings::rd_kafka_message_t, topic: &Arc<str>) -> Record {
    let mut kind = bindings::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is alive, so its pointers are, and their lengths are beside them; everything is copied.
    unsafe {
        let timestamp = bindings::rd_kafka_message_timestamp(message, &raw mut kind);
        let known = timestamp >= 0 && kind != bindings::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        Record {
            topic: Arc::clone(topic),
            partition: (*message).partition,
            offset: (*message).offset,
            timestamp_ms: known.then_some(timestamp),
            key: bytes((*message).key, (*message).key_len),
            value: bytes((*message).payload, (*message).len),
            headers: headers(message),
        }
    }
}

/// # Safety
/// `start` is null or points to `length` bytes.
unsafe fn bytes(start: *const std::ffi::c_void, length: usize) -> Option<Vec<u8>> {
    // SAFETY: as the caller promises.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }.to_vec())
}

/// What a record weighs in the budget, bytes.
pub(crate) fn weight(record: &Record) -> usize {
    let headers: usize =
        record.headers.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len)).sum();
    record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len) + headers
}

/// The headers, in order, duplicates and null values kept.
///
/// Read through the C interface: the wrapper panics on a name that is not UTF-8, which any producer can send.
///
/// # Safety
/// `message` is alive for the length of the call.
unsafe fn headers(message: *const bindings::rd_kafka_message_t) -> Headers {
    let mut headers = Headers::new();
    let mut list = std::ptr::null_mut();
    // SAFETY: the message is alive. The list and the pointers read from it belong to the message; everything is copied before
    // this function returns.
    unsafe {
        if bindings::rd_kafka_message_headers(message, &raw mut list)
            != bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return headers;
        }
        for index in 0..bindings::rd_kafka_header_cnt(list) {
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            if bindings::rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size)
                != bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                break;
            }
            headers.push_foreign(&CStr::from_ptr(name).to_string_lossy(), bytes(value, size));
        }
    }
    headers
}

/// Headers for the client.
pub(crate) fn client_headers(headers: &Headers) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, header| {
        all.insert(ClientHeader { key: &header.name, value: header.value.as_deref() })
    })
}
