//! Which dead letters are meant: the flags that every command has, as a predicate.
//!
//! Values of one flag are alternatives; different flags have to hold together.

use std::ops::Range;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use schema::reason::{Reason, Stage};

use crate::book::Kind;
use crate::disposition::State;

/// What `--state` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChoice {
    /// One state.
    Only(State),
    /// Whatever became of it.
    All,
}

impl FromStr for StateChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "all" => Ok(Self::All),
            _ => name.parse().map(Self::Only).map_err(|error| format!("{error}, all")),
        }
    }
}

/// What `--since` and `--until` take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// An instant.
    At(DateTime<Utc>),
    /// So long before now.
    Ago(TimeDelta),
}

impl Moment {
    /// The instant, as of `now`.
    pub fn instant(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(instant) => instant,
            Self::Ago(age) => now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC),
        }
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(instant.to_utc()));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(date.and_time(NaiveTime::MIN).and_utc()));
        }
        age(text)
            .map(Self::Ago)
            .ok_or("accepted: 2026-01-31T12:00:00Z, 2026-01-31 (UTC), or an age such as 90s, 15m, 2h, 7d")
    }
}

fn age(text: &str) -> Option<TimeDelta> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u32 = count.parse().ok()?;
    match unit {
        "s" => TimeDelta::try_seconds(count.into()),
        "m" => TimeDelta::try_minutes(count.into()),
        "h" => TimeDelta::try_hours(count.into()),
        "d" => TimeDelta::try_days(count.into()),
        _ => None,
    }
}

/// Which dead letters are meant. Nothing given means all of them in the states that the command takes by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Selection (comma-separated values are alternatives, flags hold together)")]
pub struct Selection {
    /// Why the record failed
    #[arg(long = "reason", value_name = "REASON", value_delimiter = ',')]
    pub reasons: Vec<Reason>,
    /// Where the record failed
    #[arg(long = "stage", value_name = "STAGE", value_delimiter = ',')]
    pub stages: Vec<Stage>,
    /// 16 hexadecimal digits: records that fail alike
    #[arg(long = "fingerprint", value_name = "HEX", value_delimiter = ',')]
    pub fingerprints: Vec<String>,
    /// A violated rule, as email.format
    #[arg(long = "rule", value_name = "RULE", value_delimiter = ',')]
    pub rules: Vec<String>,
    /// Failed then or later: a date, an instant, or an age as 2h
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Moment>,
    /// Failed before then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Moment>,
    /// Partition of the dead-letter topic
    #[arg(long = "partition", value_name = "NUMBER", value_delimiter = ',')]
    pub partitions: Vec<i32>,
    /// One dead letter
    #[arg(long = "id", value_name = "ID", value_delimiter = ',')]
    pub ids: Vec<String>,
    /// unresolved, replayed, confirmed, boomeranged, parked, discarded, or all
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',')]
    pub states: Vec<StateChoice>,
    /// At most so many, those that failed first
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

impl Selection {
    /// Whether letters of this kind are meant.
    pub fn wants_kind(&self, kind: &Kind) -> bool {
        (self.rules.is_empty() || kind.rule_ids.iter().any(|rule| self.rules.contains(rule)))
            && allowed(&self.reasons, kind.reason.as_ref())
            && allowed(&self.stages, kind.stage.as_ref())
            && allowed(&self.fingerprints, kind.fingerprint.as_ref())
    }

    /// When a letter that is meant has failed, as of `now`: microseconds since 1970.
    pub fn window(&self, now: DateTime<Utc>) -> Range<i64> {
        let micros = |moment: Moment| moment.instant(now).timestamp_micros();
        self.since.map_or(i64::MIN, micros)..self.until.map_or(i64::MAX, micros)
    }

    /// Whether letters of this partition of the dead-letter topic are meant.
    pub fn wants_partition(&self, partition: i32) -> bool {
        allowed(&self.partitions, Some(&partition))
    }

    /// Whether a letter in this state is meant; `default` are the states where the flag says nothing.
    pub fn wants_state(&self, state: State, default: &[State]) -> bool {
        if self.states.is_empty() {
            default.contains(&state)
        } else {
            self.states.iter().any(|choice| *choice == StateChoice::All || *choice == StateChoice::Only(state))
        }
    }
}

