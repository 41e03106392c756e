//! What the kernel tells in `/proc` (proc(5)), read and parsed.

use std::io;
use std::path::Path;

/// A line of `/proc/<pid>/stat`, as far as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    /// User and system time of the process, clock ticks.
    pub(crate) ticks: u64,
    /// That of its children that have ended and were waited for, clock ticks.
    pub(crate) children_ticks: u64,
    pub(crate) threads: u64,
    /// When it was started, clock ticks since the machine was: tells it from a later process of its number.
    pub(crate) started: u64,
    /// Resident memory, pages: some 32 for each processor may not be counted yet.
    pub(crate) resident_pages: u64,
}

impl Stat {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Counted from the third field of proc(5), the state.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            ticks: number(14)? + number(15)?,
            children_ticks: number(16)? + number(17)?,
            threads: number(20)?,
            started: number(22)?,
            resident_pages: number(24)?,
        })
    }

    /// None once the process has ended.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

/// Every process there is, with its number.
pub(crate) fn processes() -> io::Result<Vec<(u32, Stat)>> {
    let pids = numbers(Path::new("/proc"))?;
    Ok(pids.filter_map(|pid| Some((pid, Stat::of(pid)?))).collect())
}

fn numbers(folder: &Path) -> io::Result<impl Iterator<Item = u32>> {
    Ok(std::fs::read_dir(folder)?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// The peak of the resident memory of one process, bytes; none once it has ended.
pub(crate) fn peak_resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    named(&status, "VmHWM:").map(|kib| kib * 1024)
}

/// How long the threads that a process has now were on a processor, seconds. A clock tick is not exact enough for a short run;
/// threads that have ended are not in it.
pub(crate) fn run_seconds(pid: u32) -> Option<f64> {
    seconds_of_threads(pid, |_| true)
}

/// The same of the threads in which a Java process compiles its own code.
pub(crate) fn compiler_seconds(pid: u32) -> Option<f64> {
    // The kernel keeps the first 15 characters of `C2 CompilerThread0`.
    let compiles = |name: String| name.contains("CompilerThre");
    seconds_of_threads(pid, |thread| std::fs::read_to_string(format!("{thread}/comm")).is_ok_and(compiles))
}

/// Of the threads for whose folder in `/proc` this holds.
fn seconds_of_threads(pid: u32, counts: impl Fn(&str) -> bool) -> Option<f64> {
    let folder = format!("/proc/{pid}/task");
    let threads = numbers(Path::new(&folder)).ok()?.map(|thread| format!("{folder}/{thread}"));
    let of = |thread: String| run_nanoseconds(&std::fs::read_to_string(format!("{thread}/schedstat")).ok()?);
    Some(threads.filter(|thread| counts(thread)).filter_map(of).sum::<u64>() as f64 / 1e9)
}

/// The first field of a thread's `schedstat`.
fn run_nanoseconds(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// Context switches of every thread of a process: thread, voluntary, involuntary.
pub(crate) fn switches(pid: u32) -> Vec<(u32, u64, u64)> {
    let folder = format!("/proc/{pid}/task");
    let Ok(threads) = numbers(Path::new(&folder)) else { return Vec::new() };
    let of = |thread: u32| {
        let status = std::fs::read_to_string(format!("{folder}/{thread}/status")).ok()?;
        Some((thread, named(&status, "voluntary_ctxt_switches:")?, named(&status, "nonvoluntary_ctxt_switches:")?))
    };
    threads.filter_map(of).collect()
}

fn named(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What all processors did since the machine was started, clock ticks of them all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Processors {
    pub(crate) total: u64,
    /// Nothing to do, or waiting for a disk.
    pub(crate) idle: u64,
    /// Taken by the host of this virtual machine.
    pub(crate) stolen: u64,
}

impl Processors {
    pub(crate) fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user time.
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|ticks| ticks.parse().ok()).collect();
        Some(Self { total: ticks.iter().sum(), idle: ticks.get(3)? + ticks.get(4)?, stolen: *ticks.get(7)? })
    }

    pub(crate) fn now() -> io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        Self::parse(&stat).ok_or_else(|| io::Error::other("/proc/stat has no line of all processors"))
    }
}

/// Mean number of processes that ran or wanted to in the last minute.
pub(crate) fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// How many clock ticks a second has.
pub(crate) fn ticks_per_second() -> f64 {
    // SAFETY: sysconf has no memory effects.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// How many bytes a page has.
pub(crate) fn page_bytes() -> u64 {
    // SAFETY: sysconf has no memory effects.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let line = "77 (a) b (c)) S 12 77 77 0 -1 4194304 100 0 0 0 250 50 30 20 20 0 9 0 12345 1000000 2048 18446744";
        let expected =
            Stat { parent: 12, ticks: 300, children_ticks: 50, threads: 9, started: 12_345, resident_pages: 2_048 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("77 (a) S 12"), None);
    }

    #[test]
    fn all_processors_are_read_with_what_the_host_took() {
        let stat = "cpu  10 1 20 60 5 0 3 1 7 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(Processors::parse(stat), Some(Processors { total: 100, idle: 65, stolen: 1 }));
        assert_eq!(Processors::parse("cpu0 1 2 3"), None);
    }

    #[test]
    fn this_process_is_there_with_its_threads() {
        let own = std::process::id();
        assert!(processes().unwrap().iter().any(|(pid, _)| *pid == own));
        assert!(peak_resident_bytes(own).unwrap() >= Stat::of(own).unwrap().resident_pages / 2 * page_bytes());
        assert_eq!(run_nanoseconds("1500 20 3\n"), Some(1_500));
        let ticks = Stat::of(own).unwrap().ticks as f64 / ticks_per_second();
        assert!(run_seconds(own).is_none_or(|seconds| seconds > 0.0 && seconds < ticks + 60.0));
        assert_eq!((compiler_seconds(own), compiler_seconds(0)), (Some(0.0), None), "no thread of this one compiles");
        assert!(switches(own).iter().any(|(thread, ..)| *thread == own));
        assert_eq!(
            named("voluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n", "nonvoluntary_ctxt_switches:"),
            Some(3)
        );
    }
}
