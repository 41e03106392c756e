//! A child process that does not outlive us, however we end.
//!
//! On Linux the kernel itself ends the child when its parent dies (`PR_SET_PDEATHSIG`), a `SIGKILL` of the parent
//! included. That signal fires when the *thread* that spawned the child ends, not the process, so every child is
//! spawned by one thread that lives as long as the process. On other systems only an ordered end (`Drop`,
//! [`Process::end`]) frees the children.
//!
//! Every child leads a process group of its own, so that Ctrl-C in a terminal reaches us and not the children: the
//! order in which they end is ours to decide.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How long a child may take to vanish after `SIGKILL`, which only the kernel can delay.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// A running or ended child process. Dropping it kills the child.
#[derive(Debug)]
pub struct Process {
    pid: libc::pid_t,
    shared: Arc<Shared>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug)]
enum State {
    Running(Child),
    Ended(ExitStatus),
}

impl Process {
    /// Starts `command` so that it ends with us.
    ///
    /// # Errors
    /// What the operating system says when it cannot start the program.
    pub fn spawn(command: Command) -> io::Result<Self> {
        let mut child = spawn_on_lasting_thread(command)?;
        let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let shared = Arc::new(Shared { state: Mutex::new(State::Running(child)), ended: Condvar::new() });
        let process = Self { pid, shared: Arc::clone(&shared), stdout, stderr };
        std::thread::Builder::new().name(format!("wait-{pid}")).spawn(move || wait_for_end(pid, &shared))?;
        Ok(process)
    }

    /// The operating system's number of the child; free for others once the child has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// The child's standard output, once, if the command piped it.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// The child's standard error, once, if the command piped it.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.stderr.take()
    }

    /// How the child ended, or `None` while it runs.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        match *self.shared.lock() {
            State::Running(_) => None,
            State::Ended(status) => Some(status),
        }
    }

    /// Waits at most `limit` for the child to end.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        loop {
            if let State::Ended(status) = *state {
                return Some(status);
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            state = self.shared.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends `signal` (a `libc::SIG*` number). False when the child has ended already: its number may be another's by now.
    ///
    /// # Errors
    /// What the operating system says when it refuses.
    pub fn signal(&self, signal: i32) -> io::Result<bool> {
        let state = self.shared.lock();
        if matches!(*state, State::Ended(_)) {
            return Ok(false);
        }
        // SAFETY: kill has no memory effects; the child is not reaped while the lock is held, so the number is its own.
        if unsafe { libc::kill(self.pid, signal) } == 0 { Ok(true) } else { Err(io::Error::last_os_error()) }
    }

    /// Bounds the size of files that the child may write, in bytes; `None` takes the bound away (up to its hard limit). A
    /// write beyond it fails with `EFBIG`, or ends a child that does not expect `SIGXFSZ`. False when the child has ended.
    ///
    /// # Errors
    /// What the operating system says when it refuses.
    #[cfg(target_os = "linux")]
    pub fn limit_file_size(&self, bytes: Option<u64>) -> io::Result<bool> {
        let state = self.shared.lock();
        if matches!(*state, State::Ended(_)) {
            return Ok(false);
        }
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both structs live over the call; the child is not reaped while the lock is held, so the number is its own.
        let outcome = unsafe {
            if libc::prlimit(self.pid, libc::RLIMIT_FSIZE, std::ptr::null(), &raw mut limit) == 0 {
                limit.rlim_cur = bytes.map_or(limit.rlim_max, |bytes| bytes.min(limit.rlim_max));
                libc::prlimit(self.pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut())
            } else {
                -1
            }
        };
        if outcome == 0 { Ok(true) } else { Err(io::Error::last_os_error()) }
    }

    /// Asks the child to end (`SIGTERM`), and kills it when it has not after `grace`. True if it ended by itself.
    ///
    /// # Errors
    /// What the operating system says when it refuses a signal, or `TimedOut` when the child survives even that.
    pub fn end(&self, grace: Duration) -> io::Result<bool> {
        // A stopped process does not see SIGTERM before it is continued.
        self.signal(libc::SIGTERM)?;
        self.signal(libc::SIGCONT)?;
        if self.wait_for(grace).is_some() {
            return Ok(true);
        }
        self.kill()?;
        Ok(false)
    }

    /// Kills the child (`SIGKILL`) and waits until it is gone.
    ///
    /// # Errors
    /// What the operating system says when it refuses, or `TimedOut` when the child is stuck in the kernel.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)?;
        match self.wait_for(KILL_DEADLINE) {
            Some(_) => Ok(()),
            None => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }

    /// Resident memory in bytes; `None` once the child has ended, or where the system has no `/proc`. Exact, because the kernel
    /// looks at every page; what it says in `status` and `stat` may lag by some 32 pages for each processor (proc(5)).
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing sensible is left to do here when the system refuses.
        let _ = self.kill();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: it is replaced in one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blocks until the child ends, then takes its status under the lock, so that no signal can go to a reused number.
fn wait_for_end(pid: libc::pid_t, shared: &Shared) {
    loop {
        // SAFETY: an all-zero siginfo_t is a valid value; waitid writes into it and nothing keeps it.
        let outcome = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid.unsigned_abs(), &raw mut info, libc::WEXITED | libc::WNOWAIT)
        };
        if outcome == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    let mut state = shared.lock();
    if let State::Running(child) = &mut *state
        && let Ok(status) = child.wait()
    {
        *state = State::Ended(status);
    }
    shared.ended.notify_all();
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

fn spawn_on_lasting_thread(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        // The static keeps the sender for good, so the loop, and with it the thread, ends only with the process.
        let _detached = std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            for (command, answer) in inbox {
                let _ = answer.send(spawn_bound(command));
            }
        });
        orders
    });
    let (answer, child) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts child processes is gone");
    spawner.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

