//! What happened, in order: told while it happens, kept for the report.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::fault::Fault;

/// Lines for whoever watches the run.
pub type Voice = UnboundedSender<String>;

/// A fault that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Done {
    /// Seconds since the load began.
    pub at_seconds: f64,
    /// Its kind.
    pub kind: String,
    /// All of it, in words.
    pub fault: String,
    /// How long it took, until everything ran again.
    pub took_seconds: f64,
}

#[derive(Debug, Default)]
struct Pages {
    done: Vec<Done>,
    wrongs: Vec<String>,
    read_again: Vec<u64>,
}

/// See the module's page. Clones share one book.
#[derive(Clone)]
pub(crate) struct Diary {
    began: Instant,
    voice: Voice,
    pages: Arc<Mutex<Pages>>,
}

impl Diary {
    /// Nothing happened yet.
    pub(crate) fn new(voice: Voice) -> Self {
        Self { began: Instant::now(), voice, pages: Arc::default() }
    }

    /// The same voice, and a book that begins now.
    pub(crate) fn begin(&self) -> Self {
        Self::new(self.voice.clone())
    }

    /// Time since the book was begun.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells a line.
    pub(crate) fn say(&self, text: &str) {
        // Nobody listens any more: the run goes on all the same.
        let _ = self.voice.send(format!("{:>5.0} s  {text}", self.elapsed().as_secs_f64()));
    }

    /// A fault was done and undone.
    pub(crate) fn done(&self, fault: Fault, at: Duration) {
        let done = Done {
            at_seconds: seconds(at),
            kind: fault.kind(),
            fault: fault.to_string(),
            took_seconds: seconds(self.elapsed().saturating_sub(at)),
        };
        self.pages().done.push(done);
    }

    /// A service did what no service may do.
    pub(crate) fn wrong(&self, what: String) {
        self.say(&format!("WRONG: {what}"));
        self.pages().wrongs.push(what);
    }

    /// A service ended although nobody asked it to.
    pub(crate) fn ended_by_itself(&self, name: &str, status: ExitStatus) {
        self.wrong(format!("{name} ended by itself with {status}"));
    }

    /// A processor was killed that had read so many records it had not committed.
    pub(crate) fn read_again(&self, records: u64) {
        self.pages().read_again.push(records);
    }

    /// Every fault so far.
    pub(crate) fn faults(&self) -> Vec<Done> {
        self.pages().done.clone()
    }

    /// Everything that no service may do.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.pages().wrongs.clone()
    }

    /// Uncommitted records at each `SIGKILL` of a processor.
    pub(crate) fn kills(&self) -> Vec<u64> {
        self.pages().read_again.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Entries are pushed whole.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To a tenth.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
