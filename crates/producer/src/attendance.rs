//! What is told while Kafka is waited for: to `/readyz`, to the log, to the metrics.

use std::fmt::Display;
use std::time::Duration;

use kafka::SendError;
use service::backoff::{Delays, RetrySettings};
use service::health::Health;
use service::shutdown::Shutdown;

use crate::metrics::ProducerMetrics;
use crate::shipment::Arrival;

/// The name under which a missing acknowledgement keeps the service from being ready.
const SENDS: &str = "kafka sends";

/// Acknowledgements that take longer than this mean that the brokers are away.
const QUIET: Duration = Duration::from_secs(5);

/// Attends to whatever waits for Kafka.
#[derive(Debug, Clone)]
pub struct Attendance {
    retry: RetrySettings,
    shutdown: Shutdown,
    health: Health,
    metrics: ProducerMetrics,
}

impl Attendance {
    /// Nothing is waited for yet.
    pub fn new(retry: RetrySettings, shutdown: Shutdown, health: Health, metrics: ProducerMetrics) -> Self {
        Self { retry, shutdown, health, metrics }
    }

    /// Fresh delays between tries.
    pub fn delays(&self) -> Delays {
        self.retry.delays()
    }

    /// Awaits `answer` of Kafka, and tells when it takes long: a send is only given back as failed after some time.
    pub async fn attended<F: Future>(&self, answer: F) -> F::Output {
        let mut answer = std::pin::pin!(self.health.while_waiting(answer));
        if let Ok(answered) = tokio::time::timeout(QUIET, &mut answer).await {
            return answered;
        }
        let reason = format!("no acknowledgement for {} s", QUIET.as_secs());
        let remedy = SendError::Transient(String::new()).remedy();
        if self.health.not_ready(SENDS, &*reason, remedy) {
            tracing::warn!(reason, remedy, "kafka is silent");
        }
        answer.await
    }

    /// Tells of a setback and waits before the next try.
    pub async fn waits_out(&self, setback: &dyn Display, remedy: &str, delays: &mut Delays) {
        let wait = delays.next();
        self.health.not_ready(SENDS, setback.to_string(), remedy);
        tracing::warn!(error = %setback, wait_seconds = wait.as_secs_f64(), remedy, "publishing failed");
        self.health.while_waiting(tokio::time::sleep(wait)).await;
    }

    /// Runs `future`; none when a shutdown is requested first.
    pub async fn unless_over<F: Future>(&self, future: F) -> Option<F::Output> {
        self.shutdown.cuts(future).await
    }

    /// Tells that Kafka acknowledges.
    pub fn acknowledged(&self) {
        if self.health.ready(SENDS) {
            tracing::info!("kafka acknowledges again");
        }
    }

    /// Counts what became of one user.
    pub fn arrived(&self, arrival: &Arrival) {
        match arrival {
            Arrival::Published => self.metrics.published(),
            Arrival::DeadLettered(fault) => self.metrics.dead_lettered(fault),
        }
    }
}

/// Of several errors the one that says most: a client at its end, then what a person has to mend.
pub fn worse(so_far: Option<SendError>, error: SendError) -> SendError {
    let rank = |error: &SendError| match error {
        SendError::Fatal(_) => 3,
        SendError::Misconfigured(_) => 2,
        SendError::TooLarge | SendError::Rejected(_) => 1,
        SendError::Transient(_) => 0,
    };
    match so_far {
        Some(so_far) if rank(&so_far) >= rank(&error) => so_far,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_mend_is_told_before_what_passes() {
        let transient = || SendError::Transient("a".into());
        let misconfigured = || SendError::Misconfigured("b".into());
        assert_eq!(worse(Some(transient()), misconfigured()), misconfigured());
        assert_eq!(worse(Some(misconfigured()), transient()), misconfigured());
        assert_eq!(worse(Some(misconfigured()), SendError::Fatal("c".into())), SendError::Fatal("c".into()));
        assert_eq!(worse(None, transient()), transient());
    }
}
