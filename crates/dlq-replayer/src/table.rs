//! Tables for people. What a record brings is shown harmless: no control character reaches the terminal.

use std::borrow::Cow;

use comfy_table::{Table, presets};

use crate::letter::is_of_dead_letters;
use crate::listing::{Bytes, Grouped, Listed, Shown, ShownOriginal, Stats, Value};
use crate::pages::{self, Column, Pages};

/// Text without what a terminal would obey.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Columns of a list of dead letters.
pub(crate) const LIST: [Column; 8] = [
    Column { title: "ID", least: 0 },
    Column { title: "STATE", least: 0 },
    Column { title: "REASON", least: 0 },
    Column { title: "STAGE", least: 150 },
    Column { title: "ATTEMPTS", least: 150 },
    Column { title: "RULES", least: 120 },
    Column { title: "FAILED AT", least: 100 },
    Column { title: "KEY", least: 150 },
];

/// A row of a list of dead letters.
pub(crate) fn listed(letter: &Listed) -> Vec<String> {
    vec![
        harmless(&letter.id).into_owned(),
        letter.state.as_str().to_owned(),
        letter.reason.unwrap_or(letter.dialect).to_owned(),
        letter.stage.unwrap_or("-").to_owned(),
        letter.attempts.map_or_else(|| "-".to_owned(), |attempts| attempts.to_string()),
        harmless(&letter.rule_ids.join(" ")).into_owned(),
        seconds(&letter.failed_at),
        harmless(letter.key.shown()).into_owned(),
    ]
}

/// Columns of a list of groups.
const GROUPS: [Column; 9] = [
    Column { title: "COUNT", least: 0 },
    Column { title: "FINGERPRINT", least: 0 },
    Column { title: "REASON", least: 0 },
    Column { title: "RULES", least: 80 },
    Column { title: "EXAMPLE", least: 100 },
    Column { title: "LAST FAILED", least: 120 },
    Column { title: "FIRST FAILED", least: 150 },
    Column { title: "ERROR TYPE", least: 180 },
    Column { title: "POINTERS", least: 180 },
];

/// Groups, as they are sorted. `width` is the terminal's, in characters; none where the output is no terminal.
pub(crate) fn groups(groups: &[Grouped], width: Option<u16>) -> String {
    let mut pages = Pages::new(&GROUPS, width);
    let rows = groups.iter().map(|group| {
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { harmless(text).into_owned() };
        // Other writers have no reasons; the error's own name says more than theirs.
        let reason = group.reason.or(group.error_type.as_deref()).unwrap_or(group.dialect);
        vec![
            group.count.to_string(),
            or_none(group.fingerprint.as_deref().unwrap_or_default()),
            harmless(reason).into_owned(),
            or_none(&group.rule_ids.join(" ")),
            harmless(&group.example).into_owned(),
            seconds(&group.last_failed_at),
            seconds(&group.first_failed_at),
            or_none(group.error_type.as_deref().unwrap_or_default()),
            or_none(&group.pointers.join(" ")),
        ]
    });
    let mut text: String = rows.filter_map(|row| pages.row(row)).collect();
    text.extend(pages.end());
    text
}

/// An instant without its fraction of a second.
fn seconds(instant: &str) -> String {
    instant.get(..19).unwrap_or_default().to_owned() + "Z"
}

/// The terminal's width in characters; none where standard output is no terminal.
pub(crate) fn width() -> Option<u16> {
    Table::new().width()
}

/// Counts.
pub(crate) fn stats(stats: &Stats) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "", "COUNT"]);
    table.add_row(["total".to_owned(), String::new(), stats.total.to_string()]);
    for (what, counts) in [("state", &stats.by_state), ("reason", &stats.by_reason), ("stage", &stats.by_stage)] {
        for (name, count) in &counts.0 {
            table.add_row([what.to_owned(), (*name).to_owned(), count.to_string()]);
        }
    }
    pages::lines(&table)
}

