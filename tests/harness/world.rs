//! Topics and a keyspace of a test's own, on the shared stack.

use std::any::Any;
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
use crate::evidence::Evidence;
use crate::process::Process;
use crate::running::Running;
use crate::servers::{Servers, turn};
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
    held: Option<Arc<Held>>,
}

/// Until the last clone of a world goes; in this order.
struct Held {
    evidence: Evidence,
    _turn: Box<dyn Any + Send + Sync>,
}

impl World {
    /// Makes topics and table.
    pub async fn new(name: &str) -> Self {
        let world = Self::without_topics_and_table(name).await;
        world.create_topics().await;
        world.create_table().await;
        world
    }

    /// A world whose test has the servers alone, to disturb them.
    pub async fn alone(name: &str) -> (Self, Servers) {
        let turn = turn().write_owned().await;
        let world = Self::beginning(name, Box::new(turn)).await;
        let servers = Servers(());
        world.create_topics().await;
        world.create_table().await;
        (world, servers)
    }

    /// Names and addresses only: for tests of what is missing.
    pub async fn without_topics_and_table(name: &str) -> Self {
        let turn = turn().read_owned().await;
        Self::beginning(name, Box::new(turn)).await
    }

    /// For a look at what a failed test left; it holds nothing.
    pub(crate) fn looking_at(settings: BTreeMap<String, String>) -> Self {
        Self { settings, session: Arc::default(), held: None }
    }

    async fn beginning(name: &str, turn: Box<dyn Any + Send + Sync>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let stack = tokio::task::spawn_blocking(stack).await.expect("the stack");
        let id = format!("{name}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut settings = BTreeMap::new();
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
            ("CASSANDRA_KEYSPACE", id.clone()),
            ("RETRY_BASE_DELAY", "0.05".to_owned()),
            ("RETRY_MAX_DELAY", "0.5".to_owned()),
            ("API_RETRY_BASE_DELAY", "0.05".to_owned()),
            ("COMMIT_INTERVAL_MS", "100".to_owned()),
            ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        ] {
            settings.insert(name.to_owned(), value);
        }
        let evidence = Evidence::begin(&id, &settings);
        Self { settings, session: Arc::default(), held: Some(Arc::new(Held { evidence, _turn: turn })) }
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
        let admin = self.admin();
        admin.create_topics(&topics, 1).await.expect("topics");
        // A broker tells of a new topic a moment after it has made it.
        for (topic, _) in topics {
            wait_for("a topic", async || admin.require(topic).await.map_err(|error| error.to_string())).await;
        }
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

    /// Starts a service as a process; its log is evidence.
    pub fn process(&self, name: &'static str) -> Process {
        self.process_with(name, &[])
    }

    /// The same with arguments.
    pub fn process_with(&self, name: &'static str, arguments: &[&str]) -> Process {
        let held = self.held.as_ref().expect("a world of a test");
        Process::start(name, arguments, &self.settings(), &held.evidence.log_of(name))
    }

    /// Starts the processor inside the test.
    pub fn processor(&self) -> Running {
        let settings = self.read(stream_processor::ProcessorSettings::read);
        Running::start(|context| async {
            stream_processor::run(settings, context).await.map_err(|error| error.to_string())
        })
    }

    /// Starts the producer inside the test; `mode` and the rest come from the settings.
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
        let producer = Producer::patient(&self.kafka(), "test").expect("a producer");
        let sent = producer.send_all(records).await;
        sent.into_iter().map(|sent| sent.expect("a stored record")).collect()
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

    /// Every row by id. A Cassandra that was away is asked until it answers.
    pub async fn rows(&self) -> BTreeMap<String, Row> {
        let settings = self.cassandra();
        let statement = format!("SELECT * FROM {}.{}", settings.keyspace, settings.table);
        let session = self.session().await;
        let table = wait_for("rows", async || session.query(&statement).await.map_err(|error| error.to_string())).await;
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
        // Behind a transaction the end is a marker, which is no record.
        let records = self.user_data().await;
        let ends: BTreeMap<i32, i64> = records.iter().map(|record| (record.partition, record.offset + 1)).collect();
        wait_for("everything consumed and committed", async || {
            let committed = self.committed().await?;
            let open: Vec<_> = ends
                .iter()
                .map(|(partition, end)| (*partition, *end, committed.get(partition).copied()))
                .filter(|(_, end, committed)| committed.is_none_or(|committed| committed < *end))
                .collect();
            if open.is_empty() { Ok(()) } else { Err(format!("partition, end, committed: {open:?}")) }
        })
        .await;
        records.len()
    }

    /// What the group has committed on `user_data`, by partition. A coordinator that moves or loads does not answer.
    pub async fn committed(&self) -> Result<BTreeMap<i32, i64>, String> {
        let kafka = self.kafka();
        let committed = self.admin().committed(&kafka.group_id, &kafka.topics.user_data).await;
        committed.map_err(|error| error.to_string())
    }

    /// How many records of `user_data` the group has committed.
    pub async fn committed_records(&self) -> usize {
        let committed = wait_for("committed offsets", async || self.committed().await).await;
        let passed = |record: &Record| committed.get(&record.partition).is_some_and(|next| record.offset < *next);
        self.user_data().await.iter().filter(|record| passed(record)).count()
    }

    /// Waits until the table has `count` rows.
    pub async fn wait_for_rows(&self, count: usize) -> BTreeMap<String, Row> {
        wait_for(&format!("{count} rows"), async || {
            let rows = self.rows().await;
            if rows.len() == count { Ok(rows) } else { Err(rows.len()) }
        })
        .await
    }

    /// Waits until the table has at least `count` rows.
    pub async fn wait_for_at_least(&self, count: usize) {
        wait_for(&format!("at least {count} rows"), async || {
            let rows = self.rows().await.len();
            if rows >= count { Ok(()) } else { Err(rows) }
        })
        .await;
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
