//! The services as child processes: started one by one, heard line by line, ended in the opposite order.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
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

/// How a service is started.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) speaker: Speaker,
    pub(crate) program: PathBuf,
    pub(crate) arguments: &'static [&'static str],
    /// Goes before our own environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// The running services.
pub(crate) struct Services {
    running: Vec<(Service, Arc<Process>)>,
    events: mpsc::Sender<Event>,
}

impl Services {
    /// None yet, and where to hear of them.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (events, heard) = mpsc::channel(1024);
        (Self { running: Vec::new(), events }, heard)
    }

    /// Starts a service.
    pub(crate) fn start(&mut self, service: Service) -> Result<(), Failure> {
        let process = self.spawn(&service)?;
        self.running.push((service, process));
        Ok(())
    }

    /// Starts a service that has ended again, in its old place.
    pub(crate) fn start_again(&mut self, speaker: Speaker) -> Result<(), Failure> {
        let Some(place) = self.running.iter().position(|(service, _)| service.speaker == speaker) else {
            return Ok(());
        };
        let (service, _ended) = self.running.remove(place);
        let process = self.spawn(&service)?;
        self.running.insert(place, (service, process));
        Ok(())
    }

    fn spawn(&self, service: &Service) -> Result<Arc<Process>, Failure> {
        let speaker = service.speaker;
        let failed = |source| Failure::Start { name: speaker.name, source };
        let mut command = Command::new(&service.program);
        command
            .args(service.arguments)
            .envs(service.environment.iter().map(|(name, value)| (name, value)))
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
        Ok(process)
    }

    /// Ends all of them, the last started first, each when the one before is gone.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        let ended = tokio::task::spawn_blocking(move || {
            while let Some((_, process)) = self.running.pop() {
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

    fn shell(name: &'static str, script: &'static str) -> Service {
        Service {
            speaker: Speaker { name, colour: 2 },
            program: "/bin/sh".into(),
            arguments: Vec::leak(vec!["-c", script]),
            environment: vec![("GREETING", "hello".to_owned())],
        }
    }

    #[tokio::test]
    async fn a_service_is_heard_to_its_last_line_and_then_its_end_each_time() {
        let (mut services, mut heard) = Services::new();
        let service = shell("sh", "echo $GREETING; echo oops >&2; exit 3");
        let speaker = service.speaker;
        services.start(service).unwrap();
        for _ in 0..2 {
            let mut lines = Vec::new();
            let status = loop {
                match heard.recv().await.unwrap() {
                    Event::Line(_, line) => lines.push(line),
                    Event::Ended(_, status) => break status,
                }
            };
            lines.sort();
            assert_eq!((lines, status.code()), (vec!["hello".to_owned(), "oops".to_owned()], Some(3)));
            services.start_again(speaker).unwrap();
        }
    }

    #[tokio::test]
    async fn services_end_in_the_opposite_order_of_their_start() {
        let (mut services, mut heard) = Services::new();
        for name in ["first", "second"] {
            let script = "trap 'echo ending; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
            services.start(shell(name, script)).unwrap();
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