/// One dead letter in full: what happened to it, the headers of its record, its bytes.
pub(crate) fn show(shown: &Shown) -> String {
    let listed = &shown.listed;
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let source = &listed.source;
    let source = match &source.topic {
        Some(topic) => format!("{topic}/{}/{}", number(source.partition.map(i64::from)), number(source.offset)),
        None => "-".to_owned(),
    };
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12} {}\n", harmless(value)));
    line("id", &listed.id);
    line("state", listed.state.as_str());
    line("reason", listed.reason.unwrap_or("-"));
    line("stage", listed.stage.unwrap_or("-"));
    line("attempts", &number(listed.attempts.map(i64::from)));
    line("retryable", listed.retryable.map_or("-", |retryable| if retryable { "yes" } else { "no" }));
    line("fingerprint", listed.fingerprint.as_deref().unwrap_or("-"));
    line("rules", &or_none(&listed.rule_ids.join(" ")));
    line("failed at", &listed.failed_at);
    line("source", &source);
    line("dlq", &format!("{}/{}", listed.dlq.partition, listed.dlq.offset));
    line("key", listed.key.shown());
    line("dialect", listed.dialect);
    for (title, ours) in [("headers of the dead letter", true), ("headers of its record", false)] {
        text.push_str(&format!("\n{title}\n"));
        headers(shown.headers.iter().filter(|(name, _)| is_of_dead_letters(name) == ours), &mut text);
    }
    value(&shown.value, &mut text);
    match &shown.original {
        None => {}
        Some(ShownOriginal::Absent { absent }) => text.push_str(&format!("\nits record: {}\n", harmless(absent))),
        Some(ShownOriginal::Record { key, headers: all, value: bytes }) => {
            text.push_str(&format!("\nits record, under the key {}\n", harmless(key.shown())));
            headers(all.iter(), &mut text);
            value(bytes, &mut text);
        }
    }
    text
}

fn headers<'a>(headers: impl Iterator<Item = &'a (String, Bytes)>, text: &mut String) {
    for (name, value) in headers {
        let value = match value {
            Bytes::Null => "(null)".to_owned(),
            Bytes::Text(text) => text.clone(),
            Bytes::Binary(base64) => format!("base64 {base64}"),
        };
        text.push_str(&format!("  {}: {}\n", harmless(name), harmless(&value)));
    }
}

