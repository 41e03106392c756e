//! What is seen of the services while they run: pure, `now` and every sample are arguments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::fault::Service;

/// What one processor shows of itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Records settled since its start.
    pub(crate) settled: u64,
    /// Records without a whereabouts.
    pub(crate) unaccounted: i64,
}

/// One life of a service: its member's name and its process.
pub(crate) type Life = (String, u32);

/// Resident memory over one life of a service: seconds since its first sample, bytes.
#[derive(Debug, Default, Clone)]
struct Memory {
    service: Option<Service>,
    began: Option<Instant>,
    samples: Vec<(f64, u64)>,
}

/// The line moves again after an outage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recovery {
    pub(crate) kind: String,
    pub(crate) took: Duration,
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    settled: BTreeMap<Life, u64>,
    unaccounted: i64,
    moved: Option<Instant>,
    idle: bool,
    longest_pause: Duration,
    healing: Vec<(String, Instant, u64)>,
    recoveries: Vec<Recovery>,
    memory: BTreeMap<Life, Memory>,
}

impl Sight {
    /// A processor was asked.
    pub(crate) fn shown(&mut self, life: Life, shown: Shown) {
        let settled = self.settled.entry(life).or_default();
        *settled = shown.settled.max(*settled);
        self.unaccounted = self.unaccounted.max(shown.unaccounted.abs());
    }

    /// Settled records over all lives of all processors, as far as they were seen.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.values().sum()
    }

    /// The most records without a whereabouts that any processor ever showed.
    pub(crate) fn unaccounted(&self) -> i64 {
        self.unaccounted
    }

    /// The load has stopped: from now on nothing to settle is no pause.
    pub(crate) fn load_stopped(&mut self) {
        self.idle = true;
    }

    /// A round of questions is over. `before` is what was settled at the round before.
    pub(crate) fn round(&mut self, now: Instant, before: u64) {
        let settled = self.settled();
        if settled > before {
            self.moved = Some(now);
        }
        let moved = *self.moved.get_or_insert(now);
        if !self.idle {
            self.longest_pause = self.longest_pause.max(now.saturating_duration_since(moved));
        }
        let recoveries = &mut self.recoveries;
        self.healing.retain(|(kind, since, at)| {
            let waits = settled <= *at;
            if !waits {
                recoveries.push(Recovery { kind: kind.clone(), took: now.saturating_duration_since(*since) });
            }
            waits
        });
    }

    /// An outage is over; from now on the line may move.
    pub(crate) fn healed(&mut self, now: Instant, kind: String) {
        let settled = self.settled();
        self.healing.push((kind, now, settled));
    }

    /// The longest time in which nothing was settled while the load went on.
    pub(crate) fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// Times from the end of an outage to the next settled record, in the order of their ends.
    pub(crate) fn recoveries(&self) -> &[Recovery] {
        &self.recoveries
    }

    /// Resident memory of a process.
    pub(crate) fn resident(&mut self, now: Instant, life: Life, service: Service, bytes: u64) {
        let memory = self.memory.entry(life).or_default();
        memory.service = Some(service);
        let began = *memory.began.get_or_insert(now);
        memory.samples.push((now.saturating_duration_since(began).as_secs_f64(), bytes));
    }

    /// The peak of resident memory of each kind of service, bytes.
    pub(crate) fn peaks(&self) -> BTreeMap<Service, u64> {
        let mut peaks = BTreeMap::new();
        for memory in self.memory.values() {
            let Some(service) = memory.service else { continue };
            let peak = peaks.entry(service).or_insert(0);
            *peak = memory.samples.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0).max(*peak);
        }
        peaks
    }

    /// How much the longest life of each kind of service grew from its second quarter to its last one, bytes, for lives of
    /// at least `least`.
    pub(crate) fn growth(&self, least: Duration) -> BTreeMap<Service, i64> {
        let mut longest: BTreeMap<Service, (f64, i64)> = BTreeMap::new();
        for memory in self.memory.values() {
            let (Some(service), Some((length, _))) = (memory.service, memory.samples.last()) else { continue };
            let of = longest.entry(service).or_default();
            if *length >= least.as_secs_f64() && *length > of.0 {
                *of = (*length, mean(memory, 0.75, 1.0) - mean(memory, 0.25, 0.5));
            }
        }
        longest
            .into_iter()
            .filter(|(_, (length, _))| *length > 0.0)
            .map(|(service, (_, grew))| (service, grew))
            .collect()
    }
}

