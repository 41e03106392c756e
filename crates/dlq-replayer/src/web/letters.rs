//! A list of letters, in parts.

use askama::Template;
use axum::extract::{Extension, Query, State as Shared};
use axum::response::Response;
use chrono::Utc;
use kafka::ReadError;
use tokio::sync::mpsc;

use super::access::Visitor;
use super::act::ActForm;
use super::filters::{self, DEFAULT, Filters, Tab};
use super::page::{Frame, bytes, many, moment, rendered, visible};
use super::query::Asked;
use super::{PageError, Pages};
use crate::book::Choice;
use crate::letter::Letter;
use crate::mailroom::MailError;

/// Letters of one part.
const PART: usize = 50;

#[derive(Debug, Template)]
#[template(path = "letters.html")]
struct LettersPage {
    frame: Frame,
    tabs: Vec<Tab>,
    filters: Filters,
    problem: String,
    sum: String,
    letters: Vec<Row>,
    pager: Pager,
    act: ActForm,
}

/// One letter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    href: String,
    id: String,
    state: &'static str,
    reason: String,
    rules: Vec<String>,
    failed_at: String,
    attempts: String,
    key: String,
}

impl Row {
    fn of(letter: &Letter, choice: &Choice) -> Self {
        Self {
            href: format!("/letters/{}/{}", letter.dlq.partition, letter.dlq.offset),
            id: visible(&letter.id),
            state: choice.state.as_str(),
            reason: reason(letter),
            rules: letter.rule_ids.iter().map(|rule| visible(rule)).collect(),
            failed_at: moment(letter.failed_at),
            attempts: letter.attempts.map_or_else(|| "-".to_owned(), |attempts| attempts.to_string()),
            key: bytes(letter.key.as_deref()),
        }
    }
}

/// Why its record failed, or else who wrote it.
pub(super) fn reason(letter: &Letter) -> String {
    letter.reason.map_or_else(|| format!("written by {}", letter.dialect.as_str()), |reason| reason.as_str().to_owned())
}

/// The way to the neighbouring parts; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Pager {
    before: String,
    after: String,
    place: String,
}

impl Pager {
    /// Of part `part`, counted from 1, of a list of so many letters.
    fn of(asked: &Asked, part: usize, letters: usize) -> Self {
        let parts = letters.div_ceil(PART).max(1);
        let href = |part: usize| format!("/letters{}", asked.query_with("page", &part.to_string()));
        Self {
            before: if part > 1 { href((part - 1).min(parts)) } else { String::new() },
            after: if part < parts { href(part + 1) } else { String::new() },
            place: format!("{part} of {parts}"),
        }
    }
}

/// `GET /letters`
pub(super) async fn show(
    Shared(pages): Shared<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let now = Utc::now();
    let (asked, problem) = match Asked::of(&query) {
        Ok(asked) => (asked, String::new()),
        Err(problem) => (Asked::default(), problem),
    };
    let part: usize =
        query.iter().find(|(name, _)| name == "page").and_then(|(_, part)| part.parse().ok()).unwrap_or(1).max(1);
    let question = asked.clone();
    let (tabs, count, chosen) = pages
        .ask(move |book| {
            let chosen = book.chosen(&question.selection, &DEFAULT, now);
            let shown = chosen.iter().skip((part - 1).saturating_mul(PART)).take(PART).copied().collect::<Vec<_>>();
            (filters::tabs(book, &question, "/letters", now), chosen.len(), shown)
        })
        .await?;
    let letters = read(pages.mailroom.letters(&chosen), &chosen).await?;
    let shown = letters.iter().map(|(letter, choice)| Row::of(letter, choice)).collect();
    let act = ActForm::new(&asked, count, pages.settings.rate_per_second);
    Ok(rendered(&LettersPage {
        frame: pages.frame("List of dead letters", &visitor),
        tabs,
        filters: filters::filters(&asked, "/letters"),
        problem,
        sum: format!("{}, the oldest first.", many(u64::try_from(count).unwrap_or(u64::MAX), "dead letter")),
        letters: shown,
        pager: Pager::of(&asked, part, count),
        act,
    }))
}

/// The letters that are being read, in the order of the choices; those that retention has deleted are missing.
pub(super) async fn read(
    mut reading: mpsc::Receiver<Result<(usize, Letter), ReadError>>,
    chosen: &[Choice],
) -> Result<Vec<(Letter, Choice)>, PageError> {
    let mut letters: Vec<Option<(Letter, Choice)>> = chosen.iter().map(|_| None).collect();
    while let Some(item) = reading.recv().await {
        let (place, letter) = item.map_err(MailError::from)?;
        if let (Some(slot), Some(choice)) = (letters.get_mut(place), chosen.get(place)) {
            *slot = Some((letter, *choice));
        }
    }
    Ok(letters.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_shown_in_parts() {
        let asked = Asked::of(&[("reason".to_owned(), "quality_rule".to_owned())]).expect("a selection");
        let first = Pager::of(&asked, 1, PART + 1);
        assert_eq!((first.before.as_str(), first.place.as_str()), ("", "1 of 2"));
        assert_eq!(first.after, "/letters?reason=quality_rule&page=2");
        let second = Pager::of(&asked, 2, PART + 1);
        assert_eq!((second.before.as_str(), second.after.as_str()), ("/letters?reason=quality_rule&page=1", ""));
        assert_eq!(Pager::of(&asked, 1, PART), Pager { place: "1 of 1".to_owned(), ..Pager::default() });
        assert_eq!(Pager::of(&asked, 1, 0).place, "1 of 1");
        assert_eq!(
            Pager::of(&asked, 9, PART).before,
            "/letters?reason=quality_rule&page=1",
            "beyond the end there is a way back"
        );
    }
}
