//! `--check`: tries every dependency and changes nothing.

use cassandra::Class;
use kafka::{Admin, KafkaSettings};
use service::process::Checks;

use crate::settings::ProcessorSettings;
use crate::shard::{KAFKA_REMEDY, open_table, topic_remedy};
use crate::writer::remedy;

pub(crate) async fn run(settings: &ProcessorSettings, checks: &mut Checks) {
    let kafka = &settings.kafka;
    for topic in [&kafka.topics.user_data, &kafka.topics.dlq] {
        checks.run(&format!("kafka topic {topic}"), topic_check(kafka, topic)).await;
    }
    let table = async {
        let table = open_table(settings).await.map_err(|error| match error.class {
            Class::Transient | Class::Misconfigured => format!("{error}; {}", remedy(error.class)),
            Class::Rejected => error.to_string(),
        })?;
        Ok::<_, String>(table.name())
    };
    checks.run("cassandra table", table).await;
}

async fn topic_check(kafka: &KafkaSettings, topic: &str) -> Result<String, String> {
    let admin = Admin::new(kafka, "stream-processor-check").map_err(|error| error.to_string())?;
    match admin.partitions(topic).await {
        Ok(Some(partitions)) => Ok(format!("{partitions} partitions")),
        Ok(None) => Err(format!("does not exist; {}", topic_remedy(kafka, topic))),
        Err(error) => Err(format!("{error}; {KAFKA_REMEDY}")),
    }
}
