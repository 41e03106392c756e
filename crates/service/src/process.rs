//! From `main` to the exit status: command line, settings, telemetry, signals, admin HTTP, the service, the end.

mod arguments;
mod checks;
mod signals;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Arguments;
pub use arguments::NoArguments;
pub use checks::Checks;

use crate::admin::{Admin, AdminSettings, Routes};
use crate::exit::Exit;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::settings::{Effective, Reader, Warning};
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;
use crate::telemetry::{self, TelemetrySettings};
use crate::version::{REVISION, VERSION};

/// What a binary is; [`main`] turns it into a process.
pub trait Service {
    /// The binary's name, also the name in its logs.
    const NAME: &'static str;
    /// One line for `--help`.
    const ABOUT: &'static str;
    /// The default of `ADMIN_ADDR`.
    const ADMIN_ADDR: &'static str;
    /// What it takes on the command line beside the arguments that all have; [`NoArguments`] for nothing.
    type Arguments: clap::Args;
    /// Everything it reads from the environment.
    type Settings;
    /// How [`Service::run`] fails.
    type Error: std::error::Error;

    /// Reads the settings; problems are collected in `reader`.
    fn settings(reader: &mut Reader) -> Self::Settings;

    /// Whether these arguments ask for a daemon, or for a command that ends by itself.
    fn role(_arguments: &Self::Arguments) -> Role {
        Role::Daemon
    }

    /// Tries every dependency and changes nothing.
    fn check(settings: Self::Settings, checks: &mut Checks) -> impl Future<Output = ()>;

    /// Does the work, until it is done or `context.shutdown` is requested and the work under way is drained.
    fn run(
        settings: Self::Settings,
        arguments: Self::Arguments,
        context: Context,
    ) -> impl Future<Output = Result<Exit, Self::Error>>;
}

/// How a process is to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs until it is told to end: admin HTTP, logs to standard output.
    Daemon,
    /// Answers and ends: no admin HTTP, logs to standard error, standard output is the answer.
    Command,
}

/// What the skeleton hands to a service. Clones share everything.
#[derive(Debug, Clone)]
pub struct Context {
    /// The wish to end.
    pub shutdown: Shutdown,
    /// Behind `/livez` and `/readyz`.
    pub health: Health,
    /// Behind `/metrics`.
    pub metrics: Metrics,
    /// Long-lived tasks under supervision.
    pub tasks: Tasks,
    /// What the service adds to the admin HTTP.
    pub routes: Routes,
}

impl Context {
    /// A context of its own, as a test needs one.
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            health: Health::new(),
            metrics: Metrics::new(),
            tasks: Tasks::new(shutdown.clone()),
            routes: Routes::default(),
            shutdown,
        }
    }
}

/// The variables that every process reads.
struct ProcessSettings {
    environment: String,
    drain: Duration,
    telemetry: TelemetrySettings,
    admin: AdminSettings,
}

impl ProcessSettings {
    fn read(reader: &mut Reader) -> Self {
        reader.optional("SLUICE_CONFIG");
        let environments = ["development", "staging", "production"];
        let environment = reader.parse("ENVIRONMENT", environments.join(", "), |text| {
            environments.into_iter().find(|known| text.eq_ignore_ascii_case(known))
        });
        Self {
            environment: environment.unwrap_or_default().to_owned(),
            drain: reader.seconds("SHUTDOWN_TIMEOUT_SECONDS", 0.0..=3600.0),
            telemetry: TelemetrySettings::read(reader),
            admin: AdminSettings::read(reader),
        }
    }
}

/// The whole life of the process of `S`.
pub fn main<S: Service>() -> ExitCode {
    match arguments::parse(S::NAME, S::ABOUT, std::env::args_os()) {
        Ok(arguments) => start::<S>(arguments).into(),
        Err(error) => {
            // Whoever asked for it has gone away: there is no one to tell.
            let _ = error.print();
            arguments::exit_of(&error).into()
        }
    }
}

#[expect(clippy::print_stderr, reason = "problems of the settings belong on standard error")]
fn start<S: Service>(arguments: Arguments<S::Arguments>) -> Exit {
    let mut reader = Reader::from_process();
    reader.default_to("ADMIN_ADDR", S::ADMIN_ADDR);
    let process = ProcessSettings::read(&mut reader);
    let settings = S::settings(&mut reader);
    let effective = match reader.finish() {
        Ok(effective) => effective,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    if arguments.print_config {
        // Whoever reads it may have seen enough and be gone, as `head` is: that is no failure of ours.
        let _ = write!(std::io::stdout(), "{effective}");
        return Exit::Done;
    }

    let role = if arguments.check { Role::Command } else { S::role(&arguments.own) };
    let installed = match role {
        Role::Daemon => tracing::subscriber::set_global_default(process.telemetry.subscriber(S::NAME, std::io::stdout)),
        Role::Command => {
            tracing::subscriber::set_global_default(process.telemetry.subscriber(S::NAME, std::io::stderr))
        }
    };
    if let Err(error) = installed {
        eprintln!("{error}");
        return Exit::Failed;
    }
    telemetry::log_panics();
    warn_of(&effective);

    let context = Context::new(Shutdown::new(process.drain));
    let runtime = signals::watch(context.shutdown.clone())
        .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            return Exit::Failed;
        }
    };
    // A panic has been logged by the hook.
    let exit = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            if arguments.check {
                let mut checks = Checks::new(std::io::stdout());
                S::check(settings, &mut checks).await;
                return checks.exit();
            }
            if role == Role::Command {
                return supervised::<S>(settings, arguments.own, context).await;
            }
            tracing::info!(version = VERSION, revision = REVISION, environment = process.environment, "starting");
            let exit = match serve_admin::<S>(&process.admin, &context).await {
                Ok(()) => supervised::<S>(settings, arguments.own, context).await,
                Err(exit) => exit,
            };
            tracing::info!(status = exit.status(), "ended");
            exit
        })
    }));
    // A blocking call that never returns must not keep the process.
    runtime.shutdown_background();
    exit.unwrap_or(Exit::Failed)
}

fn warn_of(effective: &Effective) {
    for Warning { variable, message, nearest } in &effective.warnings {
        tracing::warn!(variable, nearest, "{message}");
    }
}

async fn serve_admin<S: Service>(settings: &AdminSettings, context: &Context) -> Result<(), Exit> {
    let admin = Admin::bind(settings).await.map_err(|error| {
        tracing::error!("{error}");
        Exit::Failed
    })?;
    let addr = admin.local_addr().map(|addr| addr.to_string()).unwrap_or_default();
    tracing::info!(addr, "admin http listens");
    let Context { health, metrics, routes, .. } = context.clone();
    context.tasks.spawn("admin", admin.serve(S::NAME, health, metrics, routes));
    Ok(())
}

/// Runs the service until it ends or one of its tasks does.
async fn supervised<S: Service>(settings: S::Settings, arguments: S::Arguments, context: Context) -> Exit {
    let tasks = context.tasks.clone();
    let mut run = Box::pin(S::run(settings, arguments, context));
    tokio::select! {
        biased;
        failure = tasks.failed() => {
            tracing::error!("{failure}");
            // What is left of the service may wait for the task that is gone; the process ends without its destructors.
            std::mem::forget(run);
            Exit::Failed
        }
        outcome = &mut run => outcome.unwrap_or_else(|error| {
            tracing::error!(error = telemetry::chain(&error), "the service failed");
            Exit::Failed
        }),
    }
}
