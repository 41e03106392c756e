//! `--check`: tries every dependency and changes nothing.

use service::process::Checks;

use crate::mailroom::CLIENT;
use crate::settings::ReplayerSettings;
use crate::stored::Stored;
use crate::topics;

pub(crate) async fn run(settings: &ReplayerSettings, checks: &mut Checks) {
    let kafka = &settings.kafka;
    for topic in topics::needed(kafka) {
        checks.run(&format!("kafka topic {topic}"), kafka::check_topic(kafka, CLIENT, topic)).await;
    }
    let table = format!("{}.{}", settings.cassandra.keyspace, settings.cassandra.table);
    let asked = Box::pin(Stored::open(settings));
    checks.run("cassandra table", async { asked.await.map(|_| table) }).await;
}
