//! `export`: dead letters as JSON lines, for other tools and for keeping.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use kafka::ReadError;
use schema::version::VersionMicros;
use schema::{date, headers};
use serde::Serialize;
use service::Exit;
use tokio::sync::mpsc::Receiver;

use crate::answer::Answer;
use crate::book::Choice;
use crate::disposition::State;
use crate::inquiry::{self, InquiryError};
use crate::letter::Letter;
use crate::listing::Shown;
use crate::mailroom::{MailError, Mailroom};
use crate::selection::Selection;

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Everything that show tells: fields, headers, and the value's bytes
    #[default]
    Lines,
    /// The JSON envelope of older pipelines: original_message, error_type, error_message, timestamp, retry_count, source_topic
    Envelope,
}

/// The flags of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArguments {
    /// What a line holds
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which ones.
    #[command(flatten)]
    pub selection: Selection,
}

/// What older pipelines write of a record that failed.
#[derive(Debug, PartialEq, Serialize)]
struct Envelope {
    /// The record's value; null where it is no text, or not to be had.
    original_message: Option<String>,
    /// The record's value where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    original_message_base64: Option<String>,
    error_type: String,
    error_message: String,
    /// The time of the record's version: whoever replays the envelope takes it for that, and must not beat newer data.
    timestamp: String,
    retry_count: u32,
    source_topic: Option<String>,
}

impl Envelope {
    fn of(letter: &Letter) -> Self {
        let original = letter.original().inspect_err(|absence| {
            tracing::warn!(id = letter.id, %absence, "an envelope without its message");
        });
        let original = original.ok();
        let version = original.as_ref().and_then(|original| {
            let header = original.headers.text(headers::EVENT_VERSION_US).and_then(VersionMicros::parse);
            DateTime::from_timestamp_micros(header.or(original.version)?.get())
        });
        let message = original.and_then(|original| original.value).map(String::from_utf8);
        let reason = letter.reason.map_or(letter.dialect.as_str(), schema::reason::Reason::as_str);
        let (text, bytes) = match message {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(error)) => (None, Some(BASE64.encode(error.as_bytes()))),
            None => (None, None),
        };
        Self {
            original_message: text,
            original_message_base64: bytes,
            error_type: letter.error_type.clone().unwrap_or_else(|| reason.to_owned()),
            error_message: letter.error_message.clone().unwrap_or_default(),
            timestamp: date::micros(version.unwrap_or(letter.failed_at)),
            retry_count: letter.attempts.unwrap_or(1).saturating_sub(1),
            source_topic: letter.source.topic.clone(),
        }
    }
}

/// Writes what is selected, as the topic yields it.
pub(crate) async fn run(mailroom: &Mailroom, arguments: &ExportArguments) -> Result<Exit, InquiryError> {
    let now = Utc::now();
    let book = mailroom.book().await?;
    inquiry::warn_of_gaps(&book);
    let chosen = book.chosen(&arguments.selection, &[State::Unresolved], now);
    drop(book);
    if chosen.is_empty() {
        tracing::info!("no dead letters are selected, nothing is exported");
        return Ok(Exit::Done);
    }
    let (format, letters) = match arguments.format {
        Format::Lines => (Format::Lines, mailroom.letters(&chosen)),
        Format::Envelope => (Format::Envelope, mailroom.letters_with_originals(&chosen)),
    };
    let written = tokio::task::spawn_blocking(move || write(letters, &chosen, format, Answer::on_stdout()));
    written.await.map_err(MailError::from)??;
    Ok(Exit::Done)
}

fn write(
    mut letters: Receiver<Result<(usize, Letter), ReadError>>,
    chosen: &[Choice],
    format: Format,
    mut answer: Answer<impl Write>,
) -> Result<(), InquiryError> {
    while let Some(item) = letters.blocking_recv() {
        let (place, letter) = item?;
        let Some(choice) = chosen.get(place) else { continue };
        let line = match format {
            Format::Lines => inquiry::json(&Shown::of(&letter, choice.state))?,
            Format::Envelope => inquiry::json(&Envelope::of(&letter))?,
        };
        if !answer.write(&line)? {
            return Ok(());
        }
    }
    Ok(answer.end()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::{self, Placed as _};
    use crate::letter::Dialect;

    fn envelope(letter: &Letter) -> serde_json::Value {
        serde_json::to_value(Envelope::of(letter)).expect("JSON")
    }

    #[test]
    fn an_envelope_is_what_older_pipelines_write_and_is_read_back() {
        let letter = fixture::read_letter(3, 1042, 17);
        let written = envelope(&letter);
        assert_eq!(
            written,
            json!({
                "original_message": "{\"email\":\"no\"}", "error_type": "rules", "error_message": "1 rule is broken",
                "timestamp": "2023-11-14T22:13:20.456789Z", "retry_count": 0, "source_topic": "user_data"
            })
        );
        let again = Letter::of(fixture::foreign_letter(written.to_string().as_bytes()).at(0, 1));
        assert_eq!(again.dialect, Dialect::Envelope);
        let original = again.original().expect("its record");
        assert_eq!(original.value, letter.value);
        assert_eq!(original.version.map(VersionMicros::get), Some(fixture::VERSION_US), "it beats nothing newer");
    }

    #[test]
    fn a_message_that_is_no_text_is_kept_in_base64() {
        let mut record = fixture::processor_letter(3, 1042).at(0, 1);
        record.value = Some(b"\xff\x00".to_vec());
        let written = envelope(&Letter::of(record));
        assert_eq!((&written["original_message"], &written["original_message_base64"]), (&json!(null), &json!("/wA=")));
    }

    #[test]
    fn an_unknown_dead_letter_has_an_envelope_too() {
        let written = envelope(&Letter::of(fixture::foreign_letter(b"x").at(1, 2)));
        assert_eq!((&written["original_message"], &written["error_type"]), (&json!(null), &json!("unknown")));
    }
}
