//! A table of any length, written page by page: the first page decides how wide the columns are.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Rows of a page.
const ROWS: usize = 200;
/// Characters of one cell, at most.
const LONGEST: usize = 200;
/// Spaces beside the content of a cell.
const PADDING: u16 = 2;
/// What a column is not made narrower than.
const NARROWEST: u16 = 4;

/// One column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its header.
    pub(crate) title: &'static str,
    /// How wide a terminal has to be to show it: on a narrow one few columns and whole, rather than all in shreds.
    pub(crate) least: u16,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Pages {
    shown: Vec<bool>,
    header: Vec<&'static str>,
    /// The terminal's, in characters; none where the output is no terminal.
    width: Option<u16>,
    /// Of the columns' contents; none before the first page.
    widths: Option<Vec<u16>>,
    rows: Vec<Vec<String>>,
}

impl Pages {
    pub(crate) fn new(columns: &[Column], width: Option<u16>) -> Self {
        let shown: Vec<bool> = columns.iter().map(|column| width.is_none_or(|width| width >= column.least)).collect();
        let header = columns.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(column, _)| column.title).collect();
        Self { shown, header, width, widths: None, rows: Vec::new() }
    }

    /// Takes a row with a cell for every column, and returns a page where it is full.
    pub(crate) fn row(&mut self, cells: Vec<String>) -> Option<String> {
        let cells = cells.into_iter().zip(&self.shown).filter(|(_, shown)| **shown).map(|(cell, _)| short(cell));
        self.rows.push(cells.collect());
        (self.rows.len() == ROWS).then(|| self.page())
    }

    /// The last page; none where nothing is left of it.
    pub(crate) fn end(&mut self) -> Option<String> {
        (!self.rows.is_empty()).then(|| self.page())
    }

    fn page(&mut self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.width {
            table.set_width(width);
        }
        let is_first = self.widths.is_none();
        if is_first {
            table.set_header(self.header.iter().copied());
        }
        table.add_rows(std::mem::take(&mut self.rows));
        let width = self.width;
        let widths = self.widths.get_or_insert_with(|| fitting(table.column_max_content_widths(), width));
        for (column, content) in table.column_iter_mut().zip(widths) {
            let fixed = Width::Fixed(content.saturating_add(PADDING));
            column.set_constraint(match width {
                Some(_) => ColumnConstraint::Absolute(fixed),
                None => ColumnConstraint::LowerBoundary(fixed),
            });
        }
        lines(&table)
    }
}

/// A table's lines without spaces at their ends.
pub(crate) fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The widths of contents that fit a terminal: the widest give way.
fn fitting(mut widths: Vec<u16>, terminal: Option<u16>) -> Vec<u16> {
    let Some(terminal) = terminal else { return widths };
    let padding = widths.iter().map(|_| usize::from(PADDING)).sum();
    let room = usize::from(terminal).saturating_sub(padding);
    while widths.iter().map(|width| usize::from(*width)).sum::<usize>() > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    widths
}

fn short(cell: String) -> String {
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => cell.get(..end).unwrap_or_default().to_owned() + "...",
        None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column { title: "ID", least: 0 }, Column { title: "STATE", least: 0 }, Column { title: "KEY", least: 80 }];

    fn cells(id: &str, key: &str) -> Vec<String> {
        [id, "unresolved", key].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_table_fits_its_terminal() {
        let rows = [cells("producer/018f0000-0000-7000-8000-000000000001/1/7", "k"), cells("user_data/3/1042", "key")];
        let table = |width| {
            let mut pages = Pages::new(&COLUMNS, width);
            for row in rows.clone() {
                assert_eq!(pages.row(row), None);
            }
            pages.end().expect("a page")
        };
        assert_eq!(
            table(Some(40)),
            " ID                          STATE\n producer/018f0000-0000-700  unresolved\n \
             0-8000-000000000001/1/7\n user_data/3/1042            unresolved\n"
        );
        let line = |id, state, key| format!(" {id:<49}  {state:<10}  {key}\n");
        let wide = line("ID", "STATE", "KEY")
            + &line("producer/018f0000-0000-7000-8000-000000000001/1/7", "unresolved", "k")
            + &line("user_data/3/1042", "unresolved", "key");
        assert_eq!(table(Some(120)), wide);
        assert_eq!(table(None), table(Some(120)));
    }

    #[test]
    fn later_pages_keep_the_columns_of_the_first_and_have_no_header() {
        for width in [Some(60), None] {
            let mut pages = Pages::new(&COLUMNS, width);
            let first = (0..ROWS).find_map(|_| pages.row(cells("user_data/3/1042", "k"))).expect("a full page");
            assert_eq!(first.lines().count(), ROWS + 1);
            pages.row(cells("short", "k"));
            let second = pages.end().expect("a page");
            let column = |page: &str| page.lines().last().and_then(|line| line.find("unresolved"));
            assert_eq!((second.lines().count(), column(&second)), (1, column(&first)), "{second}");
            assert_eq!(pages.end(), None);
        }
    }

    #[test]
    fn a_cell_of_any_length_stays_readable() {
        let mut pages = Pages::new(&COLUMNS, None);
        pages.row(cells(&"ä".repeat(100_000), "k"));
        assert!(pages.end().is_some_and(|page| page.contains("ä...") && page.len() < 2000));
    }
}
