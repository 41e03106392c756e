//! Tables of Markdown, and their places in a page.

use crate::failure::BenchError;

const END: &str = "<!-- /bench -->";

/// A table with figures on the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    aligned(header, rows, "---:")
}

/// A table of words.
pub(crate) fn words(header: &[&str], rows: &[Vec<String>]) -> String {
    aligned(header, rows, "---")
}

fn aligned(header: &[&str], rows: &[Vec<String>], rest: &str) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let header: Vec<String> = header.iter().map(|cell| escaped(cell)).collect();
    let rule: Vec<String> = (0..header.len()).map(|place| if place == 0 { "---" } else { rest }.to_owned()).collect();
    let mut text = line(&header) + &line(&rule);
    for row in rows {
        text.push_str(&line(&row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>()));
    }
    text
}

/// Text that is nothing but text, on one line.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// The page with `text` in the place called `name`.
pub(crate) fn placed(page: &str, name: &'static str, text: &str) -> Result<String, BenchError> {
    let begin = format!("<!-- bench:{name} -->");
    let missing = || BenchError::NoPlace(name);
    let (before, rest) = page.split_once(&begin).ok_or_else(missing)?;
    let (within, after) = rest.split_once(END).ok_or_else(missing)?;
    if within.contains("<!-- bench:") {
        return Err(missing());
    }
    Ok(format!("{before}{begin}\n\n{text}\n\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_end_its_table() {
        let text = table(&["a", "b"], &[vec!["x|y\nz".to_owned(), "<b>&".to_owned()]]);
        assert_eq!(text, "| a | b |\n| --- | ---: |\n| x\\|y z | &lt;b>&amp; |\n");
    }

    #[test]
    fn only_what_lies_between_its_marks_is_replaced() {
        let page = "one\n<!-- bench:a -->\nold\n<!-- /bench -->\ntwo\n<!-- bench:b -->\n<!-- /bench -->\n";
        let placed_once = placed(page, "a", "new").unwrap();
        assert_eq!(
            placed_once,
            "one\n<!-- bench:a -->\n\nnew\n\n<!-- /bench -->\ntwo\n<!-- bench:b -->\n<!-- /bench -->\n"
        );
        assert_eq!(placed(&placed_once, "a", "new").unwrap(), placed_once);
        for broken in ["nothing", "<!-- bench:a -->", "<!-- bench:a -->\n<!-- bench:b -->\n<!-- /bench -->"] {
            assert!(placed(broken, "a", "new").unwrap_err().to_string().contains("bench:a"));
        }
    }
}
