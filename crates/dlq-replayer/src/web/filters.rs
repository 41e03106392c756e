//! The filters above a list: a tab for each state, a field for each other flag of a selection.

use chrono::{DateTime, Utc};
use schema::reason::{Reason, Stage};

use super::query::Asked;
use crate::book::Book;
use crate::disposition::State;
use crate::selection::{Selection, StateChoice};

/// The states that a list shows where nothing else is asked for.
pub(super) const DEFAULT: [State; 1] = [State::Unresolved];

/// One state, with how many are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tab {
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) href: String,
    pub(super) is_current: bool,
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) hint: &'static str,
    /// What can be chosen; nothing where it is typed.
    pub(super) choices: Vec<String>,
}

/// The form of the flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filters {
    pub(super) fields: Vec<Field>,
    pub(super) state: String,
    pub(super) clear: String,
    pub(super) is_open: bool,
}

/// A tab for each state, with how many letters it holds of those that the other flags take.
pub(super) fn tabs(book: &Book, asked: &Asked, path: &str, now: DateTime<Utc>) -> Vec<Tab> {
    let all = Selection { states: vec![StateChoice::All], limit: None, ..asked.selection.clone() };
    let census = book.census(&all, &State::ALL, now);
    let current = asked.value("state");
    let tab = |name: &'static str, value: &str, count| Tab {
        name,
        count,
        href: format!("{path}{}", asked.query_with("state", value)),
        is_current: current == value || (value.is_empty() && current == State::Unresolved.as_str()),
    };
    let of = |state: State| census.by_state.get(&state).copied().unwrap_or_default();
    let mut tabs = vec![tab("unresolved", "", of(State::Unresolved))];
    let others = State::ALL.into_iter().filter(|state| *state != State::Unresolved);
    tabs.extend(others.map(|state| tab(state.as_str(), state.as_str(), of(state))));
    tabs.push(tab("all", "all", census.total));
    tabs
}

/// The form, filled with what is asked for.
pub(super) fn filters(asked: &Asked, path: &str) -> Filters {
    let typed =
        |name, label, hint| Field { name, label, value: asked.value(name).to_owned(), hint, choices: Vec::new() };
    let chosen = |name, label, mut choices: Vec<String>| {
        let value = asked.value(name).to_owned();
        // Several at once, which an address can hold and a list of choices cannot.
        if !value.is_empty() && !choices.contains(&value) {
            choices.push(value.clone());
        }
        Field { name, label, value, hint: "", choices }
    };
    Filters {
        fields: vec![
            chosen("reason", "Reason", Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect()),
            chosen("stage", "Stage", Stage::ALL.iter().map(|stage| stage.as_str().to_owned()).collect()),
            typed("rule", "Rule", "email.format"),
            typed("fingerprint", "Fingerprint", "16 digits"),
            typed("since", "Failed since", "2h, 2026-01-31"),
            typed("until", "Failed before", "15m, 2026-01-31T12:00:00Z"),
            typed("partition", "Partition", "0,1"),
            typed("id", "Id", "user_data/3/1042"),
            typed("limit", "At most", "100"),
        ],
        state: asked.value("state").to_owned(),
        clear: path.to_owned(),
        is_open: asked.pairs().iter().any(|(name, _)| name != "state" && name != "fingerprint"),
    }
}