fn spawn_bound(mut command: Command) -> io::Result<Child> {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = libc::pid_t::try_from(std::process::id()).map_err(io::Error::other)?;
        // SAFETY: between fork and exec only async-signal-safe calls are made, and nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // The parent may have died before the line above took effect; then nobody would ever end this child.
                if libc::getppid() != parent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
    }
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn sleeper() -> Process {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null());
        Process::spawn(command).unwrap()
    }

    #[test]
    fn a_child_survives_the_thread_that_asked_for_it() {
        let process = std::thread::spawn(sleeper).join().unwrap();
        assert!(process.wait_for(Duration::from_millis(200)).is_none());
        process.kill().unwrap();
        assert!(process.exit_status().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_has_memory_until_it_ends() {
        let process = sleeper();
        assert!(process.resident_bytes().unwrap() > 0);
        process.kill().unwrap();
        assert_eq!(process.resident_bytes(), None);
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let process = sleeper();
        let entry = format!("/proc/{}", process.pid());
        assert!(std::fs::exists(&entry).unwrap());
        drop(process);
        assert!(!std::fs::exists(&entry).unwrap());
    }

    #[test]
    fn a_stopped_child_that_is_dropped_is_gone() {
        let process = sleeper();
        let entry = format!("/proc/{}", process.pid());
        assert!(process.signal(libc::SIGSTOP).unwrap());
        drop(process);
        assert!(!std::fs::exists(&entry).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_whose_files_are_bounded_cannot_write_until_the_bound_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.current_dir(dir.path()).stdout(Stdio::piped());
        // A shell that ignores the signal that comes with the error, as a Java does.
        command.args([
            "-c",
            "trap '' XFSZ; while :; do echo word 2>/dev/null >>file && echo yes || echo no; sleep 0.02; done",
        ]);
        let mut process = Process::spawn(command).unwrap();
        let mut answers = io::BufRead::lines(io::BufReader::new(process.take_stdout().unwrap()));
        let mut wait_for =
            |expected: &str| answers.find(|answer| answer.as_ref().unwrap() == expected).unwrap().unwrap();
        wait_for("yes");
        assert!(process.limit_file_size(Some(0)).unwrap());
        wait_for("no");
        assert!(process.limit_file_size(None).unwrap());
        wait_for("yes");
    }

    #[test]
    fn a_stopped_child_still_ends_in_order() {
        let process = sleeper();
        assert!(process.signal(libc::SIGSTOP).unwrap());
        assert!(process.end(Duration::from_secs(10)).unwrap());
    }

    #[test]
    fn a_child_deaf_to_sigterm_is_killed_after_the_grace() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]).stdout(Stdio::piped());
        let mut process = Process::spawn(command).unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(process.take_stdout().unwrap()), &mut line).unwrap();
        assert_eq!(line, "deaf\n");
        assert!(!process.end(Duration::from_millis(50)).unwrap());
        assert!(process.exit_status().is_some());
    }

    #[test]
    fn no_signal_goes_to_an_ended_child() {
        let process = Process::spawn(Command::new("true")).unwrap();
        assert!(process.wait_for(Duration::from_secs(10)).unwrap().success());
        assert!(!process.signal(libc::SIGKILL).unwrap());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert_eq!(Process::spawn(Command::new("/no/such/program")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
