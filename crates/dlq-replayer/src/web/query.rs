//! A selection as the query of an address: the flags of the command line under the same names.

use chrono::{DateTime, Utc};
use clap::{CommandFactory as _, Parser};
use schema::date;

use crate::selection::Selection;

/// The flags, as the command line reads them.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Flags {
    #[command(flatten)]
    selection: Selection,
}

/// What a query asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Asked {
    /// The flags that are given, in the order of the command line.
    pairs: Vec<(String, String)>,
    /// What they mean.
    pub(super) selection: Selection,
}

impl Asked {
    /// Reads the pairs of a query; those that are no flags are passed over, and so are empty ones.
    ///
    /// # Errors
    /// A value that its flag does not take, in the words of the command line.
    pub(super) fn of(query: &[(String, String)]) -> Result<Self, String> {
        let mut pairs = Vec::new();
        for flag in Flags::command().get_arguments().filter_map(clap::Arg::get_long) {
            let values: Vec<&str> = query
                .iter()
                .filter(|(name, value)| name == flag && !value.trim().is_empty())
                .map(|(_, value)| value.trim())
                .collect();
            if !values.is_empty() {
                pairs.push((flag.to_owned(), values.join(",")));
            }
        }
        let line = pairs.iter().map(|(name, value)| format!("--{name}={value}"));
        match Flags::try_parse_from(line) {
            Ok(Flags { selection }) => Ok(Self { pairs, selection }),
            Err(error) => Err(words(&error.to_string())),
        }
    }

    /// The value of a flag; empty where it is not given.
    pub(super) fn value(&self, flag: &str) -> &str {
        self.pairs.iter().find(|(name, _)| name == flag).map_or("", |(_, value)| value)
    }

    /// The flags that are given, with their values.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The query of an address, with its question mark; empty where nothing is asked for.
    pub(super) fn query(&self) -> String {
        query_of(self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The query with another value of one flag; without the flag where the value is empty.
    pub(super) fn query_with(&self, flag: &str, value: &str) -> String {
        let others = self.pairs.iter().filter(|(name, _)| name != flag);
        let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
        query_of(others.chain([(flag, value)]))
    }

    /// The same selection with `since` and `until` as instants and no later than `now`: what fails afterwards is not part of it.
    pub(super) fn until(&self, now: DateTime<Utc>) -> Self {
        let mut frozen = self.clone();
        let since = self.selection.since.map(|since| since.instant(now));
        let until = self.selection.until.map_or(now, |until| until.instant(now).min(now));
        frozen.set("since", since);
        frozen.set("until", Some(until));
        frozen.selection.since = since.map(crate::selection::Moment::At);
        frozen.selection.until = Some(crate::selection::Moment::At(until));
        frozen
    }

    fn set(&mut self, flag: &str, instant: Option<DateTime<Utc>>) {
        self.pairs.retain(|(name, _)| name != flag);
        self.pairs.extend(instant.map(|instant| (flag.to_owned(), date::micros(instant))));
    }
}

/// The query of an address for these pairs; empty values are left out.
pub(super) fn query_of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::for_suffix(String::from("?"), 1);
    let query = query.extend_pairs(pairs.filter(|(_, value)| !value.is_empty())).finish();
    if query == "?" { String::new() } else { query }
}

/// The first paragraph of what the command line says of an error: the rest is about its help.
fn words(error: &str) -> String {
    let lines = error.lines().take_while(|line| !line.starts_with("For more information"));
    let text: Vec<_> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    text.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn asked(query: &str) -> Result<Asked, String> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Asked::of(&pairs)
    }

    #[test]
    fn every_flag_of_the_command_line_is_a_name_of_the_query() {
        let query = "?reason=quality_rule&stage=quality&fingerprint=f&rule=r&since=1h&until=1m&partition=1&id=a&state=all&limit=3";
        let asked = asked(query.trim_start_matches('?')).expect("a selection");
        let line = query.trim_start_matches('?').split('&').map(|pair| format!("--{pair}"));
        assert_eq!(asked.selection, Flags::try_parse_from(line).expect("flags").selection);
        assert_eq!(asked.query(), query);
        assert_eq!(asked.pairs().len(), Flags::command().get_arguments().count());
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        for query in ["", "reason=&state=+", "page=7&why=x"] {
            assert_eq!(asked(query), Ok(Asked::default()), "{query}");
        }
        assert_eq!(Asked::default().query(), "");
    }

    #[test]
    fn a_wrong_value_is_told_in_words() {
        let error = asked("reason=bad").expect_err("no reason");
        assert!(error.contains("bad") && error.contains("quality_rule") && !error.contains("--help"), "{error}");
        assert!(asked("limit=-1").is_err());
    }

    #[test]
    fn one_flag_is_changed_and_the_others_stay() {
        let asked = asked("reason=quality_rule&state=parked&id=a%26b").expect("a selection");
        assert_eq!(asked.query_with("state", "all"), "?reason=quality_rule&id=a%26b&state=all");
        assert_eq!(asked.query_with("state", ""), "?reason=quality_rule&id=a%26b");
        assert_eq!(asked.value("reason"), "quality_rule");
    }

    #[test]
    fn a_frozen_selection_takes_nothing_that_fails_later() {
        let now = fixture::now();
        let frozen = asked("since=1h").expect("a selection").until(now);
        assert_eq!(frozen.value("since"), "2026-03-01T11:00:00.000000Z");
        assert_eq!(frozen.value("until"), "2026-03-01T12:00:00.000000Z");
        let again = asked(frozen.query().trim_start_matches('?')).expect("a selection");
        assert_eq!(again.selection, frozen.selection);
        assert_eq!(again.until(now + chrono::TimeDelta::days(1)).selection, frozen.selection);
    }
}
