//! Who speaks: the client id in the header of a connection's first request.
//!
//! A request is `size: INT32`, then its header: `request_api_key: INT16`, `request_api_version: INT16`,
//! `correlation_id: INT32`, `client_id: NULLABLE_STRING` (an INT16 length, -1 for null, and UTF-8), in header versions 1
//! and 2 alike: version 2 only appends tagged fields (kafka.apache.org/protocol, "Headers"; KIP-482).

/// What the first bytes of a connection say of its client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The header is not whole yet.
    Unknown,
    /// This is no Kafka request, or its client gives no id.
    Nameless,
    /// Its id.
    Named(String),
}

/// The smallest header: API key, API version, correlation id, and the length of a null id.
const SMALLEST: i32 = 10;
const ID_LENGTH_AT: usize = 12;
const ID_AT: usize = 14;

/// Reads the client id from the bytes that a connection began with.
pub(crate) fn client(begun: &[u8]) -> Client {
    let Some(size) = begun.first_chunk().copied().map(i32::from_be_bytes) else { return Client::Unknown };
    if size < SMALLEST {
        return Client::Nameless;
    }
    let Some(length) = begun.get(ID_LENGTH_AT..ID_AT).and_then(<[u8]>::first_chunk) else { return Client::Unknown };
    let length = i16::from_be_bytes(*length);
    let Ok(bytes) = usize::try_from(length) else { return Client::Nameless };
    if i32::from(length) > size - SMALLEST {
        return Client::Nameless;
    }
    match begun.get(ID_AT..ID_AT + bytes).map(str::from_utf8) {
        None => Client::Unknown,
        Some(Ok(id)) => Client::Named(id.to_owned()),
        Some(Err(_)) => Client::Nameless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `ApiVersions` (key 18), version 3, as librdkafka begins a connection: header version 2 and its tagged fields.
    fn api_versions(id: Option<&str>) -> Vec<u8> {
        let mut request = vec![0, 18, 0, 3, 0, 0, 0, 1];
        let length = id.map_or(-1, |id| i16::try_from(id.len()).unwrap());
        request.extend(length.to_be_bytes());
        request.extend(id.unwrap_or_default().bytes());
        request.extend(b"\x00\x0blibrdkafka\x072.12.1\x00");
        let mut frame = i32::try_from(request.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(request);
        frame
    }

    #[test]
    fn a_client_is_known_as_soon_as_its_id_is_whole() {
        let frame = api_versions(Some("stream-processor-dlq"));
        for end in 0..34 {
            assert_eq!(client(&frame[..end]), Client::Unknown, "{end}");
        }
        for end in 34..=frame.len() {
            assert_eq!(client(&frame[..end]), Client::Named("stream-processor-dlq".to_owned()));
        }
    }

    #[test]
    fn without_an_id_or_without_sense_it_has_no_name() {
        assert_eq!(client(&api_versions(None)), Client::Nameless);
        assert_eq!(client(&[0, 0, 0, 3]), Client::Nameless);
        assert_eq!(client(&[0xff, 0xff, 0xff, 0xff]), Client::Nameless);
        assert_eq!(client(b"\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05hello"), Client::Nameless);
        assert_eq!(client(b"\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xff\xfe"), Client::Nameless);
    }

    proptest! {
        #[test]
        fn whatever_comes_more_bytes_never_change_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let verdicts: Vec<Client> = (0..=bytes.len()).map(|end| client(&bytes[..end])).collect();
            let known: Vec<&Client> = verdicts.iter().skip_while(|verdict| **verdict == Client::Unknown).collect();
            prop_assert!(known.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
