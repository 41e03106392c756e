//! When which fault is done: a pure function of seed and duration.
//!
//! Faults come in bursts of up to three that overlap, with quiet seconds between the bursts so that progress is made. The
//! kinds are dealt from a shuffled deck, so that a run sees all of them before it sees one too often.

use std::time::Duration;

use crate::dice::Dice;
use crate::fault::{End, Excuse, Fault, Server, Service, Trouble};

/// Before the first fault, and after the last one.
const MARGIN: Duration = Duration::from_secs(4);
/// What starting a server again takes, about: the quiet begins after that.
const RESTART: Duration = Duration::from_secs(8);

/// One fault and when it begins, counted from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// Faults that overlap; the next burst begins some quiet seconds after the end of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Burst {
    /// In the order of their beginnings.
    pub(crate) faults: Vec<Planned>,
    /// When all of it is undone.
    pub(crate) end: Duration,
}

/// Kinds of faults before their numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Card {
    End(Service, End),
    Freeze,
    Extra(End),
    Halt(Server),
    Down(Server, End),
    Path(Server, Trouble),
    DlqPath(Trouble),
    Excuses(Excuse),
    Api,
    Replay { killed: bool },
}

/// Every kind, the processor's death twice: it is what most promises are about.
const DECK: [Card; 33] = [
    Card::End(Service::Processor, End::Kill),
    Card::End(Service::Processor, End::Kill),
    Card::End(Service::Processor, End::Terminate),
    Card::End(Service::Producer, End::Kill),
    Card::End(Service::Producer, End::Terminate),
    Card::End(Service::Replayer, End::Kill),
    Card::End(Service::Replayer, End::Terminate),
    Card::Freeze,
    Card::Extra(End::Kill),
    Card::Extra(End::Terminate),
    Card::Halt(Server::Kafka),
    Card::Halt(Server::Cassandra),
    Card::Down(Server::Kafka, End::Kill),
    Card::Down(Server::Kafka, End::Terminate),
    Card::Down(Server::Cassandra, End::Kill),
    Card::Down(Server::Cassandra, End::Terminate),
    Card::Path(Server::Kafka, Trouble::Reset),
    Card::Path(Server::Kafka, Trouble::Stall),
    Card::Path(Server::Kafka, Trouble::Slow),
    Card::Path(Server::Kafka, Trouble::HalfOpen),
    Card::Path(Server::Cassandra, Trouble::Reset),
    Card::Path(Server::Cassandra, Trouble::Stall),
    Card::Path(Server::Cassandra, Trouble::Slow),
    Card::Path(Server::Cassandra, Trouble::HalfOpen),
    Card::DlqPath(Trouble::Reset),
    Card::DlqPath(Trouble::Stall),
    Card::Excuses(Excuse::Overloaded),
    Card::Excuses(Excuse::Unavailable),
    Card::Excuses(Excuse::TimeoutApplied),
    Card::Excuses(Excuse::TimeoutNotApplied),
    Card::Api,
    Card::Replay { killed: false },
    Card::Replay { killed: true },
];

fn seconds(dice: &mut Dice, shortest: u64, longest: u64) -> Duration {
    dice.between(Duration::from_secs(shortest), Duration::from_secs(longest))
}

impl Card {
    fn fault(self, dice: &mut Dice) -> Fault {
        match self {
            Self::End(service, how) => Fault::End { service, how, away: seconds(dice, 0, 3) },
            // The session is 6 s: see `ground`.
            Self::Freeze => Fault::Freeze { lasts: seconds(dice, 8, 12) },
            Self::Extra(how) => {
                let count = dice.pick(&[1, 2]).unwrap_or(1);
                Fault::Extra { count, lasts: seconds(dice, 5, 15), how }
            }
            Self::Halt(server) => Fault::Halt { server, lasts: seconds(dice, 1, 15) },
            Self::Down(server, how) => Fault::Down { server, how, away: seconds(dice, 0, 3) },
            Self::Path(server, trouble) => Fault::Path { server, trouble, lasts: seconds(dice, 1, 10) },
            Self::DlqPath(trouble) => Fault::DlqPath { trouble, lasts: seconds(dice, 2, 10) },
            Self::Excuses(excuse) => {
                let percent = dice.pick(&[10, 50, 100]).unwrap_or(50);
                Fault::Excuses { excuse, percent, lasts: seconds(dice, 1, 10) }
            }
            Self::Api => Fault::Api { answers: 1 + u32::try_from(dice.below(6)).unwrap_or(0) },
            Self::Replay { killed } => Fault::Replay {
                limit: 20 + u32::try_from(dice.below(200)).unwrap_or(0),
                killed_after: killed.then(|| dice.between(Duration::from_millis(200), Duration::from_secs(3))),
            },
        }
    }
}

