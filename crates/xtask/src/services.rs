//! The services as child processes: started one by one, heard line by line, ended in the opposite order.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use local_stack::Process;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::screen::Speaker;

/// The services' own drain deadline is 25 s by default; beyond this they are killed.
const GRACE: Duration = Duration::from_secs(40);

/// What is heard of a service.
pub(crate) enum Event {
    /// A line it wrote.
    Line(Speaker, String),
    /// It ended.
    Ended(Speaker, ExitStatus),
}

/// The running services.
pub(crate) struct Services {
    running: Vec<Arc<Process>>,
    events: mpsc::Sender<Event>,
}

impl Services {
    /// None yet, and where to hear of them.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (events, heard) = mpsc::channel(1024);
        (Self { running: Vec::new(), events }, heard)
    }

    /// Starts a service; the environment given here goes before ours.
    pub(crate) fn start(
        &mut self,
        speaker: Speaker,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<(), Failure> {
        let failed = |source| Failure::Start { name: speaker.name, source };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::spawn(command).map_err(failed)?;
        let (stdout, stderr) = (process.take_stdout(), process.take_stderr());
        let process = Arc::new(process);
        let errors = stderr.map(|pipe| hear(speaker, pipe, self.events.clone())).transpose().map_err(failed)?;
        let lines = stdout.map(|pipe| hear(speaker, pipe, self.events.clone())).transpose().map_err(failed)?;
        let (ending, events) = (Arc::clone(&process), self.events.clone());
        std::thread::Builder::new()
            .name(format!("end-{}", speaker.name))
            .spawn(move || {
                // Its last words come before the word that it ended.
                for reader in [errors, lines].into_iter().flatten() {
                    let _ = reader.join();
                }
                let status = loop {
                    if let Some(status) = ending.wait_for(Duration::from_secs(60)) {
                        break status;
                    }
                };
                let _ = events.blocking_send(Event::Ended(speaker, status));
            })
            .map_err(failed)?;
        self.running.push(process);
        Ok(())
    }

    /// Ends all of them, the last started first, each when the one before is gone.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        let ended = tokio::task::spawn_blocking(move || {
            while let Some(process) = self.running.pop() {
                process.end(GRACE)?;
            }
            Ok(())
        });
        ended.await.map_err(|error| Failure::System(error.into()))?.map_err(Failure::System)
    }
}

/// Passes every line on until the pipe closes.
fn hear(
    speaker: Speaker,
    pipe: impl Read + Send + 'static,
    events: mpsc::Sender<Event>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(format!("hear-{}", speaker.name)).spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if events.blocking_send(Event::Line(speaker, text)).is_err() {
                break;
            }
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Speaker = Speaker { name: "sh", colour: 2 };

    #[tokio::test]
    async fn a_service_is_heard_to_its_last_line_and_then_its_end() {
        let (mut services, mut heard) = Services::new();
        let script = "echo $GREETING; echo oops >&2; exit 3";
        services.start(SHELL, Path::new("/bin/sh"), &["-c", script], &[("GREETING", "hello".to_owned())]).unwrap();
        let mut lines = Vec::new();
        let status = loop {
            match heard.recv().await.unwrap() {
                Event::Line(_, line) => lines.push(line),
                Event::Ended(_, status) => break status,
            }
        };
        lines.sort();
        assert_eq!((lines, status.code()), (vec!["hello".to_owned(), "oops".to_owned()], Some(3)));
    }

    #[tokio::test]
    async fn services_end_in_the_opposite_order_of_their_start() {
        let (mut services, mut heard) = Services::new();
        for speaker in [Speaker { name: "first", colour: 2 }, Speaker { name: "second", colour: 3 }] {
            let script = "trap 'echo ending; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
            services.start(speaker, Path::new("/bin/sh"), &["-c", script], &[]).unwrap();
            assert!(matches!(heard.recv().await.unwrap(), Event::Line(_, line) if line == "ready"));
        }
        services.end().await.unwrap();
        let mut order = Vec::new();
        while let Some(event) = heard.recv().await {
            if let Event::Line(speaker, _) = event {
                order.push(speaker.name);
            }
        }
        assert_eq!(order, ["second", "first"]);
    }
}
