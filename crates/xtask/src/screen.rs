//! Standard output: lines that scroll, and on a terminal a region below them that is redrawn in place.

use std::io::{IsTerminal, Write};

use crate::failure::Failure;

/// Width of the names before the lines.
const NAME_WIDTH: usize = 16;

/// Who speaks, and in which colour (a number of the ANSI foreground colours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speaker {
    pub(crate) name: &'static str,
    pub(crate) colour: u8,
}

const XTASK: Speaker = Speaker { name: "xtask", colour: 1 };

/// Standard output of a command that runs for a while.
pub(crate) struct Screen {
    out: Box<dyn Write>,
    /// Redraw in place.
    terminal: bool,
    colours: bool,
    region: String,
    /// Lines of the region that are on the terminal now.
    drawn: usize,
}

impl Screen {
    pub(crate) fn on_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self::new(Box::new(std::io::stdout()), terminal, terminal && !no_color())
    }

    fn new(out: Box<dyn Write>, terminal: bool, colours: bool) -> Self {
        Self { out, terminal, colours, region: String::new(), drawn: 0 }
    }

    /// Whether the region is redrawn in place.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line of our own.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.lines([(XTASK, text)])
    }

    /// Lines of others, above the region.
    pub(crate) fn lines<'a>(&mut self, lines: impl IntoIterator<Item = (Speaker, &'a str)>) -> Result<(), Failure> {
        let mut text = self.erased();
        for (Speaker { name, colour }, line) in lines {
            let line = if self.colours {
                format!("\x1b[1;{}m{name:>NAME_WIDTH$}\x1b[0m │ {line}\n", 30 + u32::from(colour))
            } else {
                format!("{name:>NAME_WIDTH$} │ {line}\n")
            };
            text.push_str(&line);
        }
        self.draw(text)
    }

    /// Puts `region` in the place of the region; where there is no terminal it is printed as it comes.
    pub(crate) fn show(&mut self, region: String) -> Result<(), Failure> {
        let text = self.erased();
        self.region = region;
        self.draw(text)?;
        if !self.terminal {
            self.region.clear();
        }
        Ok(())
    }

    /// Leaves the region where it is; what follows goes below it.
    pub(crate) fn leave_region(&mut self) {
        self.region.clear();
        self.drawn = 0;
    }

    fn erased(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            // Over what the terminal itself shows of a Ctrl-C.
            0 if self.terminal => "\r\x1b[K".to_owned(),
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        }
    }

    fn draw(&mut self, mut text: String) -> Result<(), Failure> {
        if !self.region.is_empty() {
            let lines = self.region.lines().count();
            if !self.terminal {
                text.push_str(&self.region);
                text.push('\n');
            } else if size().is_none_or(|(_, height)| lines < usize::from(height)) {
                // A line that wrapped would be two lines to erase.
                text.push_str("\x1b[?7l");
                text.push_str(&self.region);
                text.push_str("\x1b[?7h\n");
                self.drawn = lines;
            }
        }
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(Failure::Output)
    }
}

/// Prints an answer. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Columns of the terminal; `None` where standard output is none.
pub(crate) fn width() -> Option<u16> {
    size().map(|(width, _)| width)
}

fn size() -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes a winsize to where the pointer leads, and the variable outlives the call.
    let outcome = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (outcome == 0 && size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// The convention of no-color.org.
#[expect(clippy::disallowed_methods, reason = "a wish of the terminal's user, not a setting of a service")]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn taken(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const PRODUCER: Speaker = Speaker { name: "producer", colour: 6 };

    #[test]
    fn on_a_terminal_the_region_is_erased_before_lines_and_drawn_again_below() {
        let written = Written::default();
        let mut screen = Screen::new(Box::new(written.clone()), true, false);
        screen.show("a\nb".to_owned()).unwrap();
        assert_eq!(written.taken(), "\r\x1b[K\x1b[?7la\nb\x1b[?7h\n");
        screen.lines([(PRODUCER, "hello")]).unwrap();
        assert_eq!(written.taken(), "\x1b[2A\r\x1b[J        producer │ hello\n\x1b[?7la\nb\x1b[?7h\n");
        screen.leave_region();
        screen.lines([(PRODUCER, "bye")]).unwrap();
        assert_eq!(written.taken(), "\r\x1b[K        producer │ bye\n");
    }

    #[test]
    fn elsewhere_the_region_is_printed_once_and_nothing_is_erased() {
        let written = Written::default();
        let mut screen = Screen::new(Box::new(written.clone()), false, false);
        screen.show("a\nb".to_owned()).unwrap();
        screen.lines([(PRODUCER, "hello")]).unwrap();
        assert_eq!(written.taken(), "a\nb\n        producer │ hello\n");
    }
}
