//! Which fault meets which connection; pure.

use crate::fault::{CqlError, Fault};

/// The faults that are set, and when each was.
#[derive(Debug)]
pub(crate) struct Rules {
    all: Rule,
    /// By prefix of the client's id, the latest first.
    named: Vec<(String, Rule)>,
    /// Changes so far. A connection notes how many there were when it came.
    changes: u64,
    /// The proxy is being dropped.
    pub(crate) over: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    fault: Fault,
    /// Number of the change that set it.
    since: u64,
}

/// What a connection does now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flow {
    Pass,
    Cut,
    Hold,
    Trickle { bytes_per_second: u32 },
    Deaf,
    Forge { error: CqlError, share: f64 },
}

impl Rules {
    pub(crate) fn new() -> Self {
        Self { all: Rule { fault: Fault::None, since: 0 }, named: Vec::new(), changes: 0, over: false }
    }

    pub(crate) fn set(&mut self, fault: Fault) {
        self.changes += 1;
        self.all = Rule { fault, since: self.changes };
    }

    pub(crate) fn set_for(&mut self, prefix: &str, fault: Fault) {
        self.changes += 1;
        self.named.retain(|(name, _)| name != prefix);
        if fault != Fault::None {
            self.named.insert(0, (prefix.to_owned(), Rule { fault, since: self.changes }));
        }
    }

    pub(crate) fn heal(&mut self) {
        self.named.clear();
        self.set(Fault::None);
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// What a connection does that came after `born` changes, of the client `name` as far as it is known. A rule for the
    /// client goes before the one for all.
    pub(crate) fn flow(&self, name: Option<&str>, born: u64) -> Flow {
        let of_client = self.named.iter().filter(|(prefix, _)| name.is_some_and(|name| name.starts_with(prefix)));
        of_client
            .map(|(_, rule)| rule)
            .chain([&self.all])
            .map(|rule| rule.flow(born))
            .find(|flow| *flow != Flow::Pass)
            .unwrap_or(Flow::Pass)
    }
}

impl Rule {
    fn flow(self, born: u64) -> Flow {
        match self.fault {
            Fault::None => Flow::Pass,
            Fault::Refuse => Flow::Cut,
            Fault::Reset if born < self.since => Flow::Cut,
            Fault::Reset => Flow::Pass,
            Fault::Stall => Flow::Hold,
            Fault::Slow { bytes_per_second } => Flow::Trickle { bytes_per_second: bytes_per_second.max(1) },
            Fault::HalfOpen => Flow::Deaf,
            Fault::Answer { error, share } => Flow::Forge { error, share },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_cuts_what_is_open_and_nothing_that_comes_later() {
        let mut rules = Rules::new();
        let early = rules.changes();
        rules.set(Fault::Reset);
        let late = rules.changes();
        assert_eq!((rules.flow(None, early), rules.flow(None, late)), (Flow::Cut, Flow::Pass));
        rules.set(Fault::Reset);
        assert_eq!(rules.flow(None, late), Flow::Cut);
    }

    #[test]
    fn a_rule_for_a_client_meets_only_clients_whose_id_begins_so() {
        let mut rules = Rules::new();
        rules.set_for("stream-processor-dlq", Fault::Stall);
        assert_eq!(rules.flow(Some("stream-processor-dlq"), 0), Flow::Hold);
        assert_eq!(rules.flow(Some("stream-processor-0"), 0), Flow::Pass);
        assert_eq!(rules.flow(None, 0), Flow::Pass);
    }

    #[test]
    fn a_rule_for_a_client_goes_before_the_one_for_all_and_both_heal_by_themselves() {
        let mut rules = Rules::new();
        rules.set(Fault::HalfOpen);
        rules.set_for("a", Fault::Stall);
        assert_eq!((rules.flow(Some("ab"), 0), rules.flow(Some("b"), 0)), (Flow::Hold, Flow::Deaf));
        rules.set(Fault::None);
        assert_eq!((rules.flow(Some("ab"), 0), rules.flow(Some("b"), 0)), (Flow::Hold, Flow::Pass));
        rules.set_for("a", Fault::None);
        assert_eq!(rules.flow(Some("ab"), 0), Flow::Pass);
    }

    #[test]
    fn healing_takes_every_rule_away() {
        let mut rules = Rules::new();
        rules.set(Fault::Stall);
        rules.set_for("a", Fault::HalfOpen);
        rules.heal();
        assert_eq!((rules.flow(Some("a"), 0), rules.flow(None, 0)), (Flow::Pass, Flow::Pass));
    }

    #[test]
    fn a_client_that_was_reset_is_under_the_rule_for_all_again() {
        let mut rules = Rules::new();
        rules.set(Fault::Stall);
        rules.set_for("a", Fault::Reset);
        assert_eq!((rules.flow(Some("a"), 0), rules.flow(Some("a"), rules.changes())), (Flow::Cut, Flow::Hold));
    }
}
