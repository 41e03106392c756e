//! The commands that only look: `ls`, `show`, `group`, `stats`. Their answer goes to standard output, and nothing else does.

use std::io::{self, Write};

use chrono::Utc;
use kafka::ReadError;
use service::Exit;
use tokio::sync::mpsc::Receiver;

use crate::answer::{Answer, print};
use crate::book::{Book, Choice};
use crate::cli::Output;
use crate::disposition::State;
use crate::in_order::InOrder;
use crate::letter::Letter;
use crate::listing::{Grouped, Listed, Shown, Stats};
use crate::mailroom::{MailError, Mailroom};
use crate::pages::Pages;
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

/// What a table of nothing says.
const NONE: &str = "no dead letters\n";

pub(crate) fn json(value: &impl serde::Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// An answer that rests on a ledger with gaps says so.
pub(crate) fn warn_of_gaps(book: &Book) {
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
    drop(book);
    let letters = mailroom.letters(&chosen);
    // Whoever reads the answer may be slow; what blocks must not keep a signal from being heard.
    let written = tokio::task::spawn_blocking(move || write_list(letters, &chosen, output, Answer::on_stdout()));
    written.await.map_err(MailError::from)??;
    Ok(Exit::Done)
}

fn write_list(
    mut letters: Receiver<Result<(usize, Letter), ReadError>>,
    chosen: &[Choice],
    output: Output,
    mut answer: Answer<impl Write>,
) -> Result<(), InquiryError> {
    let mut pages = Pages::new(&table::LIST, table::width());
    let mut line = |cells: Vec<String>| match output {
        Output::Json => Some(cells.concat()),
        Output::Table => pages.row(cells),
    };
    let mut order = InOrder::new();
    let mut is_empty = true;
    while let Some(item) = letters.blocking_recv() {
        let (place, letter) = item?;
        let Some(choice) = chosen.get(place) else { continue };
        let listed = Listed::of(&letter, choice.state);
        let cells = match output {
            Output::Json => vec![json(&listed)?],
            Output::Table => table::listed(&listed),
        };
        is_empty = false;
        let bytes = cells.iter().map(String::len).sum();
        order.push(place, cells, bytes);
        while let Some(text) = order.next().map(&mut line) {
            if !text.map_or(Ok(true), |text| answer.write(&text))? {
                return Ok(());
            }
        }
    }
    while let Some(text) = order.pop().map(&mut line) {
        if !text.map_or(Ok(true), |text| answer.write(&text))? {
            return Ok(());
        }
    }
    if let Some(rest) = pages.end() {
        answer.write(&rest)?;
    }
    if is_empty && output == Output::Table {
        answer.write(NONE)?;
    }
    Ok(answer.end()?)
}

/// `group`
pub(crate) async fn group(mailroom: &Mailroom, selection: &Selection, output: Output) -> Result<Exit, InquiryError> {
    let now = Utc::now();
    let book = mailroom.book().await?;
    warn_of_gaps(&book);
    let groups = book.groups(selection, &[State::Unresolved], now);
    let examples: Vec<Choice> = groups.iter().map(|group| group.example).collect();
    // Of an example that retention deletes meanwhile there are still its coordinates.
    let mut ids: Vec<String> = examples.iter().map(|example| example.dlq.to_string()).collect();
    let mut letters = mailroom.letters(&examples);
    while let Some(item) = letters.recv().await {
        let (place, letter) = item?;
        if let Some(id) = ids.get_mut(place) {
            *id = letter.id;
        }
    }
    let grouped: Vec<_> = groups.iter().zip(ids).map(|(group, id)| Grouped::of(group, id)).collect();
    match output {
        Output::Json => print(&grouped.iter().map(json).collect::<io::Result<String>>()?)?,
        Output::Table if grouped.is_empty() => print(NONE)?,
        Output::Table => print(&table::groups(&grouped, table::width()))?,
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
