//! Looks again and again what trees of processes and the whole machine use, from a thread of its own.
//!
//! The CPU time of processes that have ended is kept: either their parent waited for them, and the kernel counts theirs to
//! its own, or they count as they were last seen. The larger of both sums is taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::BenchError;
use crate::proc::{self, Processors, Stat};

/// Between two looks of the thread.
const EVERY: Duration = Duration::from_millis(100);
/// Of a process with no more threads the time of each is read, which is exact, and not the clock ticks of all.
const FEW_THREADS: u64 = 32;
/// Every so many looks new children are searched for, and threads are counted.
const THOROUGH: u32 = 10;

/// What a tree of processes has used since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// The peak of the resident memory of all its processes together: as the kernel counts it where there is one, as it was seen
    /// where there are several.
    pub peak_resident_bytes: u64,
    /// Context switches because a thread had to wait.
    pub voluntary_switches: u64,
    /// Context switches because another thread's turn came.
    pub involuntary_switches: u64,
    /// Threads now.
    pub threads: u64,
    /// CPU time of the threads in which Java processes compile their own code.
    pub compiler_seconds: f64,
}

/// What was used up to one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When.
    pub at: Instant,
    /// Mean number of processes that ran or wanted to in the last minute.
    pub load: f64,
    trees: BTreeMap<&'static str, Usage>,
    processors: Processors,
}

/// What was used between two moments.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// How long it is.
    pub seconds: f64,
    /// CPU seconds of each tree, and those of its compilers.
    cpu: BTreeMap<&'static str, (f64, f64)>,
    /// Time of all processors that the host took, percent.
    pub steal_percent: f64,
    /// Time of all processors that nobody used, percent.
    pub idle_percent: f64,
    /// Cores that were used on average, by whomever.
    pub busy_cores: f64,
}

impl Snapshot {
    /// Of the tree of that name; nothing where there is none.
    #[must_use]
    pub fn usage(&self, name: &str) -> Usage {
        self.trees.get(name).copied().unwrap_or_default()
    }

    /// What was used since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Span {
        let cpu = |name: &str| {
            let (now, then) = (self.usage(name), earlier.usage(name));
            (now.cpu_seconds - then.cpu_seconds, now.compiler_seconds - then.compiler_seconds)
        };
        let (now, then) = (self.processors, earlier.processors);
        let total = now.total.saturating_sub(then.total).max(1) as f64;
        let percent = |now: u64, then: u64| 100.0 * now.saturating_sub(then) as f64 / total;
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        let unused = |processors: Processors| processors.idle + processors.stolen;
        let busy = total - unused(now).saturating_sub(unused(then)) as f64;
        Span {
            seconds,
            busy_cores: busy / proc::ticks_per_second() / seconds.max(f64::EPSILON),
            cpu: self.trees.keys().map(|name| (*name, cpu(name))).collect(),
            steal_percent: percent(now.stolen, then.stolen),
            idle_percent: percent(now.idle, then.idle),
        }
    }
}

impl Span {
    /// CPU seconds of the tree of that name.
    #[must_use]
    pub fn cpu_seconds(&self, name: &str) -> f64 {
        self.cpu.get(name).map_or(0.0, |(all, _)| *all)
    }

    /// CPU time of these trees in which they compiled their own code, percent. Between two looks at everything.
    pub(crate) fn compiling_percent(&self, names: &[&str]) -> f64 {
        let of = names.iter().filter_map(|name| self.cpu.get(name));
        let (all, compiling) = of.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        100.0 * compiling / f64::max(all, f64::EPSILON)
    }

    /// Cores that the tree of that name used on average.
    #[must_use]
    pub fn cores(&self, name: &str) -> f64 {
        self.cpu_seconds(name) / self.seconds.max(f64::EPSILON)
    }
}

/// See the module's page. Dropped, it looks no more.
pub struct Sampler {
    trees: Arc<Mutex<Trees>>,
    /// Closed by its end.
    _running: Sender<()>,
}