/// The faults of a run.
pub(crate) fn schedule(seed: u64, duration: Duration) -> Vec<Burst> {
    let mut dice = Dice::of(seed, u64::MAX);
    let mut deck = Vec::new();
    let mut bursts = Vec::new();
    let last = duration.saturating_sub(MARGIN);
    let mut at = MARGIN;
    loop {
        let mut burst: Vec<Planned> = Vec::new();
        let size = [1, 1, 2, 2, 2, 3];
        let size = dice.pick(&size).unwrap_or(1);
        while burst.len() < size {
            let fault = draw(&mut deck, &mut dice, &burst).fault(&mut dice);
            let begins = at + if burst.is_empty() { Duration::ZERO } else { seconds(&mut dice, 0, 4) };
            burst.push(Planned { at: begins, fault });
        }
        let end = burst.iter().map(|planned| planned.at + taken(planned.fault)).max().unwrap_or(at);
        if end > last {
            return bursts;
        }
        burst.sort_by_key(|planned| planned.at);
        bursts.push(Burst { faults: burst, end });
        at = end + seconds(&mut dice, 2, 6);
    }
}

/// How long a fault takes, about.
fn taken(fault: Fault) -> Duration {
    let restart = if matches!(fault, Fault::Down { .. }) { RESTART } else { Duration::ZERO };
    fault.lasts() + restart
}

/// Takes the next card whose target the burst leaves alone. A deck without such a card gets another one below it.
fn draw(deck: &mut Vec<Card>, dice: &mut Dice, burst: &[Planned]) -> Card {
    loop {
        let free = |card: &Card| {
            let target = card.fault(&mut dice.clone()).target();
            burst.iter().all(|planned| planned.fault.target() != target)
        };
        if let Some(place) = deck.iter().rposition(free) {
            return deck.remove(place);
        }
        let mut another = DECK.to_vec();
        dice.shuffle(&mut another);
        another.append(deck);
        *deck = another;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn faults(seed: u64) -> Vec<Planned> {
        schedule(seed, TEN_MINUTES).into_iter().flat_map(|burst| burst.faults).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        assert_eq!(schedule(7, TEN_MINUTES), schedule(7, TEN_MINUTES));
        assert_ne!(schedule(7, TEN_MINUTES), schedule(8, TEN_MINUTES));
    }

    #[test]
    fn ten_minutes_see_every_kind_whatever_the_seed() {
        let all: BTreeSet<String> = DECK.iter().map(|card| card.fault(&mut Dice::new(1)).kind()).collect();
        for seed in 0..50 {
            let planned = faults(seed);
            let kinds: BTreeSet<String> = planned.iter().map(|planned| planned.fault.kind()).collect();
            assert_eq!(kinds, all, "seed {seed}");
        }
    }

    #[test]
    fn everything_is_healed_before_the_end_and_quiet_seconds_lie_between_the_bursts() {
        for seed in 0..50 {
            let planned = faults(seed);
            let mut busy = vec![false; 600];
            for Planned { at, fault } in &planned {
                assert!(*at >= MARGIN && *at + taken(*fault) + MARGIN <= TEN_MINUTES, "seed {seed}: {fault} at {at:?}");
                for second in at.as_secs()..=(*at + taken(*fault)).as_secs() {
                    busy[second as usize] = true;
                }
            }
            let quiet = busy.iter().filter(|busy| !**busy).count();
            assert!((100..400).contains(&quiet), "seed {seed}: {quiet} quiet seconds of 600");
        }
    }

    #[test]
    fn bursts_follow_each_other_and_the_faults_of_one_have_targets_of_their_own() {
        for seed in 0..50 {
            let bursts = schedule(seed, TEN_MINUTES);
            for pair in bursts.windows(2) {
                assert!(pair[0].end + Duration::from_secs(2) <= pair[1].faults[0].at, "seed {seed}");
            }
            for Burst { faults, end } in &bursts {
                let targets: BTreeSet<_> = faults.iter().map(|planned| planned.fault.target()).collect();
                assert_eq!(targets.len(), faults.len(), "seed {seed}: {faults:?}");
                assert!(faults.iter().all(|planned| planned.at + planned.fault.lasts() <= *end));
            }
        }
    }

    #[test]
    fn a_run_too_short_for_any_fault_has_none() {
        assert_eq!(schedule(1, Duration::from_secs(5)), []);
    }
}
