//! `randomuser-sim`: a RandomUser API for offline use, tests and load.

use std::process::ExitCode;

use randomuser_sim::{Settings, SimulatorError, run};
use service::Exit;
use service::process::{Checks, Context, NoArguments, Service};
use service::settings::Reader;

struct RandomuserSim;

impl Service for RandomuserSim {
    const NAME: &'static str = "randomuser-sim";
    const ABOUT: &'static str = "A RandomUser API for offline use, tests and load, with faults to order";
    /// Any free port: what watches the simulator asks `/livez` and `/stats` of `SIM_ADDR`, and several may run side by side.
    const ADMIN_ADDR: &'static str = "127.0.0.1:0";
    type Arguments = NoArguments;
    type Settings = Settings;
    type Error = SimulatorError;

    fn settings(reader: &mut Reader) -> Settings {
        Settings::read(reader)
    }

    /// It depends on nothing.
    async fn check(_settings: Settings, _checks: &mut Checks) {}

    async fn run(settings: Settings, _arguments: NoArguments, context: Context) -> Result<Exit, SimulatorError> {
        run(settings, context.shutdown).await.map(|()| Exit::Done)
    }
}

fn main() -> ExitCode {
    service::process::main::<RandomuserSim>()
}
