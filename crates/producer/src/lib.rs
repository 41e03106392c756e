//! `producer`: schedule -> rate limit -> fetch -> check the answer -> map, sanitize, check -> publish -> advance.
//!
//! A page and the place behind it become visible together, in one transaction: whoever goes on after a crash neither leaves a
//! page out nor publishes one twice. An outage of the API or of Kafka makes no dead letters and loses nothing (I4).

mod answer;
mod attendance;
pub mod bookmark;
mod bounds;
mod check;
mod confirmed;
mod cursor;
mod fetch;
mod metrics;
mod publish;
mod rate_limit;
mod request;
pub mod retry_after;
mod run;
mod schedule;
#[cfg(test)]
mod scripted_api;
mod settings;
mod shelf;
mod shipment;
mod transacted;

use service::Exit;
use service::process::{Checks, Context, NoArguments, Service};
use service::settings::Reader;

pub use run::{RunError, run};
pub use settings::{ApiSettings, ProducerSettings};

/// The producer as a service.
pub struct UserProducer;

impl Service for UserProducer {
    const NAME: &'static str = "producer";
    const ABOUT: &'static str = "Carries users from the RandomUser API to Kafka";
    const ADMIN_ADDR: &'static str = "127.0.0.1:8000";
    type Arguments = NoArguments;
    type Settings = ProducerSettings;
    type Error = RunError;

    fn settings(reader: &mut Reader) -> ProducerSettings {
        ProducerSettings::read(reader)
    }

    async fn check(settings: ProducerSettings, checks: &mut Checks) {
        check::run(&settings, checks).await;
    }

    async fn run(settings: ProducerSettings, _: NoArguments, context: Context) -> Result<Exit, RunError> {
        run(settings, context).await
    }
}
