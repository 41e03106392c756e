//! What was promised, what was measured, and whether it was kept.
//!
//! A ratio is of two runs of one round, and its median counts; of a peer's variants the one that does best. Memory counts by its
//! largest run. What the files cannot say is not judged.

mod drain;
mod others;

use crate::failure::BenchError;
use crate::report::markdown::words;
use crate::report::section::Section;
use crate::report::source::Sources;
use crate::statistics::Spread;
use crate::table::ranged;

/// The contender that the targets are about.
const OURS: &str = "sluice";
/// The peers that share an engine: the second is the first one's fork.
const REDPANDA: [&str; 2] = ["redpanda-connect", "bento"];

/// A promise.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    what: String,
    target: String,
    /// What was measured in words and whether that is enough; none where it was not measured.
    measured: Option<(String, bool)>,
}

/// The bound of a promise.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Bound {
    fn is_kept_by(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
            Self::Below(bound) => figure < bound,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            // A share of a peer's figure.
            Self::AtMost(bound) if *bound < 1.0 => write!(f, "at most 1/{:.0}", 1.0 / bound),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Below(bound) => write!(f, "below {bound}"),
        }
    }
}

impl Target {
    /// Judged by `by`, and told as `told`.
    fn judged(what: &str, bound: Bound, unit: &str, measured: Option<(f64, String)>) -> Self {
        let measured = measured.map(|(by, told)| (told, bound.is_kept_by(by)));
        Self { what: what.to_owned(), target: format!("{bound}{unit}"), measured }
    }

    /// Judged by the median.
    fn of_spread(what: &str, bound: Bound, unit: &str, digits: usize, measured: Option<Spread>) -> Self {
        Self::judged(what, bound, unit, measured.map(|spread| (spread.median, ranged(Some(spread), digits))))
    }

    fn row(&self) -> Vec<String> {
        let (measured, met) = match &self.measured {
            Some((measured, met)) => (measured.clone(), if *met { "yes" } else { "no" }),
            None => ("-".to_owned(), "not measured"),
        };
        vec![self.what.clone(), self.target.clone(), measured, met.to_owned()]
    }
}

/// All of them.
pub(crate) fn section(sources: &Sources) -> Result<Section, BenchError> {
    let mut section = Section::default();
    let mut targets = drain::targets(sources)?;
    targets.extend(others::targets(sources)?);
    section.add(&words(&["what", "target", "measured", "met"], &targets.iter().map(Target::row).collect::<Vec<_>>()));
    let subjects = ["drain", "ceilings", "growth-backlog", "scale", "latency", "produce", "idle", "build"];
    let links: Vec<String> = subjects.iter().filter_map(|subject| Some(sources.get(subject)?.link())).collect();
    section.add(&if links.is_empty() {
        "No file of results is there yet; the commands below make them.".to_owned()
    } else {
        format!("From {}.", links.join(", "))
    });
    if let Some(smaller) = drain::smaller(sources) {
        section.add(&smaller);
    }
    Ok(section)
}
