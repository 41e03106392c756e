//! `--check`: tries every dependency and changes nothing.

use kafka::KafkaSettings;
use service::process::Checks;

use crate::mailroom::CLIENT;
use crate::topics;

pub(crate) async fn run(kafka: &KafkaSettings, checks: &mut Checks) {
    for topic in topics::needed(kafka) {
        checks.run(&format!("kafka topic {topic}"), kafka::check_topic(kafka, CLIENT, topic)).await;
    }
}
