//! `cargo xtask dead-letters`: dead letters on the running stack, as the processor writes them, to try the replayer out.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use kafka::{Admin, KafkaSettings, Producer};
use schema::dead_letter::{self, App};
use schema::fault::{Fault, Violation};
use schema::headers;
use schema::reason::{Reason, Stage};
use schema::record::{Headers, NewRecord, Record};
use serde_json::{Value, json};
use service::Exit;
use uuid::Uuid;

use crate::failure::Failure;
use crate::running::Running;
use crate::screen;
use crate::settings::Settings;

const CLIENT: &str = "sluice-xtask";

/// Letters sent at once.
const AT_ONCE: usize = 5_000;

/// A field, what spoils it, and the rule that it breaks then. One rule or two neighbours make a fingerprint.
const SPOILED: [(&str, &str, &str); 10] = [
    ("email", "nobody", "email.format"),
    ("dob", "1066-10-14T00:00:00.000Z", "dob.range"),
    ("registered_date", "1066-10-14T00:00:00.000Z", "registered_date.range"),
    ("username", "x", "username.length"),
    ("phone", "0123456789012345678901234567890123456789012345678901", "phone.length"),
    ("cell", "0123456789012345678901234567890123456789012345678901", "phone.length"),
    ("latitude", "91", "latitude.range"),
    ("longitude", "181", "longitude.range"),
    ("post_code", "012345678901234567890123", "post_code.length"),
    ("id", "nobody", "id.format"),
];

/// Arguments of `dead-letters`.
#[derive(Args)]
pub(crate) struct DeadLetters {
    /// How many.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// In how many ways they fail.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=20))]
    kinds: u32,
}

/// Publishes them.
pub(crate) async fn run(arguments: DeadLetters, data_dir: &Path) -> Result<Exit, Failure> {
    let running = Running::find(data_dir)?;
    let kafka = Settings::read()?.at(running.kafka, running.cassandra).kafka;
    let began = Instant::now();
    let partitions = partitions(&kafka).await?;
    let producer = Producer::new(&kafka, CLIENT)?;
    let now = Utc::now();
    for first in (0..arguments.count).step_by(AT_ONCE) {
        let numbers = first..arguments.count.min(first + AT_ONCE as u32);
        let letters: Vec<_> = numbers.map(|number| letter(number, &arguments, &kafka, partitions, now)).collect();
        producer.send_all(letters).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    screen::print(&format!("{} dead letters on {} in {seconds:.1} s", arguments.count, kafka.topics.dlq))?;
    Ok(Exit::Done)
}

async fn partitions(kafka: &KafkaSettings) -> Result<i32, Failure> {
    let offsets = Admin::new(kafka, CLIENT)?.offsets(&kafka.topics.dlq).await?;
    Ok(offsets.map_or(1, |offsets| i32::try_from(offsets.len()).unwrap_or(1)))
}

/// One dead letter; the last of them fails now, each one a millisecond after the one before.
fn letter(
    number: u32,
    arguments: &DeadLetters,
    kafka: &KafkaSettings,
    partitions: i32,
    now: DateTime<Utc>,
) -> NewRecord {
    let failed_at = now - TimeDelta::milliseconds(i64::from(arguments.count - number));
    let id = Uuid::new_v4().to_string();
    let mut user = json!({
        "id": id, "first_name": "Ada", "last_name": "Lovelace", "gender": "female",
        "address": "1 St James's Square, London SW1Y 4LB, Westminster, United Kingdom",
        "email": "ada.lovelace@example.com", "username": "ada1815", "dob": "1915-12-10T00:00:00.000Z",
        "registered_date": "2018-10-18T04:05:51.990Z", "phone": "031-623-5189",
    });
    let kind = (number % arguments.kinds) as usize;
    let mut fault = Fault::new(Reason::QualityRule, Stage::Quality, "rules", "the record breaks rules");
    for (field, value, rule) in SPOILED.iter().cycle().skip(kind).take(1 + kind / SPOILED.len()) {
        if let Some(spoiled) = user.as_object_mut() {
            spoiled.insert((*field).to_owned(), Value::from(*value));
        }
        fault.violations.push(Violation { pointer: format!("/{field}"), rule });
    }
    let mut headers = Headers::new();
    headers.push(headers::EVENT_ID, format!("{id}/1/0"));
    headers.push(headers::EVENT_VERSION_US, failed_at.timestamp_micros().to_string());
    headers.push(headers::SCHEMA_ID, "user/1");
    let topic: Arc<str> = kafka.topics.dlq.as_str().into();
    let partition = i32::try_from(number).unwrap_or_default() % partitions;
    let record = Record {
        topic: kafka.topics.user_data.as_str().into(),
        partition,
        // A new run makes new letters, not the same ones again.
        offset: now.timestamp_millis() + i64::from(number),
        timestamp_ms: Some(failed_at.timestamp_millis()),
        key: Some(id.into_bytes()),
        value: Some(user.to_string().into_bytes()),
        headers,
    };
    let app = App { name: CLIENT, version: env!("CARGO_PKG_VERSION") };
    dead_letter::from_record(record, &fault, &topic, partitions, &kafka.group_id, &app, failed_at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schema::dead_letter::DeadLetter;
    use service::settings::Reader;

    use super::*;

    #[test]
    fn the_letters_fail_in_as_many_ways_as_asked_for_and_are_all_others() {
        let kafka = KafkaSettings::read(&mut Reader::from_pairs([("", "")]));
        for kinds in [1, 3, 20] {
            let arguments = DeadLetters { count: 100, kinds };
            let letters: Vec<_> = (0..100)
                .map(|number| DeadLetter::parse(&letter(number, &arguments, &kafka, 12, Utc::now()).headers).unwrap())
                .collect();
            let fingerprints: BTreeSet<_> = letters.iter().map(|letter| &letter.fingerprint).collect();
            let ids: BTreeSet<_> = letters.iter().map(|letter| &letter.id).collect();
            assert_eq!((fingerprints.len(), ids.len()), (kinds as usize, 100));
        }
    }
}
