//! A consumed message as an owned record, and a record's headers as the client wants them.

use std::ffi::CStr;
use std::sync::Arc;

use rdkafka::Message;
use rdkafka::bindings;
use rdkafka::message::{BorrowedMessage, Header as ClientHeader, OwnedHeaders};
use schema::record::{Headers, Record};

/// Copies a message out of the client's buffer, so that it does not pin its whole fetch response.
pub(crate) fn record(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> Record {
    Record {
        topic: Arc::clone(topic),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers(message),
    }
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
fn headers(message: &BorrowedMessage<'_>) -> Headers {
    let mut headers = Headers::new();
    let mut list = std::ptr::null_mut();
    // SAFETY: `message.ptr()` is a live message for the whole call. The list and the pointers read from it belong to the
    // message; everything is copied before this function returns.
    unsafe {
        if bindings::rd_kafka_message_headers(message.ptr(), &raw mut list)
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
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size).to_vec());
            headers.push_foreign(&CStr::from_ptr(name).to_string_lossy(), value);
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
