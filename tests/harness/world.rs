//! Topics and a keyspace of a test's own, on the shared stack.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cassandra::{CassandraSettings, Session};
use kafka::{Admin, Delivered, KafkaSettings, Producer, Start, TopicReader};
use schema::record::{Headers, NewRecord, Record};
use schema::topics::TopicSpec;
use serde_json::{Value, json};
use service::Exit;
use service::settings::Reader;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::census::Census;
use crate::running::Running;
use crate::stack::stack;
use crate::wait::wait_for;

/// One row, column by column; null is none.
pub type Row = BTreeMap<String, Option<String>>;

/// Partitions of a test's topics: enough for records to spread, few enough for many tests on one small broker.
const PARTITIONS: i32 = 3;

/// See the module's page.
#[derive(Clone)]
pub struct World {
    settings: BTreeMap<String, String>,
    session: Arc<OnceCell<Session>>,
}

impl World {
    /// Makes topics and table.
    pub async fn new(name: &str) -> Self {
        let world = Self::without_topics_and_table(name).await;
        world.create_topics().await;
        world.create_table().await;
        world
    }

    /// Names and addresses only: for tests of what is missing.
    pub async fn without_topics_and_table(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let stack = tokio::task::spawn_blocking(stack).await.expect("the stack");
        let id = format!("{name}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut world = Self { settings: BTreeMap::new(), session: Arc::default() };
        for (name, value) in [
            ("KAFKA_BOOTSTRAP_SERVERS", stack.kafka().address().to_string()),
            ("KAFKA_TOPIC_USER_DATA", id.clone()),
            ("KAFKA_TOPIC_DLQ", format!("{id}_dlq")),
            ("KAFKA_TOPIC_PARKED", format!("{id}_parked")),
            ("KAFKA_TOPIC_LEDGER", format!("{id}_ledger")),
            ("KAFKA_TOPIC_CURSOR", format!("{id}_cursor")),
            ("KAFKA_GROUP_ID", format!("{id}_group")),
            ("CASSANDRA_HOSTS", stack.cassandra().address().ip().to_string()),
            ("CASSANDRA_PORT", stack.cassandra().address().port().to_string()),
            ("CASSANDRA_KEYSPACE", id),
            ("RETRY_BASE_DELAY", "0.05".to_owned()),
            ("RETRY_MAX_DELAY", "0.5".to_owned()),
            ("API_RETRY_BASE_DELAY", "0.05".to_owned()),
            ("COMMIT_INTERVAL_MS", "100".to_owned()),
            ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        ] {
            world.settings.insert(name.to_owned(), value);
        }
        world
    }

    /// The same world with one more setting.
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut world = self.clone();
        world.settings.insert(name.to_owned(), value.into());
        world
    }

    /// For a process's environment.
    pub fn settings(&self) -> Vec<(String, String)> {
        self.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn read<T>(&self, read: impl FnOnce(&mut Reader) -> T) -> T {
        let mut reader = Reader::from_pairs(self.settings());
        let settings = read(&mut reader);
        reader.finish().expect("settings of the test");
        settings
    }

    /// Kafka settings, topics included.
    pub fn kafka(&self) -> KafkaSettings {
        self.read(KafkaSettings::read)
    }

    fn cassandra(&self) -> CassandraSettings {
        self.read(CassandraSettings::read)
    }

    /// Makes the five topics.
    pub async fn create_topics(&self) {
        let kafka = self.kafka();
        let topics = kafka.topics.specs().map(|(name, spec)| (name, TopicSpec { partitions: PARTITIONS, ..spec }));
        self.admin().create_topics(&topics, 1).await.expect("topics");
    }

    /// Applies `cql/`.
    pub async fn create_table(&self) {
        let settings = self.cassandra();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cql");
        self.session().await.migrate(&folder, &settings).await.expect("the table");
    }

    /// A client for questions.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.kafka(), "test").expect("an admin client")
    }

    /// The test's session.
    pub async fn session(&self) -> &Session {
        let settings = self.cassandra();
        self.session.get_or_init(async || Session::connect(&settings).await.expect("a session")).await
    }

    /// Starts the processor.
    pub fn processor(&self) -> Running {
        let settings = self.read(stream_processor::ProcessorSettings::read);
        Running::start(|context| async {
            stream_processor::run(settings, context).await.map_err(|error| error.to_string())
        })
    }

    /// Starts the producer; `mode` and the rest come from the settings.
    pub fn producer(&self, api: &str) -> Running {
        let settings = self.with("API_BASE_URL", api).read(producer::ProducerSettings::read);
        Running::start(|context| async { producer::run(settings, context).await.map_err(|error| error.to_string()) })
    }

    /// Runs the producer in mode `once`.
    pub async fn produce_once(&self, api: &str) -> Exit {
        self.with("PRODUCER_MODE", "once").producer(api).end().await
    }

