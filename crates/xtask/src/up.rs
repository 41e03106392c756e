//! `cargo xtask up`: the whole of Sluice on this machine.
//!
//! Started one after another, ended in the opposite order: sources before sinks, Kafka and Cassandra last. A second Ctrl-C
//! ends at once: every child ends with this process. What is killed meanwhile is started again, so that a failure can be
//! tried out with `kill -9`; what ends with an error of its own ends everything, with its words.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use local_stack::{Stack, StackError, port};
use service::Exit;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::arguments::Ports;
use crate::failure::Failure;
use crate::figures::{Figures, Source};
use crate::programs::Programs;
use crate::screen::{Screen, Speaker};
use crate::services::{Event, Service, Services};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::{public_api, servers};

const PRODUCER: Speaker = Speaker { name: "producer", colour: 6 };
const PROCESSOR: Speaker = Speaker { name: "stream-processor", colour: 2 };
const REPLAYER: Speaker = Speaker { name: "dlq-replayer", colour: 5 };
const SIMULATOR: Speaker = Speaker { name: "randomuser-sim", colour: 3 };

/// How often the counts are printed where there is no terminal to redraw them on, if they changed.
const PRINT_EVERY: Duration = Duration::from_secs(5);

/// How often is looked whether the servers still run.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Arguments of `up`.
#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    ports: Ports,
    /// Do not try the public API: randomuser-sim stands in for it.
    #[arg(long)]
    offline: bool,
    /// Build the services without optimisation: quicker to build, slower to run.
    #[arg(long)]
    dev: bool,
}

/// Where the services listen on 127.0.0.1.
struct ServicePorts {
    producer: u16,
    processor: u16,
    replayer: u16,
    simulator: u16,
}

impl ServicePorts {
    fn choose(ports: Ports) -> Result<Self, Failure> {
        let mut taken = vec![ports.kafka_port, ports.cassandra_port];
        let mut choose = |speaker: Speaker, usual| {
            let port = if ports.free_ports {
                port::free(&taken).map_err(Failure::System)?
            } else if port::is_free(usual).map_err(Failure::System)? {
                usual
            } else {
                return Err(Failure::PortInUse { name: speaker.name, port: usual, holder: port::holder(usual) });
            };
            taken.push(port);
            Ok(port)
        };
        Ok(Self {
            producer: choose(PRODUCER, 8000)?,
            processor: choose(PROCESSOR, 8001)?,
            replayer: choose(REPLAYER, 8002)?,
            simulator: choose(SIMULATOR, 8010)?,
        })
    }
}

/// Runs until a signal comes or a service ends by itself.
pub(crate) async fn run(up: Up, data_dir: &Path) -> Result<Exit, Failure> {
    let settings = Settings::read()?;
    let artifacts = servers::fetch(data_dir)?;
    let service_ports = ServicePorts::choose(up.ports)?;
    let mut signals = Signals::watch()?;
    let mut screen = Screen::on_stdout();

    screen.say("starting Kafka and Cassandra, and building the services")?;
    let start = async {
        let started = servers::start_in_background(up.ports, data_dir, artifacts);
        let names = [PRODUCER.name, PROCESSOR.name, REPLAYER.name, SIMULATOR.name];
        let built = async {
            let built = tokio::task::spawn_blocking(move || Programs::build(&names, !up.dev)).await;
            built.map_err(|error| Failure::System(error.into()))?
        };
        let asked =
            async { Ok(if up.offline { Err("--offline".to_owned()) } else { public_api::probe(&settings.api).await }) };
        let (started, programs, api) = tokio::try_join!(started, built, asked)?;
        let prepared = servers::prepare(&started.stack, settings, data_dir).await?;
        Ok::<_, Failure>((started, programs, api, prepared))
    };
    let (started, programs, api, (settings, admin, session)) = tokio::select! {
        started = start => started?,
        () = signals.next() => return Ok(Exit::Cut),
    };
    servers::announce(&mut screen, &started, data_dir)?;
    let stack = started.stack;
    if let Err(reason) = &api {
        screen.say(&format!("{} is not used ({reason}): randomuser-sim stands in for it", settings.api))?;
    }

    let (mut services, mut heard) = Services::new();
    start_services(&mut services, &programs, &settings, &service_ports, api.is_err())?;
    let (figures, seen) = watch::channel(Figures::default());
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    let source = Source {
        progress: format!("http://127.0.0.1:{}/v1/progress", service_ports.processor),
        http: http.map_err(|error| Failure::System(std::io::Error::other(error)))?,
        settings: settings.clone(),
        admin,
        session,
    };
    let following = tokio::spawn(source.follow(figures));

    let mut show = Show { screen, seen, settings };
    let outcome = watch_over(&mut show, &mut signals, &mut services, &mut heard, &stack).await;
    following.abort();
    let mut screen = show.screen;
    screen.leave_region();
    // From here on it is no matter whether anybody still reads.
    let _ = screen.say("ending the services, then Kafka and Cassandra; Ctrl-C again ends them at once");
    tokio::select! {
        ended = end(&mut screen, services, &mut heard, stack, data_dir) => ended.and(outcome),
        () = signals.next() => Ok(Exit::Cut),
    }
}

