//! `--check`: tries every dependency and changes nothing.

use kafka::{Admin, KafkaSettings};
use service::process::Checks;

use crate::mailroom::CLIENT;
use crate::topics;

pub(crate) async fn run(kafka: &KafkaSettings, checks: &mut Checks) {
    for topic in topics::needed(kafka) {
        let check = async {
            let admin = Admin::new(kafka, CLIENT).map_err(|error| error.to_string())?;
            let partitions = topics::partitions(&admin, kafka, topic).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(format!("{partitions} partitions"))
        };
        checks.run(&format!("kafka topic {topic}"), check).await;
    }
}
