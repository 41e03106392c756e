//! A service as a child process that is ended and started again; all of its lives write to one log.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use local_stack::Process;

use crate::failure::TortureError;
use crate::fault::Service;

/// How a service is started, the same each time.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// Its name in the report and of its log.
    pub(crate) name: String,
    pub(crate) service: Service,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<&'static str, String>,
    pub(crate) log: PathBuf,
    /// Of its admin HTTP on 127.0.0.1; none for a command.
    pub(crate) port: Option<u16>,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Member {
    launch: Launch,
    process: Mutex<Option<Arc<Process>>>,
}

impl Launch {
    /// Starts it.
    pub(crate) fn spawn(&self) -> Result<Process, TortureError> {
        let log = File::options().create(true).append(true).open(&self.log).map_err(TortureError::file(&self.log))?;
        let failed = TortureError::process(&self.name);
        let spawn = || {
            let mut command = Command::new(&self.program);
            command
                .args(&self.arguments)
                .env_clear()
                .envs(&self.environment)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log);
            Process::spawn(command)
        };
        spawn().map_err(failed)
    }
}

impl Member {
    pub(crate) fn new(launch: Launch) -> Self {
        Self { launch, process: Mutex::new(None) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.launch.name
    }

    pub(crate) fn service(&self) -> Service {
        self.launch.service
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.launch.port
    }

    /// Starts it. Nothing happens when it is started already.
    pub(crate) fn start(&self) -> Result<(), TortureError> {
        let mut process = self.lock();
        if process.is_none() {
            *process = Some(Arc::new(self.launch.spawn()?));
        }
        Ok(())
    }

    /// The process; none before the start and after an end that was asked for.
    pub(crate) fn process(&self) -> Option<Arc<Process>> {
        self.lock().clone()
    }

    /// How it ended although nobody asked it to; the member is free to be started again then.
    pub(crate) fn ended_by_itself(&self) -> Option<ExitStatus> {
        let mut process = self.lock();
        let status = process.as_ref()?.exit_status()?;
        *process = None;
        Some(status)
    }

    /// `SIGKILL`, and its end.
    pub(crate) async fn kill(&self) -> Result<(), TortureError> {
        let Some(process) = self.lock().take() else { return Ok(()) };
        tokio::task::spawn_blocking(move || process.kill()).await?.map_err(TortureError::process(self.name()))
    }

    /// `SIGTERM`, and how it ended; none when it did not within `limit` and was killed, or did not run.
    pub(crate) async fn terminate(&self, limit: Duration) -> Result<Option<ExitStatus>, TortureError> {
        let Some(process) = self.lock().take() else { return Ok(None) };
        let ending = tokio::task::spawn_blocking(move || {
            process.end(limit).map(|in_time| process.exit_status().filter(|_| in_time))
        });
        ending.await?.map_err(TortureError::process(self.name()))
    }

    /// Sends `SIGSTOP` or `SIGCONT`.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), TortureError> {
        if let Some(process) = self.process() {
            process.signal(signal).map_err(TortureError::process(self.name()))?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Process>>> {
        // The slot is only ever replaced whole.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
