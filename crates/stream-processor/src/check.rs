//! `--check`: tries every dependency and changes nothing.

use cassandra::Class;
use kafka::check_topic;
use service::process::Checks;

use crate::settings::ProcessorSettings;
use crate::shard::open_table;
use crate::writer::remedy;

pub(crate) async fn run(settings: &ProcessorSettings, checks: &mut Checks) {
    let kafka = &settings.kafka;
    for topic in [&kafka.topics.user_data, &kafka.topics.dlq] {
        checks.run(&format!("kafka topic {topic}"), check_topic(kafka, "stream-processor-check", topic)).await;
    }
    let table = async {
        let table = open_table(settings).await.map_err(|error| match error.class {
            Class::Transient | Class::Overload | Class::Suspect | Class::Misconfigured => {
                format!("{error}; {}", remedy(error.class))
            }
            Class::Rejected => error.to_string(),
        })?;
        Ok::<_, String>(table.name())
    };
    checks.run("cassandra table", table).await;
}
