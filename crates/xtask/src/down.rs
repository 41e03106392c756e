//! `cargo xtask down`: ends a stack that another terminal runs, and clears its data when asked.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use local_stack::Stack;
use service::Exit;

use crate::failure::Failure;
use crate::screen::Screen;

/// Longer than the services' drain and the servers' own ends together.
const LIMIT: Duration = Duration::from_secs(120);

/// Arguments of `down`.
#[derive(Args)]
pub(crate) struct Down {
    /// Also delete all data and logs of the stack.
    #[arg(long)]
    wipe: bool,
}

/// Ends the stack and waits until it is gone.
pub(crate) async fn run(down: &Down, data_dir: &Path) -> Result<Exit, Failure> {
    let mut screen = Screen::on_stdout();
    match Stack::holder(data_dir)? {
        Some(process) => {
            screen.say(&format!("asking process {process} to end"))?;
            terminate(process).map_err(Failure::System)?;
            let gone = async {
                while Stack::holder(data_dir)?.is_some() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok::<_, Failure>(())
            };
            match tokio::time::timeout(LIMIT, gone).await {
                Ok(looked) => looked?,
                Err(_) => return Err(Failure::DoesNotEnd { process, seconds: LIMIT.as_secs() }),
            }
            screen.say("it has ended")?;
        }
        None => screen.say("no stack runs")?,
    }
    if down.wipe {
        match std::fs::remove_dir_all(data_dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Failure::file(data_dir)(error)),
            _ => screen.say(&format!("{} is deleted", data_dir.display()))?,
        }
    }
    Ok(Exit::Done)
}

fn terminate(process: u32) -> std::io::Result<()> {
    let pid = libc::pid_t::try_from(process).ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| std::io::Error::other("the stack's process is not known"))?;
    // SAFETY: kill has no memory effects. The number was read from the lock that its process still holds.
    if unsafe { libc::kill(pid, libc::SIGTERM) } == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