fn allowed<T: PartialEq>(wanted: &[T], given: Option<&T>) -> bool {
    wanted.is_empty() || given.is_some_and(|given| wanted.contains(given))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{self, Placed as _};
    use crate::letter::Letter;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        selection: Selection,
    }

    fn selection(flags: &[&str]) -> Selection {
        Line::try_parse_from(std::iter::once(&"ls").chain(flags)).expect("good flags").selection
    }

    fn wants(flags: &[&str], letter: &Letter) -> bool {
        let selection = selection(flags);
        selection.wants_kind(&Kind::of(letter))
            && selection.window(fixture::now()).contains(&letter.failed_at.timestamp_micros())
            && selection.wants_partition(letter.dlq.partition)
    }

    #[test]
    fn each_flag_takes_what_it_names_and_nothing_else() {
        let letter = fixture::read_letter(3, 1042, 17);
        let fingerprint = letter.fingerprint.clone().expect("a fingerprint");
        for (flag, takes, leaves) in [
            ("--reason", "quality_rule", "deserialization"),
            ("--stage", "quality", "decode"),
            ("--fingerprint", fingerprint.as_str(), "0000000000000000"),
            ("--rule", "email.format", "email"),
            ("--partition", "0", "3"),
            ("--since", "2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z"),
            ("--until", "2026-03-01T12:00:01Z", "2026-03-01T12:00:00Z"),
            ("--since", "1h", "2026-03-02"),
        ] {
            assert!(wants(&[flag, takes], &letter), "{flag} {takes}");
            assert!(!wants(&[flag, leaves], &letter), "{flag} {leaves}");
            if !matches!(flag, "--since" | "--until") {
                let either = format!("{leaves},{takes}");
                assert!(wants(&[flag, &either], &letter), "{flag} {either}");
                assert!(wants(&[flag, leaves, flag, takes], &letter), "{flag} twice");
            }
        }
        assert!(!wants(&["--reason", "quality_rule", "--stage", "decode"], &letter));
    }

    #[test]
    fn a_letter_that_says_no_reason_is_taken_only_where_none_is_asked_for() {
        let letter = Letter::of(fixture::foreign_letter(b"x").at(0, 1));
        assert!(wants(&[], &letter));
        for flags in [["--reason", "quality_rule"], ["--stage", "decode"], ["--fingerprint", "x"], ["--rule", "x"]] {
            assert!(!wants(&flags, &letter), "{flags:?}");
        }
    }

    #[test]
    fn states_are_the_commands_default_unless_given() {
        let takes = |flags: &[&str], state| selection(flags).wants_state(state, &[State::Unresolved]);
        for state in State::ALL {
            assert_eq!(takes(&[], state), state == State::Unresolved, "{state}");
            assert!(takes(&["--state", "all"], state), "{state}");
            assert_eq!(takes(&["--state", "parked"], state), state == State::Parked, "{state}");
        }
    }

    #[test]
    fn what_is_no_value_of_a_flag_is_an_error_that_says_what_is() {
        for (flag, value, accepted) in [
            ("--reason", "bad", "quality_rule"),
            ("--stage", "bad", "decode"),
            ("--state", "bad", "boomeranged"),
            ("--since", "yesterday", "7d"),
            ("--until", "7y", "7d"),
            ("--limit", "0", "1.."),
            ("--partition", "x", "invalid"),
        ] {
            let error = Line::try_parse_from(["ls", flag, value]).expect_err("an error").to_string();
            assert!(error.contains(accepted), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_age_is_that_long_ago(count in 0..100_000_u32, unit in "[smhd]") {
            let Ok(Moment::Ago(age)) = format!("{count}{unit}").parse::<Moment>() else {
                return Err(TestCaseError::fail("no age"));
            };
            let seconds = match unit.as_str() { "s" => 1, "m" => 60, "h" => 3600, _ => 86_400 };
            prop_assert_eq!(age.num_seconds(), i64::from(count) * seconds);
        }

        #[test]
        fn any_text_is_a_moment_or_an_error_and_never_a_panic(text in "\\PC*") {
            let _ = text.parse::<Moment>();
        }
    }
}
