//! How far a read of a topic is, drawn on a terminal where the read takes longer than people wait in silence.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kafka::TopicReader;

/// Reads that take less are not worth a bar.
const SILENCE: Duration = Duration::from_secs(1);
/// Records between two looks at the clock.
const STRIDE: u32 = 1024;

/// Whether reads are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bars {
    /// On standard error, where it is a terminal.
    OnTerminal,
    /// Nowhere.
    None,
}

impl Bars {
    /// While an answer is written: not where it goes to the same terminal.
    pub(crate) fn beside_an_answer(self) -> Self {
        if io::stdout().is_terminal() { Self::None } else { self }
    }
}

/// One read under way.
pub(crate) struct Reading {
    bar: Option<ProgressBar>,
    began: Instant,
    records: u32,
    is_drawn: bool,
}

impl Reading {
    /// A read of `topic` that begins now.
    pub(crate) fn begin(bars: Bars, topic: &str) -> Self {
        let bar = (bars == Bars::OnTerminal && io::stderr().is_terminal()).then(|| bar(topic));
        Self { bar, began: Instant::now(), records: 0, is_drawn: false }
    }

    /// A record was read.
    pub(crate) fn record(&mut self, reader: &TopicReader) {
        self.records = self.records.wrapping_add(1);
        if self.records.is_multiple_of(STRIDE) {
            self.look(reader, Instant::now());
        }
    }

    fn look(&mut self, reader: &TopicReader, now: Instant) {
        let Some(bar) = &self.bar else { return };
        if now.duration_since(self.began) < SILENCE {
            return;
        }
        if !self.is_drawn {
            self.is_drawn = true;
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let progress = reader.progress();
        bar.set_length(progress.to_read);
        bar.set_position(progress.read);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(topic: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(topic.to_owned())
}
