//! A service that runs inside the test: the same function as its process, on a thread of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use service::Exit;
use service::health::Snapshot;
use service::process::Context;
use service::settings::Reader;
use service::shutdown::Shutdown;
use service::telemetry::TelemetrySettings;

use crate::stack::data_folder;

/// See the module's page. Dropped without [`Running::stop`], it is asked to end and not waited for.
pub struct Running {
    /// Its shutdown, health and metrics.
    pub context: Context,
    thread: Option<JoinHandle<Result<Exit, String>>>,
}

impl Running {
    /// Starts `serve` on a runtime of its own.
    pub fn start<F>(serve: impl FnOnce(Context) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Exit, String>>,
    {
        let context = Context::new(Shutdown::new(Duration::from_secs(25)));
        let own = context.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(own))
        });
        Self { context, thread: Some(thread) }
    }

    /// What keeps it from working now.
    pub fn health(&self) -> Snapshot {
        self.context.health.snapshot()
    }

    /// True when it has ended, asked or not.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// The value of one series of `/metrics`, written as there; 0 where it does not exist.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.context.metrics.render().expect("metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Asks it to end and waits for it.
    pub async fn stop(self) -> Exit {
        self.context.shutdown.request();
        self.end().await
    }

    /// Waits until it ends by itself.
    pub async fn end(mut self) -> Exit {
        let thread = self.thread.take().expect("a thread that was not joined");
        let outcome = tokio::task::spawn_blocking(move || thread.join()).await.expect("the wait for the service");
        outcome.expect("the service does not panic").expect("the service does not fail")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.context.shutdown.request();
    }
}

/// What services inside this process log, all of them in one file.
pub(crate) fn services_log() -> &'static Path {
    static LOG: OnceLock<PathBuf> = OnceLock::new();
    LOG.get_or_init(|| {
        let path = data_folder("services").join("services.log");
        let mut reader = Reader::from_pairs([("LOG_LEVEL", "info")]);
        let telemetry = TelemetrySettings::read(&mut reader);
        reader.finish().expect("defaults");
        let log = Mutex::new(File::create(&path).expect("a log"));
        tracing::subscriber::set_global_default(telemetry.subscriber("test", log)).expect("the only subscriber");
        path
    })
}
