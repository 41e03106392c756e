//! One letter in full.

use askama::Template;
use axum::extract::{Extension, Path, Query, State as Shared};
use axum::response::Response;
use kafka::{ReadError, Start};

use super::access::Visitor;
use super::act::ActForm;
use super::letters;
use super::page::{Frame, bytes, moment, rendered, visible};
use super::query::Asked;
use super::{PageError, Pages};
use crate::disposition::{Disposition, Entry, State};
use crate::letter::{Carried, Coordinates, Letter, is_of_dead_letters};
use crate::mailroom::MailError;

/// Bytes of a value that are shown as text.
const LONGEST_TEXT: usize = 64 << 10;
/// Bytes of a value that are shown in hexadecimal.
const LONGEST_HEX: usize = 8 << 10;
/// Bytes of one line of them.
const LINE: usize = 8;

#[derive(Debug, Template)]
#[template(path = "letter.html")]
struct LetterPage {
    frame: Frame,
    state: &'static str,
    reason: String,
    message: String,
    violations: Vec<Violation>,
    value: Shown,
    /// The record that failed, where the letter's own value is not it.
    original: Option<Result<Shown, String>>,
    fields: Vec<(&'static str, String)>,
    history: Vec<Event>,
    headers: [Block; 2],
    act: ActForm,
}

/// A violated rule, with what stands at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    pointer: String,
    rule: String,
    value: String,
}

/// A value in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    text: String,
    about: String,
    /// The way to the other form; empty where there is none.
    other: &'static str,
    other_name: &'static str,
    is_hex: bool,
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    state: &'static str,
    at: String,
    by: String,
    why: String,
    more: Vec<String>,
}

/// Headers of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    title: &'static str,
    pairs: Vec<(String, String)>,
}

/// `GET /letters/{partition}/{offset}`
pub(super) async fn show(
    Shared(pages): Shared<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path((partition, offset)): Path<(i32, i64)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    const WHAT: &str = "dead letter; retention may have deleted it";
    let at = Coordinates { partition, offset };
    let choice = pages.ask(move |book| book.at(at)).await?.ok_or(PageError::NoSuch(WHAT))?;
    let reading = pages.mailroom.letters_with_originals(&[choice]);
    let (letter, choice) = letters::read(reading, &[choice]).await?.pop().ok_or(PageError::NoSuch(WHAT))?;
    let history = history(&pages, &letter).await?;
    let wants_hex = query.iter().any(|(name, value)| name == "as" && value == "hex");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let only = Asked::of(&[pair("id", &letter.id), pair("state", choice.state.as_str())]).map_err(PageError::Wrong)?;
    let frame = pages.frame(visible(&letter.id), &visitor);
    let act = ActForm::new(&only, 1, pages.settings.rate_per_second);
    Ok(rendered(&LetterPage::new(frame, &letter, choice.state, &history, wants_hex, act)))
}

impl LetterPage {
    fn new(
        frame: Frame,
        letter: &Letter,
        state: State,
        history: &[Disposition],
        wants_hex: bool,
        act: ActForm,
    ) -> Self {
        Self {
            frame,
            state: state.as_str(),
            reason: letters::reason(letter),
            message: letter.error_message.as_deref().map(visible).unwrap_or_default(),
            violations: violations(letter),
            value: value(letter.value.as_deref(), wants_hex),
            original: original(letter, wants_hex),
            fields: fields(letter),
            history: history.iter().map(event).collect(),
            headers: [block("Headers of its record", letter, false), block("Headers of the dead letter", letter, true)],
            act,
        }
    }
}

/// What the ledger still holds of a letter, the oldest first.
async fn history(pages: &Pages, letter: &Letter) -> Result<Vec<Disposition>, PageError> {
    let (mailroom, ledger) = (pages.mailroom.clone(), pages.settings.kafka.topics.ledger.clone());
    let (at, failed_at) = (letter.dlq, letter.failed_at);
    let reading = tokio::task::spawn_blocking(move || {
        let mut history = Vec::new();
        mailroom.each(&ledger, &Start::Beginning, |record| {
            if let Ok(Entry::Made(made)) = Entry::of(&record)
                && (made.dlq, made.failed_at) == (at, failed_at)
            {
                history.push(made);
            }
        })?;
        history.sort_by_key(|made| made.at);
        Ok::<_, ReadError>(history)
    });
    let history = reading.await.map_err(|error| PageError::Mail(MailError::Task(error)))?;
    history.map_err(|error| PageError::Mail(error.into()))
}

fn event(made: &Disposition) -> Event {
    let told = |what: &str, name: &Option<String>| name.as_deref().map(|name| format!("{what} {}", visible(name)));
    let landed = made
        .landed
        .as_ref()
        .map(|landed| format!("its record is {}/{}/{}", visible(&landed.topic), landed.partition, landed.offset));
    let more =
        [told("job", &made.replay_id), landed, told("came back as", &made.boomerang), told("because of", &made.cause)];
    Event {
        state: made.state.as_str(),
        at: moment(made.at),
        by: visible(&made.by),
        why: visible(&made.why),
        more: more.into_iter().flatten().collect(),
    }
}

