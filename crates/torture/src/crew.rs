//! The services of a run: one producer, one processor that stays, up to two that come and go, one replayer that watches, and
//! replays now and then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use local_stack::port;

use crate::failure::TortureError;
use crate::fault::Service;
use crate::ground::{Ground, PAGE};
use crate::member::{Launch, Member};

/// The services' programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `producer`.
    pub producer: PathBuf,
    /// `stream-processor`.
    pub processor: PathBuf,
    /// `dlq-replayer`.
    pub replayer: PathBuf,
}

/// Processors beside the one that stays.
const EXTRAS: usize = 2;

/// See the module's page.
pub(crate) struct Crew {
    pub(crate) producer: Arc<Member>,
    pub(crate) processor: Arc<Member>,
    pub(crate) extras: Vec<Arc<Member>>,
    pub(crate) replayer: Arc<Member>,
    replay: Launch,
    audit: Launch,
}

impl Crew {
    /// Nobody is started yet. `api` is where the producer finds its users, `seed` which ones.
    pub(crate) fn new(
        ground: &Ground,
        programs: &Programs,
        folder: &Path,
        api: &str,
        seed: &str,
    ) -> Result<Self, TortureError> {
        let mut taken: Vec<u16> =
            [ground.stack.kafka(), ground.stack.cassandra()].iter().map(|node| node.address().port()).collect();
        let mut daemon = |service: Service, name: String, own: &[(&'static str, String)]| {
            let port = port::free(&taken).map_err(TortureError::Port)?;
            taken.push(port);
            let mut own = own.to_vec();
            own.push(("ADMIN_ADDR", format!("127.0.0.1:{port}")));
            let launch = launch(ground, programs, folder, service, name, &own);
            let arguments = if service == Service::Replayer { vec!["serve".into()] } else { Vec::new() };
            Ok::<_, TortureError>(Arc::new(Member::new(Launch { port: Some(port), arguments, ..launch })))
        };
        let pages = [
            ("API_BASE_URL", api.to_owned()),
            ("API_SEED", seed.to_owned()),
            ("API_BATCH_SIZE", PAGE.to_string()),
            ("API_RATE_LIMIT_USERS", "1000000".to_owned()),
            ("API_RATE_LIMIT_WINDOW_SECONDS", "1".to_owned()),
            ("PRODUCER_MODE", "interval".to_owned()),
            ("PRODUCER_INTERVAL_SECONDS", "1".to_owned()),
        ];
        let producer = daemon(Service::Producer, "producer".to_owned(), &pages)?;
        let processor = daemon(Service::Processor, "stream-processor".to_owned(), &[])?;
        let extra = |number| daemon(Service::Processor, format!("stream-processor-extra-{number}"), &[]);
        let extras = (1..=EXTRAS).map(extra).collect::<Result<_, _>>()?;
        let replayer = daemon(Service::Replayer, "dlq-replayer".to_owned(), &[])?;
        let command = |service, name: &str| launch(ground, programs, folder, service, name.to_owned(), &[]);
        let replay = command(Service::Replayer, "dlq-replayer-replay");
        let audit = command(Service::Processor, "stream-processor-audit");
        Ok(Self { producer, processor, extras, replayer, replay, audit })
    }

    /// Everybody who can run.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        [&self.producer, &self.processor, &self.replayer].into_iter().chain(&self.extras)
    }

    /// The one of its kind that stays.
    pub(crate) fn standing(&self, service: Service) -> &Arc<Member> {
        match service {
            Service::Producer => &self.producer,
            Service::Processor => &self.processor,
            Service::Replayer => &self.replayer,
        }
    }

    /// An operator's replay of at most `limit` dead letters.
    pub(crate) fn replay(&self, limit: u32) -> Launch {
        let limit = limit.to_string();
        let arguments = ["replay", "--yes", "--why", "torture", "--output", "json", "--limit", &limit];
        Launch { arguments: arguments.iter().map(Into::into).collect(), ..self.replay.clone() }
    }

    /// The processor's own account of every record, one JSON object in its log.
    pub(crate) fn audit(&self) -> Launch {
        Launch { arguments: vec!["audit".into(), "--output".into(), "json".into()], ..self.audit.clone() }
    }
}

fn launch(
    ground: &Ground,
    programs: &Programs,
    folder: &Path,
    service: Service,
    name: String,
    own: &[(&'static str, String)],
) -> Launch {
    let program = match service {
        Service::Producer => &programs.producer,
        Service::Processor => &programs.processor,
        Service::Replayer => &programs.replayer,
    };
    Launch {
        log: folder.join("logs").join(format!("{name}.log")),
        name,
        service,
        program: program.clone(),
        arguments: Vec::new(),
        environment: ground.environment(own),
        port: None,
    }
}
