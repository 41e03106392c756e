//! One direction of a connection.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::connection::Cut;
use crate::counters::{Tally, add};
use crate::cql::{Answers, Requests};
use crate::gate::Gate;
use crate::rules::Flow;

/// Bytes taken at once.
const CHUNK: usize = 16 * 1024;

/// Pieces a second in which a slow connection passes its bytes.
const PIECES_PER_SECOND: u32 = 20;

/// What passes in one direction.
pub(crate) enum Passage {
    /// Towards the server, not looked at.
    BytesToServer,
    /// Towards the client, not looked at.
    BytesToClient,
    /// Towards the server, by the frame.
    Requests(Box<Requests>),
    /// Towards the client, by the frame.
    Answers(Answers),
}

pub(crate) struct Pump {
    gate: Gate,
    passage: Passage,
    tally: Arc<Tally>,
    /// Answers were withheld, which this connection must not survive.
    swallowed: bool,
}

impl Pump {
    pub(crate) fn new(gate: Gate, passage: Passage, tally: Arc<Tally>) -> Self {
        Self { gate, passage, tally, swallowed: false }
    }

    /// Passes `begun`, then whatever comes, then the end. Reads nothing while nothing may pass, so that whoever sends is
    /// held up as by a network that does not deliver.
    ///
    /// # Errors
    /// Why the connection is to be cut.
    pub(crate) async fn run(
        mut self,
        begun: Vec<u8>,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), Cut> {
        self.deliver(&begun, &mut to).await?;
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.flow()? == Flow::Hold {
                self.gate.changed().await?;
                continue;
            }
            let taken = tokio::select! {
                changed = self.gate.changed() => {
                    changed?;
                    continue;
                }
                answer = self.passage.forged() => {
                    add(&self.tally.errors_answered, 1);
                    self.deliver(&answer, &mut to).await?;
                    continue;
                }
                taken = from.read(&mut chunk) => taken?,
            };
            let taken = chunk.get(..taken).unwrap_or_default();
            if taken.is_empty() {
                return self.end(&mut to).await;
            }
            let flow = self.flow()?;
            let passed = self.passage.pass(taken, flow, &self.tally)?;
            self.deliver(&passed, &mut to).await?;
        }
    }

    /// Passes the end of the stream, which like everything else is withheld from a client that gets no answers.
    async fn end(mut self, to: &mut WriteHalf<'_>) -> Result<(), Cut> {
        loop {
            match self.flow()? {
                Flow::Deaf if self.passage.is_to_client() => self.swallowed = true,
                Flow::Hold => {}
                Flow::Pass | Flow::Cut | Flow::Trickle { .. } | Flow::Deaf | Flow::Forge { .. } => break,
            }
            self.gate.changed().await?;
        }
        Ok(to.shutdown().await?)
    }

    /// Writes all bytes as the rules allow from moment to moment.
    async fn deliver(&mut self, mut bytes: &[u8], to: &mut WriteHalf<'_>) -> Result<(), Cut> {
        let to_client = self.passage.is_to_client();
        while !bytes.is_empty() {
            let (piece, rate) = match self.flow()? {
                Flow::Hold => {
                    self.gate.changed().await?;
                    continue;
                }
                Flow::Deaf if to_client => {
                    self.swallowed = true;
                    add(&self.tally.bytes_swallowed, bytes.len());
                    return Ok(());
                }
                Flow::Trickle { bytes_per_second } => {
                    let piece = usize::try_from(bytes_per_second.div_ceil(PIECES_PER_SECOND)).unwrap_or(usize::MAX);
                    (bytes.get(..piece).unwrap_or(bytes), Some(bytes_per_second))
                }
                Flow::Pass | Flow::Cut | Flow::Deaf | Flow::Forge { .. } => (bytes, None),
            };
            let written = tokio::select! {
                changed = self.gate.changed() => {
                    changed?;
                    continue;
                }
                written = to.write(piece) => written?,
            };
            bytes = bytes.get(written..).unwrap_or_default();
            add(if to_client { &self.tally.bytes_to_client } else { &self.tally.bytes_to_server }, written);
            if let Some(rate) = rate {
                let pause = Duration::from_secs(1) * u32::try_from(written).unwrap_or(u32::MAX) / rate;
                // Healed early, the rest of the pause is not waited for.
                if let Ok(changed) = tokio::time::timeout(pause, self.gate.changed()).await {
                    changed?;
                }
            }
        }
        Ok(())
    }

    /// What to do now. A connection that lost an answer is over as soon as answers would pass again.
    fn flow(&mut self) -> Result<Flow, Cut> {
        let flow = self.gate.flow()?;
        if self.swallowed && flow != Flow::Deaf { Err(Cut::Fault) } else { Ok(flow) }
    }
}

impl Passage {
    fn is_to_client(&self) -> bool {
        match self {
            Self::BytesToServer | Self::Requests(_) => false,
            Self::BytesToClient | Self::Answers(_) => true,
        }
    }

    /// An answer that the server knows nothing of; never, where frames are not looked at.
    async fn forged(&mut self) -> Vec<u8> {
        match self {
            Self::BytesToServer | Self::BytesToClient | Self::Requests(_) => pending().await,
            Self::Answers(answers) => answers.forged().await,
        }
    }

    /// The bytes to pass on for those that came: whole frames where frames are looked at.
    fn pass(&mut self, bytes: &[u8], flow: Flow, tally: &Tally) -> Result<Vec<u8>, Cut> {
        match self {
            Self::BytesToServer | Self::BytesToClient => Ok(bytes.to_vec()),
            Self::Requests(requests) => Ok(requests.pass(bytes, flow)?),
            Self::Answers(answers) => {
                let (passed, replaced) = answers.pass(bytes)?;
                add(&tally.errors_answered, replaced);
                Ok(passed)
            }
        }
    }
}
