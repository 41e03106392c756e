//! The commands that only look: `ls`, `show`, `stats`. Their answer goes to standard output, and nothing else does.

use std::io::{self, Write as _};

use chrono::Utc;
use kafka::ReadError;
use service::Exit;

use crate::book::Book;
use crate::cli::Output;
use crate::disposition::State;
use crate::listing::{Listed, Shown, Stats};
use crate::mailroom::{MailError, Mailroom};
use crate::selection::Selection;
use crate::table;

/// A question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    /// Dead letters or ledger cannot be read.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// There is no such dead letter.
    #[error("there is no dead letter {0}")]
    NoSuchLetter(String),
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<ReadError> for InquiryError {
    fn from(error: ReadError) -> Self {
        Self::Mail(error.into())
    }
}

/// Writes to standard output. A reader that has gone away, as `head` does, has had enough: that is no failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// An answer that rests on a ledger with gaps says so.
fn warn_of_gaps(book: &Book) {
    if let Some(unreadable) = book.unreadable() {
        tracing::warn!(%unreadable, "states may be older than they should be");
    }
}

/// `ls`
pub(crate) async fn list(mailroom: &Mailroom, selection: &Selection, output: Output) -> Result<Exit, InquiryError> {
    let now = Utc::now();
    let book = mailroom.book().await?;
    warn_of_gaps(&book);
    let chosen = book.chosen(selection, &[State::Unresolved], now);
    let mut letters = mailroom.letters(&chosen);
    let mut listed: Vec<Option<Listed>> = vec![None; chosen.len()];
    while let Some(item) = letters.recv().await {
        let (place, letter) = item?;
        if let (Some(slot), Some(choice)) = (listed.get_mut(place), chosen.get(place)) {
            *slot = Some(Listed::of(&letter, choice.state));
        }
    }
    let listed: Vec<_> = listed.into_iter().flatten().collect();
    match output {
        Output::Json => print(&listed.iter().map(json).collect::<io::Result<String>>()?)?,
        Output::Table if listed.is_empty() => print("no dead letters\n")?,
        Output::Table => print(&table::list(&listed, table::width()))?,
    }
    Ok(Exit::Done)
}

/// `show`
pub(crate) async fn show(mailroom: &Mailroom, id: &str, output: Output) -> Result<Exit, InquiryError> {
    let book = mailroom.book().await?;
    warn_of_gaps(&book);
    let no_such = || InquiryError::NoSuchLetter(id.to_owned());
    let selection = Selection { ids: vec![id.to_owned()], ..Selection::default() };
    let chosen = book.chosen(&selection, &State::ALL, Utc::now());
    let choice = chosen.first().ok_or_else(no_such)?;
    let mut letters = mailroom.letters_with_originals(std::slice::from_ref(choice));
    let (_, letter) = letters.recv().await.ok_or_else(no_such)??;
    let shown = Shown::of(&letter, choice.state);
    match output {
        Output::Json => print(&json(&shown)?)?,
        Output::Table => print(&table::show(&shown))?,
    }
    Ok(Exit::Done)
}

/// `stats`
pub(crate) async fn stats(mailroom: &Mailroom, selection: &Selection, output: Output) -> Result<Exit, InquiryError> {
    let now = Utc::now();
    let book = mailroom.book().await?;
    warn_of_gaps(&book);
    let stats = Stats::from(&book.census(selection, &State::ALL, now));
    match output {
        Output::Json => print(&json(&stats)?)?,
        Output::Table => print(&table::stats(&stats))?,
    }
    Ok(Exit::Done)
}
