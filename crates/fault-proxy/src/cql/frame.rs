//! Frames in a stream of bytes.
//!
//! Section 2 of the specification: version (the highest bit set in answers), flags, stream id (two bytes), opcode, length
//! of the body (four bytes), all big-endian, then the body. What the flags say of the body (compression, tracing) does not
//! concern us: bodies pass as they are.

use thiserror::Error;

pub(crate) const HEADER: usize = 9;
pub(crate) const VERSION: u8 = 4;
pub(crate) const ANSWER: u8 = 0x80;

/// The largest body taken: a stock server's `native_transport_max_frame_size`. Nothing a service sends comes near it.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Why a stream of bytes cannot be followed any further.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Version 5 wraps its frames once more, which is not read here; anything else is not CQL.
    #[error("frames of version {0} are not read here: let the driver speak version 4")]
    Version(u8),
    /// A length that no server takes.
    #[error("a frame of {0} bytes is larger than any server takes")]
    TooLarge(usize),
}

/// A whole frame, header and all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    pub(crate) stream: i16,
    pub(crate) opcode: u8,
}

impl Frame {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Cuts a stream of bytes, however it arrives, into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    begun: Vec<u8>,
}

impl Frames {
    /// Takes the next bytes and gives the frames that are whole with them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        self.begun.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(&[version, _, s0, s1, opcode, l0, l1, l2, l3]) = self.begun.first_chunk::<HEADER>() {
            if version & !ANSWER != VERSION {
                return Err(FrameError::Version(version & !ANSWER));
            }
            let body = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
            if body > LARGEST_BODY {
                return Err(FrameError::TooLarge(body));
            }
            if self.begun.len() < HEADER + body {
                break;
            }
            let rest = self.begun.split_off(HEADER + body);
            let bytes = std::mem::replace(&mut self.begun, rest);
            frames.push(Frame { bytes, stream: i16::from_be_bytes([s0, s1]), opcode });
        }
        Ok(frames)
    }
}

#[cfg(test)]
pub(crate) fn frame(version: u8, stream: i16, opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![version, 0];
    bytes.extend(stream.to_be_bytes());
    bytes.push(opcode);
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_are_the_same_wherever_the_stream_is_split(
            sent in proptest::collection::vec((any::<i16>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
            splits in proptest::collection::vec(0_usize..64, 0..40),
        ) {
            let whole: Vec<Vec<u8>> = sent.iter().map(|(stream, opcode, body)| frame(VERSION, *stream, *opcode, body)).collect();
            let stream = whole.concat();
            let mut frames = Frames::default();
            let mut found = Vec::new();
            let mut left = stream.as_slice();
            for split in splits {
                let (now, later) = left.split_at(split.min(left.len()));
                found.extend(frames.push(now).unwrap());
                left = later;
            }
            found.extend(frames.push(left).unwrap());
            prop_assert_eq!(found.iter().map(|frame| frame.bytes().to_vec()).collect::<Vec<_>>(), whole);
            let heads = found.iter().map(|frame| (frame.stream, frame.opcode));
            prop_assert!(heads.eq(sent.iter().map(|(stream, opcode, _)| (*stream, *opcode))));
        }

        #[test]
        fn whatever_comes_is_held_only_up_to_one_frame(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::default();
            if let Ok(found) = frames.push(&bytes) {
                let passed: usize = found.iter().map(|frame| frame.bytes().len()).sum();
                prop_assert_eq!(passed + frames.begun.len(), bytes.len());
            }
        }
    }

    #[test]
    fn another_version_and_an_endless_frame_are_refused() {
        assert_eq!(Frames::default().push(&frame(0x85, 0, 6, &[])), Err(FrameError::Version(5)));
        assert_eq!(Frames::default().push(b"\x04\0\0\0\x0a\xff\xff\xff\xff"), Err(FrameError::TooLarge(0xffff_ffff)));
    }
}
