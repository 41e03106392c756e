//! What a replay would come to, told beforehand.
//!
//! The record that the job would publish, made by the job's own code, goes through the processor's own decoding, rules and
//! mapping; then the write time of the stored row says whether it would win. So the answer is exact, up to what is written
//! meanwhile and to rows that somebody deleted: a deletion cannot be seen beforehand.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use clap::Args;
use schema::fault::Fault;
use schema::record::{NewRecord, Record};
use schema::row;
use schema::version::VersionMicros;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Output;
use crate::mend::{MendArguments, Preview};
use crate::redrive::Refusal;
use crate::selection::Selection;
use crate::table::harmless;

/// The flags of `preflight`.
#[derive(Debug, Clone, Args)]
pub struct PreflightArguments {
    /// Tell what replay --force would come to
    #[arg(long)]
    pub force: bool,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// What is done to the records first.
    #[command(flatten)]
    pub mend: MendArguments,
    /// Which ones.
    #[command(flatten)]
    pub selection: Selection,
}

/// What a replay would come to. Every selected letter is in exactly one of `would_pass`, `would_fail`, `stale`,
/// `not_followed`, `would_park` and `refused`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// Letters that the selection takes.
    pub selected: usize,
    /// Would become the row of their key.
    pub would_pass: usize,
    /// Would fail again.
    pub would_fail: usize,
    /// The same by rule, or by reason where no rule says why; a letter counts for each rule that it breaks.
    pub still_fail: BTreeMap<&'static str, usize>,
    /// Would be processed and lose to a newer row; none where Cassandra could not be asked.
    pub stale: Option<usize>,
    /// Would go to a topic that the processor does not read.
    pub not_followed: usize,
    /// Would be parked: their attempts are used up.
    pub would_park: usize,
    /// Cannot be replayed.
    pub refused: usize,
    /// The same by cause.
    pub refused_by_cause: BTreeMap<&'static str, usize>,
    /// What mending changes, of the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<Preview>,
}

/// The key and the version of the row that a record becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) version: VersionMicros,
}

impl Row {
    /// What the processor makes of a record of the users' topic.
    pub(crate) fn of(record: &NewRecord, now: DateTime<Utc>) -> Result<Self, Box<Fault>> {
        // Where it will land is not known yet, and decides nothing.
        let record = Record {
            topic: record.topic.clone(),
            partition: 0,
            offset: 0,
            timestamp_ms: record.timestamp_ms,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        };
        row::row_of(&record, now).map(|row| Self { id: row.id, version: row.version })
    }

    /// Whether a row of that write time, in microseconds, is newer. One as old as this is this event's own.
    pub(crate) fn loses_to(self, written_at: Option<i64>) -> bool {
        written_at.is_some_and(|written_at| written_at > self.version.get())
    }
}

/// Letters that would pass, by the key of their row: only the newest of one key becomes the row.
#[derive(Debug, Clone, Copy)]
struct Newest {
    version: VersionMicros,
    letters: usize,
}

/// Counts what becomes of each letter. Holds a line for each key that would pass, and nothing else that grows.
#[derive(Debug, Default)]
pub(crate) struct Forecast {
    prediction: Prediction,
    stale: usize,
    newest: HashMap<Uuid, Newest>,
}

impl Forecast {
    pub(crate) fn new(selected: usize) -> Self {
        Self { prediction: Prediction { selected, ..Prediction::default() }, ..Self::default() }
    }

    /// A letter that would be processed, and when the stored row of its key was written.
    pub(crate) fn passes(&mut self, row: Row, written_at: Option<i64>) {
        if row.loses_to(written_at) {
            self.stale += 1;
            return;
        }
        let newest = self.newest.entry(row.id).or_insert(Newest { version: row.version, letters: 0 });
        if row.version < newest.version {
            self.stale += 1;
            return;
        }
        if row.version > newest.version {
            self.stale += newest.letters;
            self.prediction.would_pass -= newest.letters;
            *newest = Newest { version: row.version, letters: 0 };
        }
        newest.letters += 1;
        self.prediction.would_pass += 1;
    }

    /// A letter that would fail again.
    pub(crate) fn fails(&mut self, fault: &Fault) {
        self.prediction.would_fail += 1;
        let rules = fault.rule_ids();
        let names = if rules.is_empty() { vec![fault.reason.as_str()] } else { rules };
        for name in names {
            *self.prediction.still_fail.entry(name).or_default() += 1;
        }
    }

    /// Letters that cannot be replayed; what would fail before it is published, fails.
    pub(crate) fn refuses(&mut self, refusal: &Refusal, letters: usize) {
        if let Refusal::StillFails(fault) = refusal {
            return self.fails(fault);
        }
        self.prediction.refused += letters;
        *self.prediction.refused_by_cause.entry(refusal.cause()).or_default() += letters;
    }

    pub(crate) fn parks(&mut self) {
        self.prediction.would_park += 1;
    }

    pub(crate) fn is_not_followed(&mut self) {
        self.prediction.not_followed += 1;
    }

    pub(crate) fn previews(&mut self, preview: Preview) {
        self.prediction.preview.push(preview);
    }

    pub(crate) fn previewed(&self) -> usize {
        self.prediction.preview.len()
    }

    /// The whole; `asked` is whether Cassandra was.
    pub(crate) fn prediction(self, asked: bool) -> Prediction {
        Prediction { stale: asked.then_some(self.stale), ..self.prediction }
    }
}

