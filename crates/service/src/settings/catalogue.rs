//! Every variable of every service: the single source of names, defaults and units.

pub use super::variables::VARIABLES;

/// A name that starts with one of these is meant for this project, or for an older pipeline of its family.
const PREFIXES: &[&str] =
    &["KAFKA_", "CASSANDRA_", "API_", "PRODUCER_", "PIPELINE_", "REPLAY_", "RETRY_", "LOG_", "SPARK_"];

/// The part of the settings a variable belongs to, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Read by every service.
    Service,
    /// The connection to Kafka and the topics.
    Kafka,
    /// The connection to Cassandra and the table.
    Cassandra,
    /// The RandomUser API.
    Api,
    /// When and how much the producer fetches.
    Producer,
    /// Waiting for a dependency.
    Retry,
    /// The stream processor.
    Pipeline,
    /// The replayer of dead letters.
    Replay,
    /// The stand-in for the RandomUser API.
    Sim,
}

impl Section {
    /// The heading of the section.
    pub fn title(self) -> &'static str {
        match self {
            Section::Service => "Every service",
            Section::Kafka => "Kafka",
            Section::Cassandra => "Cassandra",
            Section::Api => "The RandomUser API",
            Section::Producer => "producer",
            Section::Retry => "Waiting for a dependency",
            Section::Pipeline => "stream-processor",
            Section::Replay => "dlq-replayer",
            Section::Sim => "randomuser-sim",
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The name in the environment; in a file it is spelt in lower case.
    pub name: &'static str,
    /// The default as it would be written; empty where the variable is unset by default.
    pub default: &'static str,
    /// The unit of a number, or what is accepted.
    pub unit: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What else has to change with it; empty where it stands alone.
    pub coupled_to: &'static str,
    /// Never shown, and also read from the file that `<name>_FILE` names.
    pub secret: bool,
    /// Where it is listed.
    pub section: Section,
}

impl Variable {
    pub(super) const fn new(
        section: Section,
        name: &'static str,
        default: &'static str,
        unit: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, default, unit, about, coupled_to: "", secret: false, section }
    }

    pub(super) const fn coupled(mut self, to: &'static str) -> Self {
        self.coupled_to = to;
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// The variable of that name.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// The secret whose file `name` names, as `ADMIN_TOKEN_FILE` does for `ADMIN_TOKEN`.
pub(super) fn secret_of_file(name: &str) -> Option<&'static Variable> {
    variable(name.strip_suffix("_FILE")?).filter(|variable| variable.secret)
}

/// Whether a variable of that name is read by some service.
pub(super) fn is_known(name: &str) -> bool {
    variable(name).is_some() || secret_of_file(name).is_some()
}

/// Whether an unknown variable of that name deserves a warning.
pub(super) fn looks_like_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The known name that is spelt most alike; `None` for a Spark setting, which has no counterpart here.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    if name.starts_with("SPARK_") {
        return None;
    }
    VARIABLES.iter().map(|variable| variable.name).min_by_key(|known| edit_distance(name, known))
}

/// Levenshtein distance in bytes; the names are ASCII.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.bytes().zip(row.iter_mut().skip(1)) {
            let cost = (diagonal + usize::from(x != y)).min(*above + 1).min(left + 1);
            diagonal = std::mem::replace(above, cost);
            left = cost;
        }
    }
    // The first cell of the row is only right before the first letter.
    if b.is_empty() { a.len() } else { row.last().copied().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_variable_is_listed_twice_and_sections_are_in_order() {
        let names: HashSet<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        assert_eq!(names.len(), VARIABLES.len());
        assert!(VARIABLES.is_sorted_by_key(|variable| variable.section));
    }

    #[test]
    fn the_distance_counts_insertions_deletions_and_changes() {
        for (a, b, distance) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
        {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        assert_eq!(nearest("KAFKA_BOOTSTRAP_SERVER"), Some("KAFKA_BOOTSTRAP_SERVERS"));
        assert_eq!(nearest("CASSANDRA_HOST"), Some("CASSANDRA_HOSTS"));
        assert_eq!(nearest("API_BATCHSIZE"), Some("API_BATCH_SIZE"));
        assert_eq!(nearest("SPARK_MASTER"), None);
    }
}
