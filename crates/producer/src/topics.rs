//! The topics that have to be there before a user is fetched. They are never created here.

use kafka::{Admin, KafkaSettings};
use service::backoff::RetrySettings;
use service::health::Health;
use service::shutdown::Shutdown;

/// Why a topic cannot be written to, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {remedy}")]
pub struct TopicError {
    reason: String,
    remedy: String,
}

/// How many partitions `topic` has.
///
/// # Errors
/// It does not exist, or Kafka does not say.
pub async fn partitions(admin: &Admin, kafka: &KafkaSettings, topic: &str) -> Result<i32, TopicError> {
    match admin.partitions(topic).await {
        Ok(Some(partitions)) => Ok(partitions),
        Ok(None) => Err(TopicError {
            reason: "the topic does not exist".to_owned(),
            remedy: format!(
                "kafka-topics.sh --bootstrap-server {} --create --topic {topic} --partitions 12, or docker compose run --rm \
                 kafka-init; it goes on by itself",
                kafka.bootstrap_servers
            ),
        }),
        Err(error) => Err(TopicError {
            reason: error.to_string(),
            remedy:
                "bring Kafka back, or set KAFKA_BOOTSTRAP_SERVERS and the KAFKA_SASL_* and KAFKA_SSL_* variables; it \
                     goes on by itself"
                    .to_owned(),
        }),
    }
}

/// Returns once the topics of users and of dead letters are there; none when a shutdown is requested first.
pub async fn wait(
    admin: &Admin,
    kafka: &KafkaSettings,
    retry: &RetrySettings,
    health: &Health,
    shutdown: &Shutdown,
) -> Option<()> {
    let mut delays = retry.delays();
    for topic in [&kafka.topics.user_data, &kafka.topics.dlq] {
        let what = format!("kafka topic {topic}");
        while let Err(error) = shutdown.cuts(health.while_waiting(partitions(admin, kafka, topic))).await? {
            let wait = delays.next();
            health.not_ready(&what, error.reason.clone(), &error.remedy);
            tracing::warn!(
                topic,
                error = error.reason,
                remedy = error.remedy,
                wait_seconds = wait.as_secs_f64(),
                "a topic cannot be written to"
            );
            shutdown.cuts(health.while_waiting(tokio::time::sleep(wait))).await?;
        }
        if health.ready(&what) {
            tracing::info!(topic, "the topic is there");
        }
    }
    Some(())
}