fn violations(letter: &Letter) -> Vec<Violation> {
    let value: Option<serde_json::Value> = letter.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
    let there = |pointer: &str| match value.as_ref().and_then(|value| value.pointer(pointer)) {
        Some(serde_json::Value::String(text)) => visible(text),
        Some(other) => visible(&other.to_string()),
        None => String::new(),
    };
    let violation = |detail: &schema::dead_letter::Detail| Violation {
        pointer: visible(&detail.pointer),
        rule: visible(&detail.rule),
        value: there(&detail.pointer),
    };
    letter.details.iter().map(violation).collect()
}

fn original(letter: &Letter, wants_hex: bool) -> Option<Result<Shown, String>> {
    match &letter.carried {
        Carried::All { .. } | Carried::Nothing => None,
        Carried::Enveloped { .. } | Carried::Pointer | Carried::Fetched(_) | Carried::Lost(_) => {
            let original = letter.original();
            Some(
                original
                    .map(|original| value(original.value.as_deref(), wants_hex))
                    .map_err(|absence| absence.to_string()),
            )
        }
    }
}

fn value(value: Option<&[u8]>, wants_hex: bool) -> Shown {
    let Some(value) = value else {
        return Shown { text: String::new(), about: "Null.".to_owned(), other: "", other_name: "", is_hex: false };
    };
    let text = std::str::from_utf8(value).ok();
    let part =
        |shown: usize| if shown < value.len() { format!(", the first {shown} are shown") } else { String::new() };
    match text.filter(|_| !wants_hex) {
        Some(text) => {
            let end = text.floor_char_boundary(LONGEST_TEXT);
            let shown = text.get(..end).unwrap_or_default();
            Shown {
                text: visible(shown),
                about: format!("{} bytes of text{}.", value.len(), part(end)),
                other: "?as=hex",
                other_name: "As hexadecimal",
                is_hex: false,
            }
        }
        None => {
            let shown = value.get(..LONGEST_HEX).unwrap_or(value);
            Shown {
                text: dump(shown),
                about: format!(
                    "{} bytes{}{}.",
                    value.len(),
                    if text.is_none() { ", no text" } else { "" },
                    part(shown.len())
                ),
                other: if text.is_some() { "?" } else { "" },
                other_name: "As text",
                is_hex: true,
            }
        }
    }
}

/// Offset, bytes, and the characters that are ASCII.
fn dump(bytes: &[u8]) -> String {
    let line = |(number, line): (usize, &[u8])| {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = line
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        format!("{:06x}  {:<width$}  {text}\n", number * LINE, hex.join(" "), width = LINE * 3 - 1)
    };
    bytes.chunks(LINE).enumerate().map(line).collect()
}

fn fields(letter: &Letter) -> Vec<(&'static str, String)> {
    let text = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), visible);
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let source = &letter.source;
    let place = match &source.topic {
        Some(topic) if source.partition.is_none() => visible(topic),
        Some(topic) => {
            format!("{}/{}/{}", visible(topic), number(source.partition.map(i64::from)), number(source.offset))
        }
        None => "-".to_owned(),
    };
    vec![
        ("Reason", letters::reason(letter)),
        ("Stage", text(letter.stage.map(schema::reason::Stage::as_str))),
        ("Error", text(letter.error_type.as_deref())),
        ("Fingerprint", text(letter.fingerprint.as_deref())),
        ("Attempts", number(letter.attempts.map(i64::from))),
        ("May pass unchanged", text(letter.retryable.map(|retryable| if retryable { "yes" } else { "no" }))),
        ("First failed", moment(letter.first_failed_at)),
        ("Failed", moment(letter.failed_at)),
        ("Source", place),
        ("Key", bytes(letter.key.as_deref())),
        ("Lies at", format!("partition {}, offset {}", letter.dlq.partition, letter.dlq.offset)),
        ("Written by", letter.dialect.as_str().to_owned()),
    ]
}

