//! The checks on what services take while they run, and on how they end: pure functions of what was seen.

use std::collections::BTreeMap;

use crate::census::Check;
use crate::fault::Service;
use crate::sight::{Growth, Sight};

/// What a service may have in memory at most, MiB.
const MEMORY_MIB: u64 = 150;
/// What a service may grow by, MiB, as [`Sight::growth`] counts it.
const fn most_growth(service: Service) -> i64 {
    match service {
        // One that was idle and has its whole budget (32 MiB) under way and its prefetch (16 MiB) full at the end: twice their
        // sum, because a small record takes about its size once more in memory.
        Service::Processor => 96,
        // They hold a page, or a line for each dead letter.
        Service::Producer | Service::Replayer => 32,
    }
}

/// All of them.
pub(crate) fn checks(sight: &Sight, wrongs: Vec<String>) -> [Check; 4] {
    [
        memory(&sight.peaks()),
        growth(&sight.growth()),
        whereabouts(sight.unaccounted()),
        Check::of("every service ends when it is asked to, with status 0, and never by itself", String::new(), wrongs),
    ]
}

fn memory(peaks: &BTreeMap<Service, u64>) -> Check {
    let above = peaks.iter().filter(|(_, bytes)| **bytes >> 20 > MEMORY_MIB);
    let wrong = above.map(|(service, bytes)| format!("{}: {} MiB", service.program(), bytes >> 20));
    Check::of("no service takes more memory than its bound", format!("{MEMORY_MIB} MiB"), wrong.collect())
}

fn growth(growth: &BTreeMap<Service, Growth>) -> Check {
    let told = |(service, growth): (&Service, &Growth)| {
        format!("{} {} MiB in {} lives", service.program(), growth.bytes >> 20, growth.lives)
    };
    let wrong = growth.iter().filter(|(service, growth)| growth.bytes >> 20 > most_growth(**service)).map(told);
    let judged = if growth.is_empty() {
        "no life was long enough to tell".to_owned()
    } else {
        growth.iter().map(told).collect::<Vec<_>>().join(", ")
    };
    Check::of("no service grows", judged, wrong.collect())
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
        let with = |mib: i64| growth(&BTreeMap::from([(Service::Replayer, Growth { lives: 2, bytes: mib << 20 })]));
        let most = most_growth(Service::Replayer);
        assert!(with(-5).passed && with(most).passed);
        assert_eq!(with(7).detail, "dlq-replayer 7 MiB in 2 lives");
        assert!(!with(most + 1).passed);
    }

    #[test]
    fn a_record_without_a_whereabouts_and_a_service_that_misbehaved_are_found() {
        assert!(whereabouts(0).passed && !whereabouts(1).passed);
        let all = |wrongs| checks(&Sight::default(), wrongs).iter().all(|check| check.passed);
        assert!(all(Vec::new()));
        assert!(!all(vec!["producer ended by itself".to_owned()]));
    }
}
