//! The leanest way to push rows into Cassandra: one thread, one connection, frames that lie ready in memory, so many under
//! way at once. Frames lie in order, so that those which go out together go in one write, without a copy.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::ceiling::rows::Frames;
use crate::native::{Answer, Connection, NativeError};

/// What one pass took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) took: Duration,
    /// Of the thread that pushed.
    pub(crate) client_cpu: Duration,
}

/// Writes all frames with at most `in_flight` of them unanswered, and waits for the last answer. Blocks.
pub(crate) fn push(connection: &mut Connection, frames: &Frames, in_flight: usize) -> Result<Pass, NativeError> {
    let stream = &mut connection.stream;
    let mut received = vec![0; 64 * 1024];
    let mut held = 0;
    let (mut sent, mut answered) = (0, 0);
    let cpu = thread_cpu()?;
    let began = Instant::now();
    while answered < frames.ends.len() {
        let until = frames.ends.len().min(answered + in_flight);
        if until > sent {
            stream.write_all(frames.between(sent, until))?;
            sent = until;
        }
        let free = received.get_mut(held..).unwrap_or_default();
        let read = stream.read(free)?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        held += read;
        let mut left = received.get(..held).unwrap_or_default();
        while let Some(answer) = Answer::first(left) {
            answer.result()?;
            answered += 1;
            left = answer.rest;
        }
        let rest = left.len();
        received.copy_within(held - rest..held, 0);
        held = rest;
    }
    let took = began.elapsed();
    Ok(Pass { took, client_cpu: thread_cpu()?.saturating_sub(cpu) })
}

impl Frames {
    /// The bytes of the frames from number `from` up to `until`.
    fn between(&self, from: usize, until: usize) -> &[u8] {
        let end =
            |frames: usize| frames.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        self.bytes.get(end(from)..end(until)).unwrap_or_default()
    }
}

/// What this thread has run for (proc(5), `schedstat`: nanoseconds on a processor).
fn thread_cpu() -> io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_go_out_together_are_one_slice() {
        let frames = Frames { bytes: b"aabbbc".to_vec(), ends: vec![2, 5, 6], rows: 3 };
        assert_eq!(frames.between(0, 3), b"aabbbc");
        assert_eq!(frames.between(1, 2), b"bbb");
        assert_eq!(frames.between(2, 2), b"");
    }
}
