//! `--check`: tries every dependency and changes nothing.

use kafka::check_topic;
use service::process::Checks;

use crate::cursor::{Place, random_seed};
use crate::request::Api;
use crate::settings::ProducerSettings;
use crate::shelf::Shelf;

pub(crate) async fn run(settings: &ProducerSettings, checks: &mut Checks) {
    let kafka = &settings.kafka;
    for topic in settings.topics() {
        checks.run(&format!("kafka topic {topic}"), check_topic(kafka, "producer-check", topic)).await;
    }
    checks.run("place in the api", place(settings)).await;
    checks.run("api", one_user(settings)).await;
}

async fn one_user(settings: &ProducerSettings) -> Result<String, String> {
    let api = Api::new(&settings.api).map_err(|error| error.to_string())?;
    let page =
        api.page(&Place::first(&random_seed()), 1).await.map_err(|error| format!("{error}; {}", error.remedy()))?;
    Ok(format!("answers with version {}", page.info.version))
}

async fn place(settings: &ProducerSettings) -> Result<String, String> {
    let shelf = Shelf::new(&settings.kafka, &settings.name);
    let stored = shelf.read().await.map_err(|error| format!("{error}; {}", error.remedy()))?;
    Ok(stored.map_or_else(|| "none is kept yet".to_owned(), |at| format!("seed {}, page {}", at.seed, at.page)))
}