impl Sampler {
    /// Begins with the trees below the given processes; several processes may share a name and count as one tree.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn start(roots: &[(&'static str, u32)]) -> Result<Self, BenchError> {
        let mut trees = Trees::default();
        for (name, pid) in roots {
            trees.watch(name, *pid);
        }
        trees.look(true).map_err(BenchError::Proc)?;
        let trees = Arc::new(Mutex::new(trees));
        let (running, ended) = channel();
        let looking = Arc::clone(&trees);
        let look = move || {
            let mut looks = 0_u32;
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                looks = looks.wrapping_add(1);
                // What cannot be read now is read the next time.
                let _ = locked(&looking).look(looks.is_multiple_of(THOROUGH));
            }
        };
        std::thread::Builder::new().name("sampler".to_owned()).spawn(look).map_err(BenchError::Proc)?;
        Ok(Self { trees, _running: running })
    }

    /// Watches the tree below one more process, from now on.
    pub fn watch(&self, name: &'static str, pid: u32) {
        locked(&self.trees).watch(name, pid);
    }

    /// Looks now. Threads, what they do and new children are up to a second old.
    #[must_use]
    pub fn sample(&self) -> Snapshot {
        locked(&self.trees).snapshot(false)
    }

    /// Looks now, at everything: reads some hundred files.
    #[must_use]
    pub fn sample_everything(&self) -> Snapshot {
        locked(&self.trees).snapshot(true)
    }
}

fn locked(trees: &Mutex<Trees>) -> MutexGuard<'_, Trees> {
    // Figures are replaced one by one: a panic leaves at worst an older one.
    trees.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Trees {
    trees: BTreeMap<&'static str, Tree>,
    processors: Processors,
}

#[derive(Default)]
struct Tree {
    members: BTreeMap<u32, Member>,
    cpu_seconds: f64,
    peak_bytes: u64,
}

#[derive(Default)]
struct Member {
    /// As it was last seen; none before the first look.
    seen: Option<Stat>,
    /// User and system time of it.
    cpu_seconds: f64,
    /// Of the threads that compile. One of them may end, and what it has done stays done.
    compiler_seconds: f64,
    has_ended: bool,
    peak_bytes: u64,
    switches: HashMap<u32, (u64, u64)>,
}

impl Trees {
    fn watch(&mut self, name: &'static str, pid: u32) {
        self.trees.entry(name).or_default().members.entry(pid).or_default();
    }

    fn look(&mut self, thoroughly: bool) -> io::Result<()> {
        if thoroughly {
            let all = proc::processes()?;
            self.trees.values_mut().for_each(|tree| tree.adopt(&all));
        }
        let (page, ticks) = (proc::page_bytes(), proc::ticks_per_second());
        self.trees.values_mut().for_each(|tree| tree.look(page, ticks, thoroughly));
        self.processors = Processors::now()?;
        Ok(())
    }

    fn snapshot(&mut self, thoroughly: bool) -> Snapshot {
        // What cannot be read keeps its last figure.
        let _ = self.look(thoroughly);
        let trees = self.trees.iter().map(|(name, tree)| (*name, tree.usage())).collect();
        Snapshot { at: Instant::now(), load: proc::load().unwrap_or_default(), trees, processors: self.processors }
    }
}

impl Tree {
    /// Takes in the children of members.
    fn adopt(&mut self, all: &[(u32, Stat)]) {
        loop {
            let alive: BTreeSet<u32> =
                self.members.iter().filter(|(_, member)| !member.has_ended).map(|(pid, _)| *pid).collect();
            let new = all.iter().filter(|(pid, stat)| alive.contains(&stat.parent) && !alive.contains(pid));
            let new: Vec<u32> = new.map(|(pid, _)| *pid).filter(|pid| !self.members.contains_key(pid)).collect();
            if new.is_empty() {
                return;
            }
            self.members.extend(new.into_iter().map(|pid| (pid, Member::default())));
        }
    }

