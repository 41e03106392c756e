//! One server: a Java process on fixed ports and data, which can be ended, paused and started again.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{self, StackError};
use crate::java::Java;
use crate::port;
use crate::process::Process;

/// How long a server may take to end in order before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Everything needed to start a server, the same each time.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) what: &'static str,
    pub(crate) java: Java,
    /// Arguments after the program's name.
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Its working directory: configuration and data.
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Where it listens for clients that come through a proxy.
    pub(crate) proxied: Option<SocketAddr>,
    /// Its further ports, that one included.
    pub(crate) internal_ports: Vec<u16>,
    /// Asks it a real request.
    pub(crate) answers: fn(SocketAddr) -> io::Result<bool>,
    pub(crate) ready_within: Duration,
}

/// A server of a stack. All operations wait for their end and may be called from any thread.
#[derive(Debug)]
pub struct Node {
    launch: Launch,
    process: Mutex<Option<Process>>,
}

/// How starting went wrong: losing a port to another process in the last moment is worth another try.
pub(crate) enum Misfire {
    LostPort,
    Failed(StackError),
}

impl From<StackError> for Misfire {
    fn from(error: StackError) -> Self {
        Self::Failed(error)
    }
}

impl Node {
    pub(crate) fn new(launch: Launch) -> Self {
        Self { launch, process: Mutex::new(None) }
    }

