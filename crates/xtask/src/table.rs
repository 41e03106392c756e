//! Tables of text for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

/// A table with borders. Control characters of values are shown, not obeyed.
pub(crate) fn plain<S: AsRef<str>>(columns: &[S], rows: &[Vec<Option<String>>]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(columns.iter().map(AsRef::as_ref));
    for row in rows {
        table.add_row(row.iter().map(|value| cell(value.as_deref())));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if !rows.is_empty() && rows.iter().all(|row| row.get(index).is_some_and(|value| is_number(value.as_deref()))) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The rows as a table, or one value a line where a row is wider than `width` columns of the terminal.
pub(crate) fn fitting<S: AsRef<str>>(columns: &[S], rows: &[Vec<Option<String>>], width: Option<u16>) -> String {
    let table = plain(columns, rows);
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    if width.is_none_or(|width| widest <= usize::from(width)) {
        return table.to_string();
    }
    let name_width = columns.iter().map(|name| name.as_ref().chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&format!("─── row {}\n", number + 1));
        for (name, value) in columns.iter().zip(row) {
            text.push_str(&format!("{:<name_width$} │ {}\n", name.as_ref(), cell(value.as_deref())));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn cell(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), printable)
}

fn is_number(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.parse::<f64>().is_ok())
}

/// The text with control characters escaped: a value must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<&str>]) -> Vec<Option<String>> {
        values.iter().map(|value| value.map(ToOwned::to_owned)).collect()
    }

    #[test]
    fn rows_that_fit_are_a_table() {
        let text = fitting(&["id", "name"], &[row(&[Some("1"), None])], Some(80));
        assert!(text.contains("id") && text.contains("null") && text.contains('│'), "{text}");
        assert_eq!(text.lines().count(), 5, "{text}");
    }

    #[test]
    fn rows_that_do_not_fit_are_shown_one_value_a_line() {
        let text = fitting(&["id", "name"], &[row(&[Some("1"), Some(&"x".repeat(100))])], Some(80));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("─── row 1\nid   │ 1\nname │ xxx"), "{text}");
    }

    #[test]
    fn a_value_does_not_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert!(!plain(&["a"], &[row(&[Some("\x1b[2J")])]).to_string().contains('\x1b'));
    }
}
