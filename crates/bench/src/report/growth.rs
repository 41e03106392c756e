//! Ours under more and more of something, and in more and more processes.

use crate::comparison::Line;
use crate::failure::BenchError;
use crate::report::chart::Bars;
use crate::report::drain::{Contest, single};
use crate::report::markdown::table;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::table::{median, ranged};

/// Of what there is more and more: the results, their words in a title, and the option.
const GROWTHS: [(&str, &str, &str); 4] = [
    ("growth-backlog", "Records on the topic", "backlog"),
    ("growth-payload", "Bytes of a record", "payload"),
    ("growth-partitions", "Partitions of the topic", "partitions"),
    ("growth-poison", "Records that become dead letters", "poison"),
];

/// Backlog, payload, partitions, dead letters.
pub(crate) fn growth(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    for (subject, title, what) in GROWTHS {
        let command = |most: &str, rounds: &str| format!("growth --what {what} --most {most} --rounds {rounds}");
        contest(&mut section, sources, subject, title, |of| command(&of("most"), &of("rounds")))?;
    }
    Ok(section)
}

/// Processes and shards.
pub(crate) fn scale(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let command = |of: &dyn Fn(&str) -> String| format!("scale --records {} --rounds {}", of("records"), of("rounds"));
    contest(&mut section, sources, "scale", "Processes and shards", command)?;
    Ok(section)
}

fn contest(
    section: &mut Section,
    sources: &Sources,
    subject: &str,
    title: &str,
    command: impl Fn(&dyn Fn(&str) -> String) -> String,
) -> Result<(), BenchError> {
    section.add(&format!("**{title}**"));
    let Some(source) = sources.get(subject) else {
        let command =
            subject.split_once('-').map_or_else(|| subject.to_owned(), |(name, what)| format!("{name} --what {what}"));
        section.unmeasured(&command);
        return Ok(());
    };
    let contest: Contest = source.found()?;
    section.from(source, &command(&|name| source.setting(name).unwrap_or_default()));
    let header = [
        "",
        "rows/s, steady",
        "our CPU, us a record",
        "our CPU while steady",
        "Kafka's",
        "Cassandra's",
        "peak MiB",
        "runs, failed",
    ];
    let row = |line: &Line| {
        vec![
            line.case.clone(),
            ranged(line.spread("steady_rows_per_second"), 0),
            ranged(line.spread("cpu_us_per_record"), 2),
            ranged(line.spread("steady_cpu_us_per_record"), 2),
            median(line.spread("kafka_us_per_record"), 1),
            median(line.spread("cassandra_us_per_record"), 1),
            ranged(line.spread("peak_resident_mib"), 0),
            format!("{}, {}", line.runs, line.failed),
        ]
    };
    section.add(&table(&header, &contest.comparison.iter().map(row).collect::<Vec<_>>()));
    section.add(&contest.remarks());
    let bar = |line: &Line| Some(single(&line.case, &line.spread("steady_cpu_us_per_record")?, 2));
    let bars = Bars {
        title: &format!("{title}: our CPU time of a record while steady"),
        unit: "us a record (less is better; median, smallest and largest run)",
        parts: &[],
        bars: contest.comparison.iter().filter_map(bar).collect(),
    };
    section.plot(subject, &format!("{title}: our CPU time of a record"), bars.svg()?);
    Ok(())
}
