//! Answering writes in the server's place: one half reads what the client asks, the other what the server answers.
//!
//! An answer that is to replace the server's is kept until the server has answered: were it given at once, the client would
//! use the stream id for its next request, and the late answer would be taken for that one's.

use std::collections::HashMap;
use std::future::pending;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;

use crate::cql::error_frame::{ERROR, WriteType, error_frame};
use crate::cql::frame::{FrameError, Frames};
use crate::fault::CqlError;
use crate::rules::Flow;

/// What the requests' half tells the answers' half.
#[derive(Debug)]
enum Forgery {
    /// The client gets this frame; the server knows of nothing.
    Now(Vec<u8>),
    /// The client gets this frame in place of the server's answer on that stream.
    InPlace(i16, Vec<u8>),
}

/// Both halves of one connection. The same seed draws the same requests.
pub(crate) fn line(seed: u64) -> (Requests, Answers) {
    let (sender, forgeries) = mpsc::unbounded_channel();
    let requests = Requests { frames: Frames::default(), draw: StdRng::seed_from_u64(seed), forgeries: sender };
    (requests, Answers { frames: Frames::default(), in_place: HashMap::new(), forgeries })
}

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Requests {
    frames: Frames,
    draw: StdRng,
    forgeries: mpsc::UnboundedSender<Forgery>,
}

impl Requests {
    /// Takes the next bytes from the client and gives those to forward, in whole frames. What the server is not to answer
    /// goes to the other half, before anything is forwarded.
    ///
    /// # Errors
    /// The bytes are no frames.
    pub(crate) fn pass(&mut self, bytes: &[u8], flow: Flow) -> Result<Vec<u8>, FrameError> {
        let mut forwarded = Vec::new();
        for frame in self.frames.push(bytes)? {
            let Some((write_type, error)) = write_type(frame.opcode).zip(self.drawn(flow)) else {
                forwarded.extend_from_slice(frame.bytes());
                continue;
            };
            let answer = error_frame(frame.stream, error, write_type);
            let forgery = match error {
                CqlError::WriteTimeout { applied: true } => {
                    forwarded.extend_from_slice(frame.bytes());
                    Forgery::InPlace(frame.stream, answer)
                }
                CqlError::Overloaded | CqlError::Unavailable | CqlError::WriteTimeout { applied: false } => {
                    Forgery::Now(answer)
                }
            };
            // Without the other half there is no client left to be told.
            let _gone = self.forgeries.send(forgery);
        }
        Ok(forwarded)
    }

    fn drawn(&mut self, flow: Flow) -> Option<CqlError> {
        match flow {
            Flow::Forge { error, share } => (self.draw.random::<f64>() < share).then_some(error),
            Flow::Pass | Flow::Cut | Flow::Hold | Flow::Trickle { .. } | Flow::Deaf => None,
        }
    }
}

/// EXECUTE and BATCH, section 2.4, are how the services write. PREPARE, QUERY and the rest are never answered for: the
/// driver uses them for itself.
fn write_type(opcode: u8) -> Option<WriteType> {
    match opcode {
        0x0a => Some(WriteType::Simple),
        0x0d => Some(WriteType::UnloggedBatch),
        _ => None,
    }
}

/// The answers of one connection.
#[derive(Debug)]
pub(crate) struct Answers {
    frames: Frames,
    in_place: HashMap<i16, Vec<u8>>,
    forgeries: mpsc::UnboundedReceiver<Forgery>,
}

impl Answers {
    /// Waits for an answer that the server knows nothing of. May be dropped at any point and asked again.
    pub(crate) async fn forged(&mut self) -> Vec<u8> {
        loop {
            match self.forgeries.recv().await {
                Some(Forgery::Now(answer)) => return answer,
                Some(Forgery::InPlace(stream, answer)) => drop(self.in_place.insert(stream, answer)),
                // The client has said goodbye; the server's answers still come.
                None => pending().await,
            }
        }
    }

