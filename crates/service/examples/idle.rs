//! The smallest service on the skeleton, with the ways in which one can end: the tests of the process run it.

use std::convert::Infallible;
use std::process::ExitCode;

use service::Exit;
use service::process::{self, Checks, Context, Service};
use service::settings::Reader;

struct Idle;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Behaviour {
    /// Drain at once when asked to end
    Drain,
    /// Never end, but keep the runtime free
    Stuck,
    /// Block the runtime's only thread for ever
    Blocked,
    /// Panic
    Panic,
    /// Wait beside a task that ends early
    TaskEnds,
    /// Wait beside a task that panics
    TaskPanics,
    /// End as a replay does that did not bring everything home
    NotHome,
}

#[derive(Debug, clap::Args)]
struct Arguments {
    #[arg(default_value = "drain")]
    behaviour: Behaviour,
}

#[derive(Debug, thiserror::Error)]
enum Error {}

impl Service for Idle {
    const NAME: &'static str = "idle";
    const ABOUT: &'static str = "Does nothing until it is told to end";
    const ADMIN_ADDR: &'static str = "127.0.0.1:8009";
    type Arguments = Arguments;
    type Settings = String;
    type Error = Error;

    fn settings(reader: &mut Reader) -> String {
        reader.secret("KAFKA_SASL_PASSWORD");
        reader.number("API_BATCH_SIZE", 1..=5000_u32);
        reader.text("PRODUCER_NAME")
    }

    async fn check(name: String, checks: &mut Checks) {
        checks.run("name", async { if name == "producer" { Ok("is the default") } else { Err("is another") } }).await;
    }

    async fn run(_: String, arguments: Arguments, context: Context) -> Result<Exit, Error> {
        match arguments.behaviour {
            Behaviour::Drain => context.health.while_waiting(context.shutdown.requested()).await,
            Behaviour::Stuck => std::future::pending().await,
            Behaviour::Blocked => loop {
                std::thread::park();
            },
            Behaviour::Panic => fail(),
            Behaviour::TaskEnds => {
                context.tasks.spawn("short", async { Ok::<_, Infallible>(()) });
                std::future::pending().await
            }
            Behaviour::TaskPanics => {
                context.tasks.spawn("broken", async {
                    fail();
                    Ok::<_, Infallible>(())
                });
                std::future::pending().await
            }
            Behaviour::NotHome => return Ok(Exit::NotHome),
        }
        Ok(Exit::Done)
    }
}

#[expect(clippy::panic, reason = "the tests want to see one")]
fn fail() {
    panic!("of alice@example.com");
}

fn main() -> ExitCode {
    process::main::<Idle>()
}
