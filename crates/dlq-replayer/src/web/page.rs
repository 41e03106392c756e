//! What all pages have in common: the frame around them, and how text of records is shown.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use chrono::{DateTime, Utc};

use super::access::Visitor;

/// The frame of a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// What the page is about, in one line.
    pub(super) title: String,
    /// Who looks at it.
    pub(super) by: String,
    pub(super) is_logged_in: bool,
    /// For its forms.
    pub(super) form_token: String,
    /// What is wrong at the moment.
    pub(super) notices: Vec<String>,
}

impl Frame {
    pub(super) fn new(title: impl Into<String>, visitor: &Visitor, notices: Vec<String>) -> Self {
        Self {
            title: title.into(),
            by: visitor.by.clone(),
            is_logged_in: visitor.is_logged_in,
            form_token: visitor.form_token.clone(),
            notices,
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    status: &'a str,
    why: &'a str,
}

/// A page that says why there is no other.
pub(super) fn refusal(status: StatusCode, why: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Refused");
    (status, rendered(&RefusalPage { status: title, why })).into_response()
}

/// A page as an answer.
pub(super) fn rendered(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A moment for people: UTC, to the second.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Text with everything written out that is invisible or turns the direction of what stands beside it.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let is_hidden = matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        match character {
            '\n' | '\t' => shown.push(character),
            _ if is_hidden || character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// Bytes as text, or in hexadecimal where they are none.
pub(super) fn bytes(bytes: Option<&[u8]>) -> String {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => "(null)".to_owned(),
        Some((_, Ok(text))) => visible(text),
        Some((bytes, Err(_))) => bytes.iter().fold("hex".to_owned(), |shown, byte| format!("{shown} {byte:02x}")),
    }
}

/// A number of things: `1 dead letter`, `2 dead letters`.
pub(super) fn many(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_see_is_written_out() {
        assert_eq!(visible("a\u{202e}b\u{200b}\u{1b}[2J\0"), "a\\u{202e}b\\u{200b}\\u{1b}[2J\\u{0}");
        assert_eq!(visible("Zoë\n\tЖ 'x'"), "Zoë\n\tЖ 'x'");
    }

    #[test]
    fn a_refusal_shows_its_words_as_text() {
        let page = RefusalPage { status: "Forbidden", why: "<script>x</script>" }.render().expect("a page");
        assert!(page.contains("&#60;script&#62;x&#60;/script&#62;"), "{page}");
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        assert_eq!([bytes(None), bytes(Some(b"a\0")), bytes(Some(b"\xff\x0a"))], ["(null)", "a\\u{0}", "hex ff 0a"]);
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([many(0, "job"), many(1, "job"), many(2, "job")], ["0 jobs", "1 job", "2 jobs"]);
    }
}
