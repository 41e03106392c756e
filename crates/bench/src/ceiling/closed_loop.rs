//! The leanest way to push rows into Cassandra: one thread, one connection, frames that lie ready in memory, so many under
//! way at once. Frames lie in order, so that those which go out together go in one write, without a copy.
//!
//! On request it computes for so long before each frame: what is left of the ceiling for a client that needs that time.

use std::hint::black_box;
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

/// Writes all frames with at most `in_flight` of them unanswered, and waits for the last answer. Before each frame it computes
/// for as long as `work_per_row` makes for the frame's rows. Blocks.
pub(crate) fn push(
    connection: &mut Connection,
    frames: &Frames,
    in_flight: usize,
    work_per_row: Duration,
) -> Result<Pass, NativeError> {
    let stream = &mut connection.stream;
    let mut received = vec![0; 64 * 1024];
    let mut held = 0;
    let (mut sent, mut answered) = (0, 0);
    let work_per_frame = work_per_row.mul_f64(frames.rows as f64 / frames.ends.len().max(1) as f64);
    let cpu = thread_cpu()?;
    let began = Instant::now();
    while answered < frames.ends.len() {
        let until = frames.ends.len().min(answered + in_flight);
        if work_per_row > Duration::ZERO {
            // One by one, so that the server has the first one while the second one is worked at.
            for frame in sent..until {
                compute(work_per_frame)?;
                stream.write_all(frames.between(frame, frame + 1))?;
            }
        } else if until > sent {
            stream.write_all(frames.between(sent, until))?;
        }
        sent = until;
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

/// Keeps this thread's processor busy for so long.
fn compute(time: Duration) -> io::Result<()> {
    let until = thread_cpu()? + time;
    while thread_cpu()? < until {
        (0..1_000_u64).fold(0, |sum, number| black_box(sum ^ number));
    }
    Ok(())
}

/// What this thread has run for.
fn thread_cpu() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` and nowhere else.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_computes_for_as_long_as_it_is_asked_to() {
        let before = thread_cpu().unwrap();
        compute(Duration::from_millis(20)).unwrap();
        assert!(thread_cpu().unwrap() >= before + Duration::from_millis(20));
    }

    #[test]
    fn frames_that_go_out_together_are_one_slice() {
        let frames = Frames { bytes: b"aabbbc".to_vec(), ends: vec![2, 5, 6], rows: 3 };
        assert_eq!(frames.between(0, 3), b"aabbbc");
        assert_eq!(frames.between(1, 2), b"bbb");
        assert_eq!(frames.between(2, 2), b"");
    }
}
