//! The first page: groups of letters that fail alike.

use askama::Template;
use axum::extract::{Extension, Query, State as Shared};
use axum::response::Response;
use chrono::{DateTime, Utc};

use super::access::Visitor;
use super::filters::{self, DEFAULT, Filters, Tab};
use super::page::{Frame, many, moment, rendered, visible};
use super::query::Asked;
use super::{PageError, Pages};
use crate::book::{Book, Group};

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    tabs: Vec<Tab>,
    filters: Filters,
    problem: String,
    groups: Vec<Row>,
    sum: String,
    list: String,
    now: String,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    count: u64,
    reason: String,
    error_type: String,
    /// Each with its places in the value.
    rules: Vec<String>,
    first: String,
    last: String,
    states: Vec<(&'static str, u64)>,
    /// Its letters; empty where no flag takes just them.
    list: String,
    example: String,
}

impl Row {
    fn of(group: &Group<'_>, asked: &Asked) -> Self {
        let kind = group.kind;
        let fingerprint = kind.fingerprint.as_deref();
        let places = kind.rule_ids.iter().enumerate();
        let rule = |(place, rule): (usize, &String)| match kind.pointers.get(place) {
            Some(pointer) => visible(&format!("{rule} at {pointer}")),
            None => visible(rule),
        };
        Self {
            count: group.count,
            reason: kind
                .reason
                .map_or_else(|| format!("written by {}", kind.dialect), |reason| reason.as_str().to_owned()),
            error_type: kind.error_type.as_deref().map(visible).unwrap_or_default(),
            rules: places.map(rule).collect(),
            first: moment(group.first_failed_at),
            last: moment(group.last_failed_at),
            states: group.by_state.iter().map(|(state, count)| (state.as_str(), *count)).collect(),
            list: fingerprint
                .map(|print| format!("/letters{}", asked.query_with("fingerprint", print)))
                .unwrap_or_default(),
            example: format!("/letters/{}/{}", group.example.dlq.partition, group.example.dlq.offset),
        }
    }
}

struct Answer {
    tabs: Vec<Tab>,
    groups: Vec<Row>,
}

fn answer(book: &Book, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let groups = book.groups(&asked.selection, &DEFAULT, now);
    Answer {
        tabs: filters::tabs(book, asked, "/", now),
        groups: groups.iter().map(|group| Row::of(group, asked)).collect(),
    }
}

/// `GET /`
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
    let question = asked.clone();
    let Answer { tabs, groups } = pages.ask(move |book| answer(book, &question, now)).await?;
    let letters = groups.iter().map(|group| group.count).sum();
    let kinds = u64::try_from(groups.len()).unwrap_or(u64::MAX);
    Ok(rendered(&OverviewPage {
        frame: pages.frame("Dead letters", &visitor),
        tabs,
        filters: filters::filters(&asked, "/"),
        problem,
        sum: format!("{} in {}.", many(letters, "dead letter"), many(kinds, "group")),
        list: format!("/letters{}", asked.query()),
        groups,
        now: moment(now),
    }))
}
