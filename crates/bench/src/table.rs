//! Results as tables for people.

use comfy_table::{CellAlignment, Table, presets};

use crate::comparison::Line;
use crate::replay::Replay;
use crate::run::Run;
use crate::statistics::Spread;

impl Run {
    /// The run in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let what = if self.is_warm_up {
            format!("warm-up, servers compile for {:.1} % of their CPU time", self.compiling_percent)
        } else {
            format!("round {}", self.round)
        };
        let number = |figure: Option<f64>, digits| figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"));
        let disturbed =
            if self.steal_percent > 2.0 { format!(", steal {:.1} %", self.steal_percent) } else { String::new() };
        format!(
            "{what}, {}: {}, {} rows/s steady, {} records/s from start to end, first row after {} s, CPU us per record {:.1} + {:.1} Cassandra + {:.1} Kafka, peak {:.0} MiB, {} missing{disturbed}",
            self.case,
            self.end,
            number(self.steady_rows_per_second, 0),
            number(self.records_per_second, 0),
            number(self.first_row_seconds, 2),
            self.cpu_us_per_record.contender,
            self.cpu_us_per_record.cassandra,
            self.cpu_us_per_record.kafka,
            self.peak_resident_mib,
            self.census.missing,
        )
    }
}

impl Replay {
    /// The run in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}: {} letters in {:.1} s, {:.0} letters/s, CPU us a letter {:.1} + {:.1} processor + {:.1} Cassandra + {:.1} Kafka, peak {:.0} MiB, {} missing, {}",
            if self.round == 0 { "warm-up".to_owned() } else { format!("round {}", self.round) },
            self.letters,
            self.seconds,
            self.letters_per_second,
            self.replayer_us,
            self.processor_us,
            self.cassandra_us,
            self.kafka_us,
            self.peak_resident_mib,
            self.census.missing,
            self.exit,
        )
    }
}

/// The comparison as a table: medians, with the smallest and the largest where they matter.
#[must_use]
pub fn comparison(lines: &[Line]) -> String {
    let header = [
        "",
        "runs",
        "failed",
        "rows/s steady",
        "over the first",
        "records/s whole",
        "CPU us",
        "Cassandra us",
        "Kafka us",
        "all us",
        "over the first",
        "peak MiB",
        "first row s",
        "dupl.",
        "steal %",
        "other columns",
    ];
    let rows = lines.iter().map(|line| {
        vec![
            line.case.clone(),
            line.runs.to_string(),
            line.failed.to_string(),
            ranged(line.spread("steady_rows_per_second"), 0),
            ranged(line.over_first("steady_rows_per_second"), 2),
            median(line.spread("records_per_second"), 0),
            ranged(line.spread("cpu_us_per_record"), 1),
            ranged(line.spread("cassandra_us_per_record"), 1),
            median(line.spread("kafka_us_per_record"), 1),
            median(line.spread("total_us_per_record"), 1),
            ranged(line.over_first("total_us_per_record"), 2),
            median(line.spread("peak_resident_mib"), 0),
            ranged(line.spread("first_row_seconds"), 2),
            median(line.spread("duplicates"), 0),
            median(line.spread("steal_percent"), 1),
            line.differing_columns.join(" "),
        ]
    });
    text(&header, rows)
}

/// A table with figures on the right.
pub(crate) fn text(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Bytes as MiB.
#[must_use]
pub fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

pub(crate) fn median(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("-".to_owned(), |spread| format!("{:.digits$}", spread.median))
}

pub(crate) fn ranged(spread: Option<Spread>, digits: usize) -> String {
    match spread {
        None => "-".to_owned(),
        Some(Spread { median, count: 1, .. }) => format!("{median:.digits$}"),
        Some(Spread { median, min, max, .. }) => format!("{median:.digits$} ({min:.digits$}..{max:.digits$})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_told_with_its_ends_where_it_has_them() {
        assert_eq!(ranged(Spread::of([1.0, 3.0, 2.0]), 1), "2.0 (1.0..3.0)");
        assert_eq!(
            (ranged(Spread::of([2.0]), 0), ranged(None, 0), median(None, 0)),
            ("2".into(), "-".into(), "-".into())
        );
    }
}