    fn look(&mut self, page: u64, ticks_per_second: f64, thoroughly: bool) {
        for (pid, member) in &mut self.members {
            if !member.has_ended {
                member.look(*pid, page, ticks_per_second, thoroughly);
            }
        }
        let all: f64 = self.members.values().map(|member| member.cpu_seconds).sum();
        let (mut living, mut resident) = (0.0, 0);
        for member in self.members.values().filter(|member| !member.has_ended) {
            let Some(stat) = member.seen else { continue };
            living += member.cpu_seconds + stat.children_ticks as f64 / ticks_per_second;
            resident += stat.resident_pages * page;
        }
        self.cpu_seconds = self.cpu_seconds.max(living).max(all);
        self.peak_bytes = self.peak_bytes.max(resident);
    }

    fn usage(&self) -> Usage {
        let living = || self.members.values().filter(|member| !member.has_ended).filter_map(|member| member.seen);
        let of_one = match self.members.len() {
            1 => self.members.values().map(|member| member.peak_bytes).max(),
            _ => None,
        };
        let switches = || self.members.values().flat_map(|member| member.switches.values());
        Usage {
            cpu_seconds: self.cpu_seconds,
            peak_resident_bytes: self.peak_bytes.max(of_one.unwrap_or_default()),
            voluntary_switches: switches().map(|(voluntary, _)| voluntary).sum(),
            involuntary_switches: switches().map(|(_, involuntary)| involuntary).sum(),
            threads: living().map(|stat| stat.threads).sum(),
            compiler_seconds: self.members.values().map(|member| member.compiler_seconds).sum(),
        }
    }
}

impl Member {
    fn look(&mut self, pid: u32, page: u64, ticks_per_second: f64, thoroughly: bool) {
        let now = Stat::of(pid);
        match (now, self.seen) {
            // Gone, or another process under its number.
            (None, _) => self.has_ended = true,
            (Some(now), Some(seen)) if now.started != seen.started => self.has_ended = true,
            (Some(now), _) => {
                self.seen = Some(now);
                let exact = if now.threads <= FEW_THREADS { proc::run_seconds(pid) } else { None };
                let counted = now.ticks as f64 / ticks_per_second;
                self.cpu_seconds = self.cpu_seconds.max(counted).max(exact.unwrap_or_default());
                self.peak_bytes = self.peak_bytes.max(now.resident_pages * page);
            }
        }
        if thoroughly && !self.has_ended {
            self.peak_bytes = self.peak_bytes.max(proc::peak_resident_bytes(pid).unwrap_or_default());
            self.compiler_seconds = self.compiler_seconds.max(proc::compiler_seconds(pid).unwrap_or_default());
            let threads = proc::switches(pid);
            self.switches
                .extend(threads.into_iter().map(|(thread, yielded, preempted)| (thread, (yielded, preempted))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn shell(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn read_line(child: &mut Child) {
        use io::BufRead as _;
        let mut line = String::new();
        io::BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    }

    #[test]
    fn the_time_of_children_that_have_ended_counts() {
        // The child of the shell burns time and is waited for; then the shell waits for its input.
        let mut child = shell("sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo done; read end");
        let sampler = Sampler::start(&[("shell", child.id())]).unwrap();
        let before = sampler.sample();
        read_line(&mut child);
        let now = sampler.sample_everything();
        let span = now.since(&before);
        assert!(span.cpu_seconds("shell") > 0.05, "{span:?}");
        assert!(span.cores("shell") <= 1.5, "{span:?}");
        assert!(now.usage("shell").peak_resident_bytes > 100_000, "{now:?}");
        assert!(now.usage("shell").voluntary_switches > 0, "{now:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            sampler.sample().usage("shell").cpu_seconds >= now.usage("shell").cpu_seconds,
            "what was used stays used"
        );
    }

    #[test]
    fn a_tree_has_all_of_its_living_processes() {
        let mut child = shell("sh -c 'echo up; read end; true' & sh -c 'read end; true'; wait");
        read_line(&mut child);
        let sampler = Sampler::start(&[("shell", child.id())]).unwrap();
        assert!(sampler.sample_everything().usage("shell").threads >= 2);
        assert_eq!(sampler.sample().usage("nobody"), Usage::default());
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