fn start_services(
    services: &mut Services,
    programs: &Programs,
    settings: &Settings,
    ports: &ServicePorts,
    simulate: bool,
) -> Result<(), Failure> {
    let loopback = |port| format!("127.0.0.1:{port}");
    let service = |speaker: Speaker, admin_port, extra: Option<(&'static str, String)>| {
        let mut environment = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers.clone()),
            ("CASSANDRA_HOSTS", settings.cassandra.hosts.join(",")),
            ("CASSANDRA_PORT", settings.cassandra.port.to_string()),
            ("ADMIN_ADDR", loopback(admin_port)),
        ];
        if !settings.log_format_is_set {
            environment.push(("LOG_FORMAT", "text".to_owned()));
        }
        environment.extend(extra);
        Ok::<_, Failure>(Service {
            speaker,
            program: programs.path(speaker.name)?.to_owned(),
            arguments: if speaker == REPLAYER { &["serve"] } else { &[] },
            environment,
        })
    };
    let mut api = None;
    if simulate {
        services.start(service(SIMULATOR, 0, Some(("SIM_ADDR", loopback(ports.simulator))))?)?;
        api = Some(("API_BASE_URL", format!("http://{}/api/", loopback(ports.simulator))));
    }
    services.start(service(PROCESSOR, ports.processor, None)?)?;
    services.start(service(REPLAYER, ports.replayer, None)?)?;
    services.start(service(PRODUCER, ports.producer, api)?)
}

/// What the user sees.
struct Show {
    screen: Screen,
    seen: watch::Receiver<Figures>,
    settings: Settings,
}

impl Show {
    fn events(&mut self, events: &[Event]) -> Result<(), Failure> {
        show(&mut self.screen, events)
    }

    fn figures(&mut self) -> Result<(), Failure> {
        let region = self.seen.borrow_and_update().shown(&self.settings);
        self.screen.show(region)
    }
}

/// Shows what happens, and starts again what was killed, until it is time to end.
async fn watch_over(
    show: &mut Show,
    signals: &mut Signals,
    services: &mut Services,
    heard: &mut mpsc::Receiver<Event>,
    stack: &Arc<Stack>,
) -> Result<Exit, Failure> {
    let mut print = tokio::time::interval(PRINT_EVERY);
    print.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut printed = Figures::default().counts();
    let mut events = Vec::new();
    let mut starting: Option<JoinHandle<Result<(), StackError>>> = None;
    loop {
        tokio::select! {
            () = signals.next() => return Ok(Exit::Done),
            // Lines that came at the same time are written at the same time.
            _ = heard.recv_many(&mut events, 256) => {
                show.events(&events)?;
                for event in events.drain(..) {
                    if let Event::Ended(speaker, status) = event {
                        ended(&mut show.screen, services, speaker, status)?;
                    }
                }
            }
            _ = look.tick(), if starting.is_none() => {
                for (name, node) in [("Kafka", stack.kafka()), ("Cassandra", stack.cassandra())] {
                    if node.pid().is_none() {
                        let log = node.log().display();
                        show.screen.say(&format!("{name} has ended by itself (its log is {log}): starting it again"))?;
                    }
                }
                if stack.kafka().pid().is_none() || stack.cassandra().pid().is_none() {
                    let stack = Arc::clone(stack);
                    starting = Some(tokio::task::spawn_blocking(move || stack.start_again()));
                }
            }
            started = finished(&mut starting) => {
                started?;
                show.screen.say("Kafka and Cassandra answer again")?;
            }
            Ok(()) = show.seen.changed(), if show.screen.is_terminal() => show.figures()?,
            _ = print.tick(), if !show.screen.is_terminal() => {
                let counts = show.seen.borrow().counts();
                if counts != printed {
                    printed = counts;
                    show.figures()?;
                }
            }
        }
    }
}

/// The outcome of the task, which is taken out; waits for ever where there is none.
async fn finished(starting: &mut Option<JoinHandle<Result<(), StackError>>>) -> Result<(), Failure> {
    let Some(task) = starting else { return std::future::pending().await };
    let outcome = task.await;
    *starting = None;
    Ok(outcome.map_err(|error| Failure::System(error.into()))??)
}

fn ended(screen: &mut Screen, services: &mut Services, speaker: Speaker, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        // A run that was to end, such as PRODUCER_MODE=once.
        screen.say(&format!("{} has ended as asked", speaker.name))
    } else if status.signal().is_some() {
        screen.say(&format!("{} was killed: starting it again", speaker.name))?;
        services.start_again(speaker)
    } else {
        Err(Failure::Ended { name: speaker.name, status })
    }
}

fn show(screen: &mut Screen, events: &[Event]) -> Result<(), Failure> {
    screen.lines(events.iter().filter_map(|event| match event {
        Event::Line(speaker, line) => Some((*speaker, line.as_str())),
        Event::Ended(..) => None,
    }))
}

/// Ends the services and then the servers, still showing what the services say.
async fn end(
    screen: &mut Screen,
    services: Services,
    heard: &mut mpsc::Receiver<Event>,
    stack: Arc<Stack>,
    data_dir: &Path,
) -> Result<(), Failure> {
    let mut ending = tokio::spawn(services.end());
    let mut events = Vec::new();
    // All services are gone when nobody is left to be heard.
    while heard.recv_many(&mut events, 256).await > 0 {
        let _ = show(screen, &events);
        events.clear();
    }
    let ended = (&mut ending).await.map_err(|error| Failure::System(error.into()))?;
    servers::end(stack, data_dir).await?;
    ended?;
    let _ = screen.say("all has ended; the data stays for the next start, `cargo xtask down --wipe` deletes it");
    Ok(())
}
