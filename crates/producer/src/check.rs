//! `--check`: tries every dependency and changes nothing.

use kafka::check_topic;
use service::process::Checks;

use crate::cursor::{Cursor, random_seed};
use crate::request::Api;
use crate::settings::ProducerSettings;

pub(crate) async fn run(settings: &ProducerSettings, checks: &mut Checks) {
    let kafka = &settings.kafka;
    for topic in [&kafka.topics.user_data, &kafka.topics.dlq] {
        checks.run(&format!("kafka topic {topic}"), check_topic(kafka, "producer-check", topic)).await;
    }
    checks.run("api", one_user(settings)).await;
}

async fn one_user(settings: &ProducerSettings) -> Result<String, String> {
    let api = Api::new(&settings.api).map_err(|error| error.to_string())?;
    let cursor = Cursor::new(&random_seed());
    let page = api.page(cursor.place(), 1).await.map_err(|error| format!("{error}; {}", error.remedy()))?;
    Ok(format!("answers with version {}", page.info.version))
}
