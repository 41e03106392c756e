//! ERROR frames (sections 4.2.1 and 9 of the specification): code (four bytes), message, and what each code adds.

use crate::cql::frame::{ANSWER, VERSION};
use crate::fault::CqlError;

pub(crate) const ERROR: u8 = 0x00;

/// Consistency ONE, which one replica can answer: required and received are counted against it.
const ONE: [u8; 2] = [0, 1];

/// The kind of write that a time-out names, section 9: `writeType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteType {
    Simple,
    UnloggedBatch,
}

impl WriteType {
    fn name(self) -> &'static str {
        match self {
            Self::Simple => "SIMPLE",
            Self::UnloggedBatch => "UNLOGGED_BATCH",
        }
    }
}

/// The whole frame that answers request `stream` with `error`.
pub(crate) fn error_frame(stream: i16, error: CqlError, write_type: WriteType) -> Vec<u8> {
    const MESSAGE: &str = "answered by the fault proxy";
    let (code, details): (u32, Vec<u8>) = match error {
        CqlError::Overloaded => (0x1001, Vec::new()),
        // consistency, required, alive
        CqlError::Unavailable => (0x1000, [ONE.as_slice(), &[0, 0, 0, 1, 0, 0, 0, 0]].concat()),
        // consistency, received, block for, write type
        CqlError::WriteTimeout { .. } => {
            (0x1100, [ONE.as_slice(), &[0, 0, 0, 0, 0, 0, 0, 1], &string(write_type.name())].concat())
        }
    };
    let body = [code.to_be_bytes().as_slice(), &string(MESSAGE), &details].concat();
    let mut frame = vec![VERSION | ANSWER, 0];
    frame.extend(stream.to_be_bytes());
    frame.push(ERROR);
    frame.extend(u32::try_from(body.len()).unwrap_or_default().to_be_bytes());
    frame.extend(body);
    frame
}

/// `[string]`: its length in two bytes, then UTF-8.
fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap_or_default().to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\x00\x1banswered by the fault proxy";

    #[test]
    fn each_error_is_laid_out_as_the_specification_says() {
        let expect = |length: u8, code: [u8; 4], details: &[u8]| {
            [&[0x84, 0, 0x01, 0x02, 0, 0, 0, 0, length], code.as_slice(), TEXT, details].concat()
        };
        let frame = |error, write_type| error_frame(0x0102, error, write_type);
        assert_eq!(frame(CqlError::Overloaded, WriteType::Simple), expect(33, [0, 0, 0x10, 0x01], b""));
        assert_eq!(
            frame(CqlError::Unavailable, WriteType::Simple),
            expect(43, [0, 0, 0x10, 0x00], b"\0\x01\0\0\0\x01\0\0\0\0")
        );
        assert_eq!(
            frame(CqlError::WriteTimeout { applied: true }, WriteType::Simple),
            expect(51, [0, 0, 0x11, 0x00], b"\0\x01\0\0\0\0\0\0\0\x01\0\x06SIMPLE")
        );
        assert_eq!(
            frame(CqlError::WriteTimeout { applied: false }, WriteType::UnloggedBatch),
            expect(59, [0, 0, 0x11, 0x00], b"\0\x01\0\0\0\0\0\0\0\x01\0\x0eUNLOGGED_BATCH")
        );
    }
}