    /// Takes the next bytes from the server; gives those for the client, in whole frames, and how many errors of ours are
    /// among them. An error of the server's own stays: the write did not happen as was to be pretended.
    ///
    /// # Errors
    /// The bytes are no frames.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, usize), FrameError> {
        let (mut forwarded, mut errors) = (Vec::new(), 0);
        while let Ok(forgery) = self.forgeries.try_recv() {
            match forgery {
                Forgery::Now(answer) => {
                    forwarded.extend(answer);
                    errors += 1;
                }
                Forgery::InPlace(stream, answer) => drop(self.in_place.insert(stream, answer)),
            }
        }
        for frame in self.frames.push(bytes)? {
            match self.in_place.remove(&frame.stream) {
                Some(answer) if frame.opcode != ERROR => {
                    forwarded.extend(answer);
                    errors += 1;
                }
                Some(_) | None => forwarded.extend_from_slice(frame.bytes()),
            }
        }
        Ok((forwarded, errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::frame::frame;

    const RESULT: u8 = 0x08;
    const EXECUTE: u8 = 0x0a;
    const BATCH: u8 = 0x0d;

    fn always(error: CqlError) -> Flow {
        Flow::Forge { error, share: 1.0 }
    }

    #[test]
    fn only_writes_are_answered_for() {
        for opcode in 0..=0x10 {
            let (mut requests, mut answers) = line(1);
            let request = frame(4, 7, opcode, b"body");
            let forwarded = requests.pass(&request, always(CqlError::Overloaded)).unwrap();
            let answer = error_frame(7, CqlError::Overloaded, WriteType::Simple);
            let expected =
                if [EXECUTE, BATCH].contains(&opcode) { (Vec::new(), answer, 1) } else { (request, Vec::new(), 0) };
            let (answered, errors) = answers.pass(&[]).unwrap();
            assert_eq!((forwarded, answered, errors), expected, "{opcode}");
        }
    }

    #[test]
    fn a_write_that_is_applied_is_forwarded_and_its_answer_replaced_once() {
        let error = CqlError::WriteTimeout { applied: true };
        let (mut requests, mut answers) = line(1);
        let request = frame(4, 7, BATCH, b"body");
        assert_eq!(requests.pass(&request, always(error)).unwrap(), request);

        let (other, done) = (frame(0x84, 8, RESULT, b"other"), frame(0x84, 7, RESULT, b"void"));
        assert_eq!(answers.pass(&other).unwrap(), (other, 0));
        assert_eq!(answers.pass(&done).unwrap(), (error_frame(7, error, WriteType::UnloggedBatch), 1));
        assert_eq!(answers.pass(&done).unwrap(), (done, 0));
    }

    #[test]
    fn an_error_of_the_server_is_not_replaced() {
        let (mut requests, mut answers) = line(1);
        requests.pass(&frame(4, 7, EXECUTE, b""), always(CqlError::WriteTimeout { applied: true })).unwrap();
        let (unprepared, done) = (frame(0x84, 7, ERROR, &[0, 0, 0x25, 0]), frame(0x84, 7, RESULT, b"void"));
        assert_eq!(answers.pass(&unprepared).unwrap(), (unprepared, 0));
        assert_eq!(answers.pass(&done).unwrap(), (done, 0), "the stream is free again");
    }

    #[test]
    fn a_share_is_drawn_by_the_seed_and_holds_on_average() {
        let drawn = |seed, share| {
            let (mut requests, _answers) = line(seed);
            let flow = Flow::Forge { error: CqlError::Unavailable, share };
            let one = |stream| requests.pass(&frame(4, stream, EXECUTE, b""), flow).unwrap().is_empty();
            (0..10_000).map(one).collect::<Vec<bool>>()
        };
        let count = |drawn: &[bool]| drawn.iter().filter(|forged| **forged).count();
        let some = drawn(1, 0.3);
        assert!((2_800..3_200).contains(&count(&some)), "{}", count(&some));
        assert_eq!(drawn(1, 0.3), some);
        assert_ne!(drawn(2, 0.3), some);
        assert_eq!((count(&drawn(1, 0.0)), count(&drawn(1, 1.0))), (0, 10_000));
    }
}
