//! Publishes a page: every record and every dead letter at once, each until it is acknowledged (I2, I4).

use std::time::Duration;

use futures::future::join_all;
use kafka::{Producer, SendError};
use service::backoff::RetrySettings;
use service::health::Health;

use crate::metrics::ProducerMetrics;
use crate::shipment::{Arrival, Shipment, Tally};

/// The name under which a missing acknowledgement keeps the service from being ready.
const SENDS: &str = "kafka sends";

/// Acknowledgements that take longer than this mean that the brokers are away.
const QUIET: Duration = Duration::from_secs(5);

/// Sends shipments, one at a time.
pub struct Publisher {
    producer: Producer,
    retry: RetrySettings,
    health: Health,
    metrics: ProducerMetrics,
}

impl Publisher {
    /// Sends through `producer`.
    pub fn new(producer: Producer, retry: RetrySettings, health: Health, metrics: ProducerMetrics) -> Self {
        Self { producer, retry, health, metrics }
    }

    /// Returns once every user of the page is acknowledged as a record or as a dead letter. Neither a shutdown nor the end
    /// of a run's time cuts it: the users are here, and only the drain deadline of the process gives them up.
    ///
    /// # Errors
    /// The client is at its end and only a new process can go on.
    pub async fn publish(&self, mut shipment: Shipment) -> Result<Tally, SendError> {
        let mut delays = self.retry.delays();
        while let Some(setback) = self.round(&mut shipment).await {
            if matches!(setback, SendError::Fatal(_)) {
                return Err(setback);
            }
            let wait = delays.next();
            self.health.not_ready(SENDS, setback.to_string(), remedy(&setback));
            tracing::warn!(
                error = %setback,
                open = shipment.open(),
                wait_seconds = wait.as_secs_f64(),
                remedy = remedy(&setback),
                "publishing failed"
            );
            self.health.while_waiting(tokio::time::sleep(wait)).await;
        }
        if self.health.ready(SENDS) {
            tracing::info!("kafka acknowledges again");
        }
        Ok(shipment.tally())
    }

    /// Sends what is open until nothing is, or until an error has to be waited out.
    async fn round(&self, shipment: &mut Shipment) -> Option<SendError> {
        while shipment.open() > 0 {
            let sends = shipment.take_open().into_iter().map(|(parcel, record)| async {
                let sent = self.producer.send(record).await.map(drop);
                (parcel, sent)
            });
            let mut setback = None;
            for (parcel, sent) in self.attended(join_all(sends)).await {
                match shipment.settle(parcel, sent) {
                    Ok(None) => {}
                    Ok(Some(Arrival::Published)) => self.metrics.published(),
                    Ok(Some(Arrival::DeadLettered(fault))) => self.metrics.dead_lettered(&fault),
                    Err(error) => setback = Some(worse(setback, error)),
                }
            }
            if setback.is_some() {
                return setback;
            }
        }
        None
    }

    /// Awaits `sends`, and tells when they take long: a send is only given back as failed after half a minute.
    async fn attended<F: Future>(&self, sends: F) -> F::Output {
        let mut sends = std::pin::pin!(self.health.while_waiting(sends));
        if let Ok(sent) = tokio::time::timeout(QUIET, &mut sends).await {
            return sent;
        }
        let reason = format!("no acknowledgement for {} s", QUIET.as_secs());
        let remedy = remedy(&SendError::Transient(String::new()));
        if self.health.not_ready(SENDS, &*reason, remedy) {
            tracing::warn!(reason, remedy, "kafka is silent");
        }
        sends.await
    }
}

/// Of several errors the one that says most: a client at its end, then what a person has to mend.
fn worse(so_far: Option<SendError>, error: SendError) -> SendError {
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

fn remedy(error: &SendError) -> &'static str {
    match error {
        SendError::Transient(_) => {
            "bring Kafka back, or set KAFKA_BOOTSTRAP_SERVERS and the KAFKA_SASL_* and KAFKA_SSL_* variables; it goes on by \
             itself"
        }
        SendError::Misconfigured(_) => {
            "create the topics, or allow this user to write to them (docker compose run --rm kafka-init creates them); it \
             goes on by itself"
        }
        SendError::TooLarge | SendError::Rejected(_) => {
            "the topic of dead letters refuses one: set its max.message.bytes 64 KiB above that of the users' topic; it goes \
             on by itself"
        }
        SendError::Fatal(_) => "start the process again",
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
