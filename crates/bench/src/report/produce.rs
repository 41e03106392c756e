//! What publishing costs.

use serde::Deserialize;

use crate::failure::BenchError;
use crate::produce::{Api, Pair, Publishing, Whole};
use crate::report::markdown::table;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::statistics::Spread;
use crate::table::ranged;

/// What was found out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Published {
    pub(crate) pairs: Vec<Pair>,
    producer: Vec<Whole>,
    api: Vec<Api>,
}

/// The tool, our client, and the producer.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let Some(source) = sources.get("produce") else {
        section.unmeasured("produce");
        return Ok(section);
    };
    let Published { pairs, producer, api } = source.found()?;
    let of = |name: &str| source.setting(name).unwrap_or_default();
    section.from(
        source,
        &format!("produce --records {} --users {} --rounds {}", of("records"), of("users"), of("rounds")),
    );
    let row = |name: &str, runs: Vec<Publishing>, over_tool: Option<Spread>| {
        let of = |figure: fn(&Publishing) -> f64, digits| ranged(Spread::of(runs.iter().map(figure)), digits);
        vec![
            name.to_owned(),
            of(|run| run.records_per_second, 0),
            ranged(over_tool, 2),
            of(|run| run.client_cpu_us, 2),
            of(|run| run.kafka_cpu_us, 2),
        ]
    };
    let whole = |transactions| {
        producer.iter().filter(|run| run.transactions == transactions).map(|run| run.publishing).collect()
    };
    let ratio = Spread::of(pairs.iter().map(|pair| pair.rate_ratio));
    section.add(&table(
        &["", "records/s", "of the tool's", "client, us a record", "Kafka"],
        &[
            row("rdkafka_performance", pairs.iter().map(|pair| pair.tool).collect(), None),
            row("our client", pairs.iter().map(|pair| pair.ours).collect(), ratio),
            row("producer, a transaction a page", whole(true), None),
            row("producer, no transactions", whole(false), None),
        ],
    ));
    let api = ranged(Spread::of(api.iter().map(|api| api.users_per_second)), 0);
    section.add(&format!("The simulated API alone gives {api} users a second to one that only fetches."));
    Ok(section)
}