fn value(value: &Value, text: &mut String) {
    match value {
        Value::Text { value: None } => text.push_str("\nvalue is null\n"),
        Value::Text { value: Some(value) } => {
            text.push_str("\nvalue\n");
            for line in value.lines() {
                text.push_str(&format!("  {}\n", harmless(line)));
            }
        }
        Value::Binary { value_base64 } => text.push_str(&format!("\nvalue in base64\n  {value_base64}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::State;
    use crate::fixture::{self, Placed as _};
    use crate::letter::Letter;

    fn list(letters: &[Listed], width: Option<u16>) -> String {
        let mut pages = Pages::new(&LIST, width);
        let full: Vec<_> = letters.iter().filter_map(|letter| pages.row(listed(letter))).collect();
        assert!(full.is_empty());
        pages.end().unwrap_or_default()
    }

    fn hostile() -> Letter {
        let mut dead = fixture::foreign_letter(b"a\x1b[2Jb\nc").at(1, 2);
        dead.key = Some(b"k\x1b]0;x\x07".to_vec());
        dead.headers.push("h\x1b[31m", "v\x1b[0m");
        Letter::of(dead)
    }

    #[test]
    fn nothing_of_a_record_can_drive_the_terminal() {
        let text =
            show(&Shown::of(&hostile(), State::Unresolved)) + &list(&[Listed::of(&hostile(), State::Unresolved)], None);
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        assert!(text.contains("a\\u{1b}[2Jb\n  c\n"), "{text}");
    }

    #[test]
    fn a_list_has_a_line_for_each_letter_under_its_header() {
        let letters =
            [fixture::read_letter(3, 1042, 17), hostile()].map(|letter| Listed::of(&letter, State::Unresolved));
        let text = list(&letters, None);
        assert_eq!(text.lines().count(), 3, "{text}");
        let line = text.lines().nth(1).expect("a line");
        for part in ["user_data/3/1042", "unresolved", "quality_rule", "email.format", "2026-03-01T12:00:00Z", "key"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(text.lines().nth(2).is_some_and(|line| line.contains("dlq/1/2") && line.contains("unknown")), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns() {
        let letters = [Listed::of(&fixture::read_letter(3, 1042, 17), State::Unresolved)];
        let header = |width| list(&letters, Some(width)).lines().next().unwrap_or_default().split_whitespace().count();
        assert_eq!([header(40), header(100), header(120), header(150)], [3, 5, 6, 9], "FAILED AT are two words");
    }

    #[test]
    fn a_letter_that_holds_its_record_shows_both() {
        let dead = br#"{"original_message":"{\"a\":1}","error_type":"E","source_topic":"user_data"}"#;
        let text = show(&Shown::of(&Letter::of(fixture::foreign_letter(dead).at(0, 4)), State::Unresolved));
        assert!(text.contains("value\n  {\"original_message\""), "{text}");
        assert!(text.ends_with("its record, under the key -\n\nvalue\n  {\"a\":1}\n"), "{text}");
    }

    fn group(rules: &[&str], count: u64) -> Grouped {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Grouped {
            fingerprint: Some("00112233aabbccdd".to_owned()),
            reason: Some("quality_rule"),
            error_type: Some("rules".to_owned()),
            rule_ids: owned(rules),
            pointers: owned(&["/email"]),
            count,
            first_failed_at: "2026-03-01T12:00:00.000000Z".to_owned(),
            last_failed_at: "2026-03-02T12:00:00.000000Z".to_owned(),
            example: "user_data/3/1042".to_owned(),
            dialect: "sluice",
        }
    }

    #[test]
    fn groups_fit_the_terminal() {
        let unknown =
            Grouped { fingerprint: None, reason: None, error_type: None, dialect: "unknown", ..group(&[], 7) };
        let groups = [group(&["email.format", "dob.range"], 22_940), unknown];
        let shown = |width| super::groups(&groups, Some(width));
        assert_eq!(
            shown(40),
            " COUNT  FINGERPRINT       REASON\n 22940  00112233aabbccdd  quality_rule\n \
             7      -                 unknown\n"
        );
        assert_eq!(
            shown(80),
            " COUNT  FINGERPRINT       REASON        RULES\n \
             22940  00112233aabbccdd  quality_rule  email.format dob.range\n \
             7      -                 unknown       -\n"
        );
        assert_eq!(
            shown(120),
            " COUNT  FINGERPRINT       REASON        RULES                   EXAMPLE           LAST FAILED\n \
             22940  00112233aabbccdd  quality_rule  email.format dob.range  user_data/3/1042  2026-03-02T12:00:00Z\n \
             7      -                 unknown       -                       user_data/3/1042  2026-03-02T12:00:00Z\n"
        );
        for width in [20, 40, 80, 100, 120, 150, 180] {
            let longest = shown(width).lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.into()), "{width}: {}", shown(width));
        }
        assert!(
            super::groups(&groups, None)
                .lines()
                .all(|line| line.contains("2026-03-01T12:00:00Z") || line.contains("FIRST"))
        );
    }

    #[test]
    fn counts_fit_a_narrow_terminal() {
        let mut book = crate::book::Book::default();
        book.letter(&fixture::read_letter(3, 1042, 17));
        let census = book.census(&crate::selection::Selection::default(), &State::ALL, fixture::now());
        let text = stats(&Stats::from(&census));
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        assert!(text.contains(" total                 1\n"), "{text}");
    }

    #[test]
    fn a_shown_letter_tells_its_headers_from_those_of_its_record() {
        let text = show(&Shown::of(&fixture::read_letter(3, 1042, 17), State::Unresolved));
        let (of_letter, of_record) = text.split_once("headers of its record").expect("both");
        assert!(of_letter.contains("  dlq.id: user_data/3/1042\n"), "{text}");
        assert!(of_record.contains("  source: randomuser:"), "{text}");
        assert!(of_record.contains("  mine: base64 /wA=\n"), "{text}");
        assert!(text.ends_with("value\n  {\"email\":\"no\"}\n"), "{text}");
    }
}
