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

/// Shorter lives say nothing about growth, seconds.
const LONG_LIFE: f64 = 60.0;
/// The age at which a service has started and works, from and to, seconds.
const WARM: (f64, f64) = (20.0, 40.0);
/// The end of a life, seconds.
const LAST: f64 = 20.0;

/// See [`Sight::growth`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    /// How many lives were long enough to tell.
    pub(crate) lives: usize,
    pub(crate) bytes: i64,
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

    /// What each kind of service had at the end of its largest life beyond what it had when the leanest of its lives was warm.
    ///
    /// Of lives of at least [`LONG_LIFE`], with m(from, to) the mean of the samples between two ages of a life that ended at
    /// the age e: max over the lives of m(e - [`LAST`], e), less min over the lives of m([`WARM`]). So it tells of growth in
    /// the course of a life, and of growth from life to life, with what the topics hold, at one age.
    pub(crate) fn growth(&self) -> BTreeMap<Service, Growth> {
        let mut found: BTreeMap<Service, (usize, i64, i64)> = BTreeMap::new();
        for memory in self.memory.values() {
            let (Some(service), Some((end, _))) = (memory.service, memory.samples.last()) else { continue };
            if *end < LONG_LIFE {
                continue;
            }
            let (warm, last) = (memory.mean(WARM.0, WARM.1), memory.mean(*end - LAST, *end));
            let (Some(warm), Some(last)) = (warm, last) else { continue };
            let (lives, leanest, largest) = found.entry(service).or_insert((0, warm, last));
            *lives += 1;
            *leanest = warm.min(*leanest);
            *largest = last.max(*largest);
        }
        let growth = |(lives, leanest, largest)| Growth { lives, bytes: largest - leanest };
        found.into_iter().map(|(service, found)| (service, growth(found))).collect()
    }
}

impl Memory {
    /// The mean of the samples between two ages; none where it was not looked at then.
    fn mean(&self, from: f64, to: f64) -> Option<i64> {
        let within = self.samples.iter().filter(|(at, _)| (from..=to).contains(at));
        let (count, sum) = within.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes));
        i64::try_from(u64::checked_div(sum, count)?).ok()
    }
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

    /// A life of so many seconds whose memory is `bytes` of its age.
    fn lived(sight: &mut Sight, service: Service, pid: u32, seconds: u64, bytes: impl Fn(u64) -> u64) {
        let begun = Instant::now();
        for age in 0..=seconds {
            let now = begun + Duration::from_secs(age);
            sight.resident(now, (service.program().to_owned(), pid), service, bytes(age));
        }
    }

    #[test]
    fn memory_that_grows_in_a_life_or_from_life_to_life_is_seen_and_a_short_life_says_nothing() {
        let mut sight = Sight::default();
        lived(&mut sight, Service::Processor, 1, 200, |age| 1_000 + age * 10);
        lived(&mut sight, Service::Producer, 2, 70, |_| 500);
        lived(&mut sight, Service::Producer, 3, 70, |_| 800);
        lived(&mut sight, Service::Producer, 4, 50, |_| 9_000);
        lived(&mut sight, Service::Replayer, 5, 50, |age| age * 1_000);
        let growth = sight.growth();
        assert_eq!(growth[&Service::Processor], Growth { lives: 1, bytes: 1_900 - 300 });
        assert_eq!(growth[&Service::Producer], Growth { lives: 2, bytes: 300 });
        assert_eq!(growth.get(&Service::Replayer), None);
    }

    #[test]
    fn what_a_service_has_before_it_is_warm_is_no_growth_and_its_peak_counts() {
        let mut sight = Sight::default();
        lived(&mut sight, Service::Replayer, 1, 100, |age| if age < 20 { age } else { 700 });
        lived(&mut sight, Service::Replayer, 2, 10, |_| 900);
        assert_eq!(sight.growth()[&Service::Replayer], Growth { lives: 1, bytes: 0 });
        assert_eq!(sight.peaks(), BTreeMap::from([(Service::Replayer, 900)]));
    }

    #[test]
    fn a_record_without_a_whereabouts_is_remembered() {
        let mut sight = Sight::default();
        sight.shown(life(1), Shown { unaccounted: -2, ..Shown::default() });
        sight.shown(life(1), shown(1));
        assert_eq!(sight.unaccounted(), 2);
    }
}
