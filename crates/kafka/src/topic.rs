//! Topics that have to be there. Services never create them: they say what is missing, how to mend it, and wait.

use service::backoff::RetrySettings;
use service::health::Health;

use crate::admin::Admin;
use crate::settings::KafkaSettings;

/// What a person can do when Kafka does not answer.
pub const UNREACHABLE_REMEDY: &str =
    "bring Kafka back, or set KAFKA_BOOTSTRAP_SERVERS and the KAFKA_SASL_* and KAFKA_SSL_* variables";

/// Why a topic cannot be used, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {remedy}")]
pub struct TopicError {
    /// Why.
    pub reason: String,
    /// What a person can do.
    pub remedy: String,
    /// Kafka answered that there is no such topic; else it did not answer.
    pub is_missing: bool,
}

impl Admin {
    /// How many partitions `topic` has.
    ///
    /// # Errors
    /// It does not exist, or Kafka does not say.
    pub async fn require(&self, topic: &str) -> Result<i32, TopicError> {
        match self.partitions(topic).await {
            Ok(Some(partitions)) => Ok(partitions),
            Ok(None) => Err(TopicError {
                reason: format!("topic {topic} does not exist"),
                remedy: missing_remedy(self.settings(), topic),
                is_missing: true,
            }),
            Err(error) => {
                Err(TopicError { reason: error.to_string(), remedy: UNREACHABLE_REMEDY.to_owned(), is_missing: false })
            }
        }
    }

    /// Returns when `topic` is there, with its partitions; meanwhile the service is not ready because of it.
    pub async fn wait_for(&self, topic: &str, retry: &RetrySettings, health: &Health) -> i32 {
        let mut delays = retry.delays();
        let what = format!("kafka topic {topic}");
        loop {
            match self.require(topic).await {
                Ok(partitions) => {
                    if health.ready(&what) {
                        tracing::info!(topic, "topic is there");
                    }
                    return partitions;
                }
                Err(TopicError { reason, remedy, .. }) => {
                    let remedy = format!("{remedy}; it goes on by itself");
                    if health.not_ready(&what, reason.clone(), &remedy) {
                        tracing::warn!(topic, reason, remedy, "topic cannot be used, trying again");
                    }
                }
            }
            tokio::time::sleep(delays.next()).await;
        }
    }
}

/// For `--check`: asks for `topic` once and says what came of it.
///
/// # Errors
/// It cannot be used, with the remedy.
pub async fn check_topic(kafka: &KafkaSettings, client_id: &str, topic: &str) -> Result<String, String> {
    let admin = Admin::new(kafka, client_id).map_err(|error| error.to_string())?;
    let partitions = admin.require(topic).await.map_err(|error| error.to_string())?;
    Ok(format!("{partitions} partitions"))
}

/// The command that makes a topic as it has to be.
fn missing_remedy(kafka: &KafkaSettings, topic: &str) -> String {
    let specs = kafka.topics.specs();
    let spec = specs.iter().find(|(name, _)| *name == topic).map(|(_, spec)| spec);
    let partitions = spec.map_or(1, |spec| spec.partitions);
    let config: String =
        spec.iter().flat_map(|spec| spec.config).map(|(name, value)| format!(" --config {name}={value}")).collect();
    format!(
        "kafka-topics.sh --bootstrap-server {} --create --topic {topic} --partitions {partitions}{config}, or docker compose \
         run --rm kafka-init",
        kafka.bootstrap_servers
    )
}

#[cfg(test)]
mod tests {
    use service::settings::Reader;

    use super::*;

    #[test]
    fn the_remedy_makes_the_topic_as_it_has_to_be() {
        let kafka = KafkaSettings::read(&mut Reader::from_pairs([("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")]));
        let remedy = missing_remedy(&kafka, "user_data_dlq");
        for part in
            ["broker:9092", "--create --topic user_data_dlq --partitions 12", "message.timestamp.type=LogAppendTime"]
        {
            assert!(remedy.contains(part), "{remedy}");
        }
    }
}