impl Prediction {
    /// For people, in one sentence, and what mending changes.
    pub fn text(&self) -> String {
        if self.selected == 0 {
            return "no dead letters are selected\n".to_owned();
        }
        let mut parts = vec![
            format!("{} would pass", self.would_pass),
            format!("{} still fail{}", self.would_fail, by_count(&self.still_fail)),
        ];
        parts.push(match self.stale {
            Some(stale) => format!("{stale} are older than what is stored"),
            None => "how many are older than what is stored is not known".to_owned(),
        });
        let rest = [
            (self.not_followed, "would go to a topic that the processor does not read", String::new()),
            (self.would_park, "would be parked", String::new()),
            (self.refused, "cannot be replayed", by_count(&self.refused_by_cause)),
        ];
        parts.extend(
            rest.into_iter().filter(|(count, ..)| *count > 0).map(|(count, what, why)| format!("{count} {what}{why}")),
        );
        format!("{}\n{}", parts.join(", "), changes(&self.preview))
    }
}

/// ` (a 2, b 1)`, the largest first.
fn by_count(counts: &BTreeMap<&'static str, usize>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told: Vec<_> = counts.into_iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(" ({})", told.join(", "))
}

/// What mending changes in the first few letters, for people.
pub(crate) fn changes(previews: &[Preview]) -> String {
    let shown = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let mut text = String::new();
    for Preview { id, changes } in previews {
        text.push_str(&format!("\n{}\n", harmless(id)));
        for change in changes {
            let line = format!("{}: {} -> {}", change.pointer, shown(&change.before), shown(&change.after));
            text.push_str(&format!("  {}\n", harmless(&line)));
        }
        if changes.is_empty() {
            text.push_str("  nothing changes\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use schema::fault::Violation;
    use schema::reason::{Reason, Stage};
    use serde_json::json;

    use super::*;
    use crate::mend::Change;

    fn row(id: u128, version: i64) -> Row {
        Row { id: Uuid::from_u128(id), version: VersionMicros::new(version).expect("positive") }
    }

    fn fault(reason: Reason, rules: &[&'static str]) -> Fault {
        let violation = |rule: &&'static str| Violation { pointer: "/x".to_owned(), rule };
        Fault {
            violations: rules.iter().map(violation).collect(),
            ..Fault::new(reason, Stage::Quality, "rule_violated", "")
        }
    }

    #[test]
    fn a_row_loses_to_a_newer_one_only() {
        for (written_at, loses) in [(None, false), (Some(6), false), (Some(7), false), (Some(8), true)] {
            assert_eq!(row(1, 7).loses_to(written_at), loses, "{written_at:?}");
        }
    }

    #[test]
    fn of_several_letters_of_one_key_the_newest_wins_in_any_order() {
        for versions in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [2, 1, 3]] {
            let mut forecast = Forecast::new(4);
            for version in versions {
                forecast.passes(row(1, version), Some(0));
            }
            forecast.passes(row(1, 3), None);
            let prediction = forecast.prediction(true);
            assert_eq!((prediction.would_pass, prediction.stale), (2, Some(2)), "{versions:?}");
        }
    }

    #[test]
    fn every_letter_is_in_exactly_one_count_and_the_sentence_says_them() {
        let mut forecast = Forecast::new(10);
        forecast.passes(row(1, 7), None);
        forecast.passes(row(2, 7), Some(9));
        forecast.fails(&fault(Reason::QualityRule, &["email.format", "dob.range"]));
        forecast.fails(&fault(Reason::QualityRule, &["email.format"]));
        forecast.refuses(&Refusal::StillFails(Box::new(fault(Reason::Deserialization, &[]))), 1);
        forecast.refuses(&Refusal::UnknownDialect, 1);
        forecast.refuses(&Refusal::Gone, 2);
        forecast.parks();
        forecast.is_not_followed();
        let prediction = forecast.prediction(true);
        assert_eq!(
            serde_json::to_value(&prediction).expect("JSON"),
            json!({
                "selected": 10, "would_pass": 1, "would_fail": 3, "stale": 1, "not_followed": 1, "would_park": 1,
                "still_fail": {"email.format": 2, "dob.range": 1, "deserialization": 1},
                "refused": 3, "refused_by_cause": {"unknown_dialect": 1, "gone": 2},
            })
        );
        let text = prediction.text();
        assert!(text.starts_with("1 would pass, 3 still fail (email.format 2, "), "{text}");
        assert!(text.contains("), 1 are older than what is stored, 1 would go to"), "{text}");
        assert!(text.ends_with("1 would be parked, 3 cannot be replayed (gone 2, unknown_dialect 1)\n"), "{text}");
    }

    #[test]
    fn what_cassandra_was_not_asked_is_not_made_up() {
        let prediction = Forecast::new(1).prediction(false);
        assert_eq!(serde_json::to_value(&prediction).expect("JSON")["stale"], json!(null));
        assert!(prediction.text().contains("not known"), "{}", prediction.text());
    }

    #[test]
    fn a_preview_shows_values_without_what_a_terminal_would_obey() {
        let change = Change { pointer: "/a\u{1b}[2J".to_owned(), before: Some(json!("x\u{9b}2J")), after: None };
        let preview = Preview { id: "dlq/0/1\u{7}".to_owned(), changes: vec![change] };
        let text = changes(&[preview, Preview { id: "dlq/0/2".to_owned(), changes: Vec::new() }]);
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        assert!(text.contains(" -> -\n") && text.contains("nothing changes"), "{text}");
    }
}