    /// Publishes records to `user_data` and waits for every acknowledgement; where each was stored, in order.
    pub async fn publish(&self, records: Vec<NewRecord>) -> Vec<Delivered> {
        let producer = Arc::new(Producer::new(&self.kafka(), "test").expect("a producer"));
        let send = |record| {
            let producer = Arc::clone(&producer);
            tokio::spawn(async move { producer.send(record).await })
        };
        // All under way at once, handed over in order.
        let sends: Vec<_> = records.into_iter().map(send).collect();
        let mut delivered = Vec::with_capacity(sends.len());
        for sent in sends {
            delivered.push(sent.await.expect("the task of the send").expect("a stored record"));
        }
        delivered
    }

    /// Everything on a topic, by partition and offset.
    pub async fn records(&self, topic: &str) -> Vec<Record> {
        let (kafka, topic) = (self.kafka(), topic.to_owned());
        let read = move || {
            let reader = TopicReader::open(&kafka, "test", &topic, &Start::Beginning).expect("a topic");
            let mut records: Vec<Record> = reader.map(|record| record.expect("a record")).collect();
            records.sort_by_key(|record| (record.partition, record.offset));
            records
        };
        tokio::task::spawn_blocking(read).await.expect("the reading")
    }

    /// Everything on `user_data`.
    pub async fn user_data(&self) -> Vec<Record> {
        self.records(&self.kafka().topics.user_data).await
    }

    /// Everything on the DLQ.
    pub async fn dead_letters(&self) -> Vec<Record> {
        self.records(&self.kafka().topics.dlq).await
    }

    /// Every row by id.
    pub async fn rows(&self) -> BTreeMap<String, Row> {
        let settings = self.cassandra();
        let statement = format!("SELECT * FROM {}.{}", settings.keyspace, settings.table);
        let table = self.session().await.query(&statement).await.expect("rows");
        let row = |values: Vec<Option<String>>| table.columns.iter().cloned().zip(values).collect::<Row>();
        table.rows.iter().cloned().map(row).map(|row| (row["id"].clone().expect("an id"), row)).collect()
    }

    /// Where every key is now.
    pub async fn census(&self) -> Census {
        let parked = self.records(&self.kafka().topics.parked).await;
        Census::of(self.rows().await.into_keys(), &self.dead_letters().await, &parked)
    }

    /// Waits until the group has committed everything that is on `user_data` now, and returns how many records that is.
    pub async fn wait_until_consumed(&self) -> usize {
        let (admin, kafka) = (self.admin(), self.kafka());
        let topic = &kafka.topics.user_data;
        let ends = admin.offsets(topic).await.expect("offsets").expect("the topic");
        wait_for("everything consumed and committed", async || {
            // The coordinator moves and loads in the first seconds of a broker: asked again.
            let committed = admin.committed(&kafka.group_id, topic).await.map_err(|error| error.to_string())?;
            let open: Vec<_> = ends
                .iter()
                .filter(|(partition, (low, high))| high > low && committed.get(partition) < Some(high))
                .map(|(partition, ends)| (*partition, *ends, committed.get(partition).copied()))
                .collect();
            if open.is_empty() { Ok(()) } else { Err(format!("partition, ends, committed: {open:?}")) }
        })
        .await;
        ends.values().map(|(low, high)| usize::try_from(high - low).expect("a length")).sum()
    }

    /// Waits until the table has `count` rows.
    pub async fn wait_for_rows(&self, count: usize) -> BTreeMap<String, Row> {
        wait_for(&format!("{count} rows"), async || {
            let rows = self.rows().await;
            if rows.len() == count { Ok(rows) } else { Err(rows.len()) }
        })
        .await
    }

    /// A record for `user_data`.
    pub fn record(&self, key: Option<&str>, value: Option<&[u8]>, headers: Headers) -> NewRecord {
        NewRecord {
            topic: Arc::from(self.kafka().topics.user_data),
            partition: None,
            timestamp_ms: None,
            key: key.map(|key| key.as_bytes().to_vec()),
            value: value.map(<[u8]>::to_vec),
            headers,
        }
    }
}

/// A whole record of `user/1` as the producer writes it; `change` may spoil its value or its headers.
pub fn user_record(
    world: &World,
    id: Uuid,
    version_us: i64,
    change: impl FnOnce(&mut Value, &mut Headers),
) -> NewRecord {
    let mut value = json!({
        "id": id, "first_name": "Ada", "last_name": "Lovelace", "gender": "female",
        "address": "1 St James's Square, London SW1Y 4LB, Westminster, United Kingdom",
        "email": "ada.lovelace@example.com", "username": "ada1815", "dob": "1915-12-10T00:00:00.000Z",
        "registered_date": "2018-10-18T04:05:51.990Z", "phone": "031-623-5189",
    });
    let mut headers = Headers::new();
    headers.push("event.id", format!("{id}/1/0"));
    headers.push("event.version_us", version_us.to_string());
    headers.push("schema.id", "user/1");
    headers.push("run.id", Uuid::nil().to_string());
    headers.push("source", "randomuser:test/1/0");
    change(&mut value, &mut headers);
    world.record(Some(&id.to_string()), Some(value.to_string().as_bytes()), headers)
}

/// A flat record as older pipelines write it: no headers.
pub fn flat_record(world: &World, key: Option<&str>, value: &Value) -> NewRecord {
    world.record(key, Some(value.to_string().as_bytes()), Headers::new())
}