fn block(title: &'static str, letter: &Letter, of_dead_letter: bool) -> Block {
    let ours = letter.headers.iter().filter(|header| is_of_dead_letters(&header.name) == of_dead_letter);
    Block { title, pairs: ours.map(|header| (visible(&header.name), bytes(header.value.as_deref()))).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Placed as _};

    const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><!--";

    /// A letter that holds markup wherever a letter can hold text.
    fn hostile() -> Letter {
        let mut record = fixture::processor_letter(3, 1042).at(3, 17);
        record.headers.push(HOSTILE, HOSTILE);
        let letter = Letter::of(record);
        Letter {
            id: HOSTILE.to_owned(),
            error_type: Some(HOSTILE.to_owned()),
            error_message: Some(HOSTILE.to_owned()),
            fingerprint: Some(HOSTILE.to_owned()),
            details: vec![schema::dead_letter::Detail { pointer: format!("/{HOSTILE}"), rule: HOSTILE.to_owned() }],
            source: crate::letter::Source { topic: Some(HOSTILE.to_owned()), ..letter.source },
            key: Some(HOSTILE.into()),
            value: Some(serde_json::to_vec(&serde_json::json!({HOSTILE: HOSTILE})).expect("JSON")),
            ..letter
        }
    }

    #[test]
    fn nothing_that_a_letter_holds_becomes_markup() {
        let letter = hostile();
        let made = Disposition {
            boomerang: Some(HOSTILE.to_owned()),
            ..Disposition::new(&letter, State::Boomeranged, 1, HOSTILE, HOSTILE, fixture::now())
        };
        let asked = Asked::of(&[("id".to_owned(), HOSTILE.to_owned())]).expect("a selection");
        let frame = Frame {
            title: letter.id.clone(),
            by: HOSTILE.to_owned(),
            is_logged_in: true,
            form_token: "token".to_owned(),
            notices: vec![HOSTILE.to_owned()],
        };
        let page = LetterPage::new(frame, &letter, State::Unresolved, &[made], false, ActForm::new(&asked, 1, 500));
        let text = page.render().expect("a page");
        assert!(text.matches("&#60;script&#62;").count() > 12, "{text}");
        let markup = text.replace("<script src=\"/assets/script.js\" defer></script>", "");
        for forbidden in ["<script", "<img", "<!--", "\"'>"] {
            assert!(!markup.contains(forbidden), "{forbidden} in {markup}");
        }
    }

    #[test]
    fn bytes_are_shown_as_text_or_in_hexadecimal() {
        let text = value(Some("Zoë\u{202e}".as_bytes()), false);
        assert_eq!((text.text.as_str(), text.about.as_str()), ("Zoë\\u{202e}", "7 bytes of text."));
        let hex = value(Some(b"Zo\0 and more"), true);
        assert_eq!(hex.text, "000000  5a 6f 00 20 61 6e 64 20  Zo. and \n000008  6d 6f 72 65              more\n");
        assert_eq!(hex.other, "?");
        let binary = value(Some(b"\xff"), false);
        assert!(binary.is_hex && binary.about.contains("no text") && binary.other.is_empty());
        assert_eq!(value(None, true).about, "Null.");
    }

    #[test]
    fn of_a_large_value_the_beginning_is_shown() {
        let large = "ж".repeat(LONGEST_TEXT);
        let shown = value(Some(large.as_bytes()), false);
        assert_eq!(shown.text.len(), LONGEST_TEXT);
        assert!(shown.about.contains("the first 65536 are shown"), "{}", shown.about);
        assert!(value(Some(large.as_bytes()), true).about.contains("the first 8192 are shown"));
    }

    #[test]
    fn a_violation_shows_what_stands_at_its_place() {
        let letter = fixture::read_letter(3, 1042, 17);
        let violation =
            Violation { pointer: "/email".to_owned(), rule: "email.format".to_owned(), value: "no".to_owned() };
        assert_eq!(violations(&letter), std::slice::from_ref(&violation));
        let broken = Letter { value: Some(b"no json".to_vec()), ..letter };
        assert_eq!(violations(&broken), [Violation { value: String::new(), ..violation }]);
    }

    #[test]
    fn a_letter_that_holds_its_record_shows_both() {
        let dead = br#"{"original_message":"{\"a\":1}","error_type":"E","source_topic":"user_data"}"#;
        let letter = Letter::of(fixture::foreign_letter(dead).at(0, 4));
        let original = original(&letter, false).and_then(Result::ok).expect("its record");
        assert_eq!(original.text, "{\"a\":1}");
        assert_eq!(super::original(&fixture::read_letter(3, 1042, 17), false), None);
        let lost = Letter { carried: Carried::Lost(crate::letter::Absence::NoPlace), ..letter };
        assert!(super::original(&lost, false).is_some_and(|original| original.is_err()));
    }

    #[test]
    fn an_event_says_who_why_and_what_followed() {
        let letter = fixture::read_letter(3, 1042, 17);
        let made = Disposition {
            boomerang: Some("user_data/3/2000".to_owned()),
            ..Disposition::new(&letter, State::Boomeranged, 1, "anna@desk", "fixed the rule", fixture::now())
        };
        let event = event(&made);
        assert_eq!((event.state, &*event.by, &*event.why), ("boomeranged", "anna@desk", "fixed the rule"));
        assert_eq!((&*event.at, event.more), ("2026-03-01 12:00:00", vec!["came back as user_data/3/2000".to_owned()]));
    }

    #[test]
    fn headers_of_the_record_stand_apart_and_bytes_that_are_no_text_are_in_hexadecimal() {
        let letter = fixture::read_letter(3, 1042, 17);
        let pairs = block("", &letter, false).pairs;
        assert!(pairs.contains(&("mine".to_owned(), "hex ff 00".to_owned())), "{pairs:?}");
        assert!(pairs.iter().all(|(name, _)| !name.starts_with("dlq.")), "{pairs:?}");
        assert!(block("", &letter, true).pairs.iter().any(|(name, _)| name == "dlq.id"));
    }
}
