//! Does the faults to the crew and the servers, each when its time has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use local_stack::{Node, StackError};
use service::shutdown::Shutdown;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::crew::Crew;
use crate::diary::Diary;
use crate::dice::Dice;
use crate::failure::TortureError;
use crate::fault::{End, Fault, Server};
use crate::ground::Ground;
use crate::member::Member;
use crate::schedule::{Burst, Planned};
use crate::watch::Watch;

/// The services' drain deadline of 25 s, and what starting and ending take on a busy machine.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// What a fault needs. Clones share everything.
#[derive(Clone)]
pub(crate) struct Trial {
    pub(crate) ground: Arc<Ground>,
    pub(crate) crew: Arc<Crew>,
    pub(crate) api: Arc<Api>,
    pub(crate) watch: Watch,
    pub(crate) diary: Diary,
    pub(crate) stop: Shutdown,
    /// Decides on what a schedule leaves open.
    pub(crate) seed: u64,
}

impl Trial {
    /// Does all of them, as far as they fit into `duration`, and returns when the last one is undone. What a busy machine
    /// takes longer for than planned moves everything behind it.
    pub(crate) async fn run(&self, schedule: &[Burst], duration: Duration) -> Result<(), TortureError> {
        let mut late = Duration::ZERO;
        // A replay waits until its records are home, behind everything that is queued up: nobody waits for it meanwhile.
        let mut replays = JoinSet::new();
        for Burst { faults, end } in schedule {
            if *end + late > duration {
                break;
            }
            let mut running = JoinSet::new();
            for Planned { at, fault } in faults {
                let wait = (*at + late).saturating_sub(self.diary.elapsed());
                if self.stop.cuts(tokio::time::sleep(wait)).await.is_none() {
                    break;
                }
                let (trial, fault) = (self.clone(), *fault);
                let tasks = if matches!(fault, Fault::Replay { .. }) { &mut replays } else { &mut running };
                tasks.spawn(async move { trial.perform(fault).await });
            }
            while let Some(done) = running.join_next().await {
                done??;
            }
            if self.stop.is_requested() {
                break;
            }
            late = late.max(self.diary.elapsed().saturating_sub(*end));
        }
        while let Some(done) = replays.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn perform(&self, fault: Fault) -> Result<(), TortureError> {
        let at = self.diary.elapsed();
        self.diary.say(&fault.to_string());
        match fault {
            Fault::End { service, how, away } => {
                let member = self.crew.standing(service);
                self.end(member, how).await?;
                self.pass(away).await;
                member.start()?;
            }
            Fault::Freeze { lasts } => {
                self.crew.processor.signal(libc::SIGSTOP)?;
                self.pass(lasts).await;
                self.crew.processor.signal(libc::SIGCONT)?;
            }
            Fault::Extra { count, lasts, how } => {
                for extra in self.crew.extras.iter().take(count) {
                    extra.start()?;
                }
                self.pass(lasts).await;
                for extra in self.crew.extras.iter().take(count) {
                    self.end(extra, how).await?;
                }
            }
            Fault::Halt { server, lasts } => {
                self.on(server, Node::pause).await?;
                self.pass(lasts).await;
                self.on(server, Node::resume).await?;
            }
            Fault::Down { server, how, away } => {
                match how {
                    End::Kill => self.on(server, Node::kill).await?,
                    End::Terminate => self.on(server, Node::stop).await?,
                }
                self.pass(away).await;
                self.on(server, Node::start).await?;
            }
            Fault::Path { server, trouble, lasts } => {
                self.ground.network.trouble(server, trouble, lasts, &self.stop).await;
            }
            Fault::DlqPath { trouble, lasts } => {
                self.ground.network.trouble_dead_letters(trouble, lasts, &self.stop).await;
            }
            Fault::Excuses { excuse, percent, lasts } => {
                self.ground.network.excuse(excuse, percent, lasts, &self.stop).await;
            }
            Fault::Api { answers } => {
                let dice = Dice::of(self.seed, u64::try_from(at.as_millis()).unwrap_or(0));
                self.api.trouble(answers, dice).await?;
            }
            Fault::Replay { limit, killed_after } => self.replay(limit, killed_after).await?,
        }
        self.diary.done(fault, at);
        if fault.is_outage() {
            self.watch.sight(|sight| sight.healed(Instant::now(), fault.kind()));
        }
        Ok(())
    }

    /// Waits, shorter when the run is to end.
    async fn pass(&self, time: Duration) {
        self.stop.cuts(tokio::time::sleep(time)).await;
    }

    /// Ends a service; one that is asked to end has to do so in time and with status 0.
    pub(crate) async fn end(&self, member: &Member, how: End) -> Result<(), TortureError> {
        // What a killed process had settled is seen right before.
        self.watch.look_at(member).await;
        match how {
            End::Kill => {
                if let Some(records) = self.watch.uncommitted(member).await {
                    self.diary.read_again(records);
                }
                member.kill().await
            }
            End::Terminate => {
                if member.process().is_none() {
                    return Ok(());
                }
                let asked = Instant::now();
                let ended = member.terminate(DRAIN).await?;
                let took = asked.elapsed().as_secs_f64();
                match ended {
                    Some(status) if status.success() => {}
                    Some(status) => {
                        self.diary.wrong(format!("{} ended with {status} {took:.1} s after SIGTERM", member.name()));
                    }
                    None => self.diary.wrong(format!("{} did not end within {took:.1} s of SIGTERM", member.name())),
                }
                Ok(())
            }
        }
    }

    async fn replay(&self, limit: u32, killed_after: Option<Duration>) -> Result<(), TortureError> {
        /// Longer than the command itself waits for a group that commits nothing.
        const LIMIT: Duration = Duration::from_secs(150);
        let process = Arc::new(self.crew.replay(limit).spawn()?);
        let stop = self.stop.clone();
        let waiting = Arc::clone(&process);
        let limit = killed_after.unwrap_or(LIMIT);
        let ending = tokio::task::spawn_blocking(move || waiting.wait_for(limit));
        let ended = stop.cuts(ending).await.transpose()?.flatten();
        // 1 is an outage that was longer than its patience, 2 a letter that did not come home.
        if let Some(status) = ended.filter(|status| !matches!(status.code(), Some(0..=2))) {
            self.diary.wrong(format!("a replay ended with {status}"));
        }
        if ended.is_none() {
            if killed_after.is_none() && !stop.is_requested() {
                self.diary.wrong(format!("a replay did not end within {} s", LIMIT.as_secs()));
            }
            tokio::task::spawn_blocking(move || process.kill())
                .await?
                .map_err(TortureError::process("dlq-replayer replay"))?;
        }
        Ok(())
    }

    async fn on(&self, server: Server, act: fn(&Node) -> Result<(), StackError>) -> Result<(), TortureError> {
        let stack = Arc::clone(&self.ground.stack);
        let acting = move || match server {
            Server::Kafka => act(stack.kafka()),
            Server::Cassandra => act(stack.cassandra()),
        };
        Ok(tokio::task::spawn_blocking(acting).await??)
    }
}
