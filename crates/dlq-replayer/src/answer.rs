//! Standard output, as long as somebody reads it. A reader that has gone away, as `head` does, has had enough: that is no
//! failure, and nothing more is read for it.

use std::io::{self, BufWriter, Stdout, Write};

/// See the module's page.
pub(crate) struct Answer<W: Write> {
    out: W,
}

impl Answer<BufWriter<Stdout>> {
    pub(crate) fn on_stdout() -> Self {
        Self { out: BufWriter::with_capacity(1 << 16, io::stdout()) }
    }
}

impl<W: Write> Answer<W> {
    /// Writes a piece. False where nobody reads any more.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<bool> {
        heard(self.out.write_all(text.as_bytes()))
    }

    /// Writes what is still held back.
    pub(crate) fn end(mut self) -> io::Result<()> {
        heard(self.out.flush()).map(|_| ())
    }
}

/// Writes a whole answer.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut answer = Answer::on_stdout();
    answer.write(text)?;
    answer.end()
}

fn heard(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_failure_and_a_full_disk_is_one() {
        let mut gone = Answer { out: Closed(io::ErrorKind::BrokenPipe) };
        assert!(gone.write("a").is_ok_and(|heard| !heard));
        assert!(gone.end().is_ok());
        let mut full = Answer { out: Closed(io::ErrorKind::StorageFull) };
        assert!(full.write("a").is_err());
        assert!(full.end().is_err());
    }
}