    /// Where the server answers its clients.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.launch.address
    }

    /// Where a proxy reaches the server, for clients that are to come through the proxy; `None` unless the options name the
    /// proxy's port (`StackOptions::kafka_proxied`). A node that tells clients no addresses is proxied at its own.
    #[must_use]
    pub fn proxied_upstream(&self) -> Option<SocketAddr> {
        self.launch.proxied
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Number of the server's process; `None` when it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().filter(|process| process.exit_status().is_none()).map(Process::pid)
    }

    /// Resident memory of the server in bytes; `None` when it does not run, or where the system has no `/proc`.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        self.lock().as_ref().and_then(Process::resident_bytes)
    }

    /// Starts the server again on the same ports and data, and waits until it answers. Nothing happens if it runs.
    ///
    /// # Errors
    /// [`StackError`]: a port was taken meanwhile, the server ended or does not answer in time.
    pub fn start(&self) -> Result<(), StackError> {
        match self.start_unless(&AtomicBool::new(false)) {
            Ok(()) => Ok(()),
            Err(Misfire::Failed(error)) => Err(error),
            Err(Misfire::LostPort) => Err(self.port_in_use(self.launch.address.port())),
        }
    }

    /// [`Node::start`] that gives up as soon as `abandoned` is set.
    pub(crate) fn start_unless(&self, abandoned: &AtomicBool) -> Result<(), Misfire> {
        let mut slot = self.lock();
        if slot.as_ref().is_some_and(|process| process.exit_status().is_none()) {
            return Ok(());
        }
        let launch = &self.launch;
        for taken in launch.internal_ports.iter().copied().chain([launch.address.port()]) {
            if !port::is_free(taken).map_err(self.process_error())? {
                return Err(self.port_in_use(taken).into());
            }
        }
        let log = File::options().create(true).append(true).open(&launch.log).map_err(StackError::file(&launch.log))?;
        let written_before = log.metadata().map_err(StackError::file(&launch.log))?.len();
        let mut command = java_command(&launch.java, &launch.dir, &log).map_err(StackError::file(&launch.log))?;
        command.args(&launch.arguments).envs(launch.environment.iter().copied());
        let process = Process::spawn(command).map_err(self.process_error())?;

        let deadline = Instant::now() + launch.ready_within;
        // An error is a server that does not listen yet or has hung up: asked again like one that is not ready.
        while !(launch.answers)(launch.address).unwrap_or(false) {
            if process.wait_for(Duration::from_millis(50)).is_some() {
                let words = read_from(&launch.log, written_before).map_err(StackError::file(&launch.log))?;
                if failure::lost_its_port(&words) {
                    return Err(Misfire::LostPort);
                }
                let why = failure::cause_of_death(&words);
                return Err(StackError::Died { what: launch.what, why, log: launch.log.clone() }.into());
            }
            if abandoned.load(Ordering::Relaxed) {
                return Err(StackError::Abandoned { what: launch.what }.into());
            }
            if Instant::now() >= deadline {
                let limit = launch.ready_within;
                return Err(StackError::Silent { what: launch.what, limit, log: launch.log.clone() }.into());
            }
        }
        // What answered could be a stranger who was quicker to take the port than our own process, which is ending.
        if process.exit_status().is_some() {
            return Err(Misfire::LostPort);
        }
        *slot = Some(process);
        Ok(())
    }

    /// Ends the server in order, as an operator would. It is killed if that takes longer than 30 s.
    ///
    /// # Errors
    /// [`StackError::Process`] when the system refuses.
    pub fn stop(&self) -> Result<(), StackError> {
        if let Some(process) = self.lock().take() {
            process.end(GRACE).map_err(self.process_error())?;
        }
        Ok(())
    }

    /// Kills the server (`SIGKILL`) and waits until it is gone: a crash.
    ///
    /// # Errors
    /// [`StackError::NotRunning`], or [`StackError::Process`] when the system refuses.
    pub fn kill(&self) -> Result<(), StackError> {
        let process = self.lock().take().ok_or(StackError::NotRunning { what: self.launch.what })?;
        process.kill().map_err(self.process_error())
    }

    /// Halts the server (`SIGSTOP`): its connections stay open and nothing answers.
    ///
    /// # Errors
    /// [`StackError::NotRunning`], or [`StackError::Process`] when the system refuses.
    pub fn pause(&self) -> Result<(), StackError> {
        self.signal(libc::SIGSTOP)
    }

    /// Lets a paused server go on (`SIGCONT`).
    ///
    /// # Errors
    /// [`StackError::NotRunning`], or [`StackError::Process`] when the system refuses.
    pub fn resume(&self) -> Result<(), StackError> {
        self.signal(libc::SIGCONT)
    }

    /// Makes every write to a file fail (`RLIMIT_FSIZE` of zero, prlimit(2)), as on a full disk, or lets them succeed again.
    /// That holds for the server's log too: what it writes meanwhile is lost. A server that is started again has room. Kafka
    /// ends at the first append that fails, because its only log directory has failed, as it does when the disk is full.
    ///
    /// # Errors
    /// [`StackError::NotRunning`], or [`StackError::Process`] when the system refuses.
    #[cfg(target_os = "linux")]
    pub fn fill_disk(&self, full: bool) -> Result<(), StackError> {
        let slot = self.lock();
        let process = slot.as_ref().ok_or(StackError::NotRunning { what: self.launch.what })?;
        let limited = process.limit_file_size(full.then_some(0)).map_err(self.process_error())?;
        if limited { Ok(()) } else { Err(StackError::NotRunning { what: self.launch.what }) }
    }

    fn signal(&self, signal: i32) -> Result<(), StackError> {
        let slot = self.lock();
        let sent = match slot.as_ref() {
            Some(process) => process.signal(signal).map_err(self.process_error())?,
            None => false,
        };
        if sent { Ok(()) } else { Err(StackError::NotRunning { what: self.launch.what }) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        // The slot is only ever replaced whole.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn port_in_use(&self, port: u16) -> StackError {
        StackError::PortInUse { what: self.launch.what, port, holder: port::holder(port) }
    }

    fn process_error(&self) -> impl FnOnce(io::Error) -> StackError + use<> {
        let what = self.launch.what;
        move |source| StackError::Process { what, source }
    }
}

/// `java` in `dir`, writing to `log`, free of options that the user's environment has for other programs.
pub(crate) fn java_command(java: &Java, dir: &Path, log: &File) -> io::Result<Command> {
    let mut command = Command::new(&java.program);
    command
        .current_dir(dir)
        .env_remove("JAVA_TOOL_OPTIONS")
        .env_remove("JDK_JAVA_OPTIONS")
        .env_remove("_JAVA_OPTIONS")
        .env_remove("CLASSPATH")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    Ok(command)
}

/// Makes `dir`, without what a killed server left in it.
pub(crate) fn empty_directory(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(dir)
}

/// The text of a log from byte `start` on.
pub(crate) fn read_from(log: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
