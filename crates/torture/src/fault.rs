//! What is done to the system, and to which part of it.

use std::fmt;
use std::time::Duration;

/// A service of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Producer,
    Processor,
    Replayer,
}

/// A server that the services need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Kafka,
    Cassandra,
}

/// What a network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every connection is cut, again and again.
    Reset,
    /// Nothing passes, no connection ends.
    Stall,
    /// Little passes.
    Slow,
    /// Requests pass, answers do not.
    HalfOpen,
}

/// What a tired Cassandra says to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excuse {
    Overloaded,
    Unavailable,
    /// The write has happened all the same.
    TimeoutApplied,
    TimeoutNotApplied,
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `SIGKILL`.
    Kill,
    /// `SIGTERM`, and time to drain.
    Terminate,
}

/// One thing that is done, and undone after a while where it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A service ends and is started again after `away`.
    End { service: Service, how: End, away: Duration },
    /// The processor is halted (`SIGSTOP`) for longer than its session in the group.
    Freeze { lasts: Duration },
    /// One or two more processors join the group and leave it.
    Extra { count: usize, lasts: Duration, how: End },
    /// A server is halted.
    Halt { server: Server, lasts: Duration },
    /// A server ends and is started again after `away`.
    Down { server: Server, how: End, away: Duration },
    /// The network between the services and a server is in trouble.
    Path { server: Server, trouble: Trouble, lasts: Duration },
    /// The network between the processors' senders of dead letters and Kafka is in trouble; the rest of Kafka works.
    DlqPath { trouble: Trouble, lasts: Duration },
    /// Cassandra answers a part of the writes, in percent, with an error.
    Excuses { excuse: Excuse, percent: u8, lasts: Duration },
    /// The API answers so many times with an error, half a body or nothing.
    Api { answers: u32 },
    /// An operator replays dead letters; the command may be killed in the middle.
    Replay { limit: u32, killed_after: Option<Duration> },
}

/// What a fault acts on: two faults at the same time have different targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Service(Service),
    Extra,
    Server(Server),
    Path(Server),
    Api,
    Replay,
}

impl Service {
    /// The name of its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Processor => "stream-processor",
            Self::Replayer => "dlq-replayer",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kafka => "kafka",
            Self::Cassandra => "cassandra",
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::Slow => "slow",
            Self::HalfOpen => "half-open",
        })
    }
}

impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::TimeoutApplied => "write timeout, applied",
            Self::TimeoutNotApplied => "write timeout, not applied",
        })
    }
}

impl Fault {
    /// What it acts on.
    pub(crate) fn target(self) -> Target {
        match self {
            Self::End { service, .. } => Target::Service(service),
            Self::Freeze { .. } => Target::Service(Service::Processor),
            Self::Extra { .. } => Target::Extra,
            Self::Halt { server, .. } | Self::Down { server, .. } => Target::Server(server),
            Self::Path { server, .. } => Target::Path(server),
            Self::DlqPath { .. } => Target::Path(Server::Kafka),
            Self::Excuses { .. } => Target::Path(Server::Cassandra),
            Self::Api { .. } => Target::Api,
            Self::Replay { .. } => Target::Replay,
        }
    }

    /// How long it is meant to last; what it takes to start something again comes on top.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::End { away, .. } | Self::Down { away, .. } => away,
            Self::Freeze { lasts }
            | Self::Extra { lasts, .. }
            | Self::Halt { lasts, .. }
            | Self::Path { lasts, .. }
            | Self::DlqPath { lasts, .. }
            | Self::Excuses { lasts, .. } => lasts,
            Self::Api { .. } => Duration::ZERO,
            Self::Replay { killed_after, .. } => killed_after.unwrap_or(Duration::ZERO),
        }
    }

    /// Its kind: the label in the report.
    pub(crate) fn kind(self) -> String {
        let signal = |how| match how {
            End::Kill => "SIGKILL",
            End::Terminate => "SIGTERM",
        };
        match self {
            Self::End { service, how, .. } => format!("{} {}", signal(how), service.program()),
            Self::Freeze { .. } => "SIGSTOP stream-processor".to_owned(),
            Self::Extra { how, .. } => format!("extra stream-processors join, {}", signal(how)),
            Self::Halt { server, .. } => format!("SIGSTOP {server}"),
            Self::Down { server, how: End::Kill, .. } => format!("SIGKILL {server}"),
            Self::Down { server, how: End::Terminate, .. } => format!("restart {server}"),
            Self::Path { server, trouble, .. } => format!("network to {server}: {trouble}"),
            Self::DlqPath { trouble, .. } => format!("network to the DLQ: {trouble}"),
            Self::Excuses { excuse, .. } => format!("cassandra answers {excuse}"),
            Self::Api { .. } => "wrong answers of the API".to_owned(),
            Self::Replay { killed_after: None, .. } => "replay".to_owned(),
            Self::Replay { killed_after: Some(_), .. } => "replay, SIGKILL".to_owned(),
        }
    }

    /// Whether the line may stand still because of it: the time until it moves again is measured.
    pub(crate) fn is_outage(self) -> bool {
        match self {
            Self::End { service, .. } => service == Service::Processor,
            Self::Freeze { .. } | Self::Halt { .. } | Self::Down { .. } | Self::Path { .. } | Self::Excuses { .. } => {
                true
            }
            Self::Extra { .. } | Self::DlqPath { .. } | Self::Api { .. } | Self::Replay { .. } => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind())?;
        match *self {
            Self::Extra { count, lasts, .. } => write!(f, ", {count} of them, {lasts:.1?}"),
            Self::Api { answers } => write!(f, ", {answers} times"),
            Self::Replay { limit, killed_after: None } => write!(f, ", at most {limit}"),
            Self::Replay { limit, killed_after: Some(after) } => write!(f, " after {after:.1?}, at most {limit}"),
            Self::Excuses { percent, lasts, .. } => write!(f, ", {percent} % of the writes, {lasts:.1?}"),
            Self::End { .. }
            | Self::Freeze { .. }
            | Self::Halt { .. }
            | Self::Down { .. }
            | Self::Path { .. }
            | Self::DlqPath { .. } => write!(f, ", {:.1?}", self.lasts()),
        }
    }
}