/// The mean of the samples between two parts of a life.
fn mean(memory: &Memory, from: f64, to: f64) -> i64 {
    let length = memory.samples.last().map_or(0.0, |(at, _)| *at);
    let within = memory.samples.iter().filter(|(at, _)| (length * from..=length * to).contains(at));
    let (count, sum) = within.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes));
    i64::try_from(u64::checked_div(sum, count).unwrap_or(0)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(pid: u32) -> Life {
        ("stream-processor".to_owned(), pid)
    }

    fn shown(settled: u64) -> Shown {
        Shown { settled, unaccounted: 0 }
    }

    #[test]
    fn what_a_dead_process_had_settled_still_counts() {
        let mut sight = Sight::default();
        sight.shown(life(1), shown(10));
        sight.shown(life(1), shown(25));
        sight.shown(life(2), shown(3));
        assert_eq!(sight.settled(), 28);
    }

    #[test]
    fn a_pause_is_time_without_a_settled_record_while_the_load_goes_on() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut sight = Sight::default();
        sight.shown(life(1), shown(5));
        sight.round(at(0), 0);
        sight.round(at(3), 5);
        assert_eq!(sight.longest_pause(), Duration::from_secs(3));
        sight.shown(life(1), shown(6));
        sight.round(at(5), 5);
        sight.round(at(15), 6);
        assert_eq!(sight.longest_pause(), Duration::from_secs(10));
        sight.load_stopped();
        sight.round(at(40), 6);
        assert_eq!(sight.longest_pause(), Duration::from_secs(10));
    }

    #[test]
    fn recovery_is_the_time_from_the_end_of_an_outage_to_the_next_settled_record() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut sight = Sight::default();
        sight.shown(life(1), shown(5));
        sight.healed(at(1), "restart kafka".to_owned());
        sight.round(at(2), 5);
        assert_eq!(sight.recoveries(), []);
        sight.shown(life(2), shown(1));
        sight.round(at(5), 5);
        assert_eq!(sight.recoveries(), [Recovery { kind: "restart kafka".to_owned(), took: Duration::from_secs(4) }]);
    }

    #[test]
    fn memory_that_grows_over_a_long_life_is_seen_and_a_short_life_says_nothing() {
        let begun = Instant::now();
        let mut sight = Sight::default();
        for second in 0..=200 {
            let now = begun + Duration::from_secs(second);
            sight.resident(now, life(1), Service::Processor, 1_000 + second * 10);
            sight.resident(now, ("producer".to_owned(), 2), Service::Producer, 500);
            if second < 20 {
                sight.resident(now, ("dlq-replayer".to_owned(), 3), Service::Replayer, second * 1_000);
            }
        }
        let growth = sight.growth(Duration::from_secs(60));
        assert_eq!(growth[&Service::Producer], 0);
        assert!((900..1_100).contains(&growth[&Service::Processor]), "{growth:?}");
        assert_eq!(growth.get(&Service::Replayer), None);
        assert_eq!(sight.peaks()[&Service::Processor], 3_000);
        assert_eq!(sight.peaks()[&Service::Replayer], 19_000);
    }

    #[test]
    fn a_record_without_a_whereabouts_is_remembered() {
        let mut sight = Sight::default();
        sight.shown(life(1), Shown { unaccounted: -2, ..Shown::default() });
        sight.shown(life(1), shown(1));
        assert_eq!(sight.unaccounted(), 2);
    }
}
