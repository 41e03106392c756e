//! The checks on what services take while they run, and on how they end: pure functions of what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::census::Check;
use crate::fault::Service;
use crate::sight::Sight;

/// What a service may have in memory at most, MiB.
const MEMORY_MIB: u64 = 150;
/// What a service may grow by from the second quarter of its longest life to the last one, MiB: a processor that was idle and
/// then has its whole budget under way and its prefetch full grows by that much, once.
const GROWTH_MIB: i64 = 64;
/// Shorter lives say nothing about growth.
const LONG_LIFE: Duration = Duration::from_secs(300);

/// All of them.
pub(crate) fn checks(sight: &Sight, wrongs: Vec<String>) -> [Check; 4] {
    [
        memory(&sight.peaks()),
        growth(&sight.growth(LONG_LIFE)),
        whereabouts(sight.unaccounted()),
        Check::of("every service ends when it is asked to, with status 0, and never by itself", String::new(), wrongs),
    ]
}

fn memory(peaks: &BTreeMap<Service, u64>) -> Check {
    let above = peaks.iter().filter(|(_, bytes)| **bytes >> 20 > MEMORY_MIB);
    let wrong = above.map(|(service, bytes)| format!("{}: {} MiB", service.program(), bytes >> 20));
    Check::of("no service takes more memory than its bound", format!("{MEMORY_MIB} MiB"), wrong.collect())
}

fn growth(growth: &BTreeMap<Service, i64>) -> Check {
    let grew = growth.iter().filter(|(_, bytes)| **bytes >> 20 > GROWTH_MIB);
    let wrong = grew.map(|(service, bytes)| format!("{} grew by {} MiB", service.program(), bytes >> 20));
    Check::of("no service grows", format!("{} lives of 5 minutes and more", growth.len()), wrong.collect())
}

fn whereabouts(unaccounted: i64) -> Check {
    let wrong = (unaccounted != 0).then(|| format!("a processor showed {unaccounted}"));
    Check::of("no processor ever shows a record without a whereabouts", String::new(), wrong.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn memory_beyond_its_bound_is_found() {
        let with =
            |mib| memory(&BTreeMap::from([(Service::Producer, 20 * MIB), (Service::Processor, mib * MIB)])).passed;
        assert!(with(MEMORY_MIB));
        assert!(!with(MEMORY_MIB + 1));
    }

    #[test]
    fn growth_beyond_its_bound_is_found() {
        let with = |mib: i64| growth(&BTreeMap::from([(Service::Replayer, mib << 20)])).passed;
        assert!(with(-5) && with(GROWTH_MIB));
        assert!(!with(GROWTH_MIB + 1));
    }

    #[test]
    fn a_record_without_a_whereabouts_and_a_service_that_misbehaved_are_found() {
        assert!(whereabouts(0).passed && !whereabouts(1).passed);
        let all = |wrongs| checks(&Sight::default(), wrongs).iter().all(|check| check.passed);
        assert!(all(Vec::new()));
        assert!(!all(vec!["producer ended by itself".to_owned()]));
    }
}
