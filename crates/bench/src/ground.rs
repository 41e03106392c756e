//! What a run stands on: a Kafka and a Cassandra of its own with topics and table, and the settings to reach them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cassandra::{CassandraSettings, Class, Session, Table};
use kafka::{Admin, KafkaSettings};
use local_stack::{Artifacts, Profile, Stack, StackOptions};
use service::settings::Reader;

use crate::failure::BenchError;
use crate::sampler::Sampler;

/// How our own clients call themselves.
pub(crate) const CLIENT: &str = "sluice-bench";
/// The name of this server in a [`Sampler`].
pub(crate) const KAFKA: &str = "kafka";
/// See [`KAFKA`].
pub(crate) const CASSANDRA: &str = "cassandra";
/// Both.
pub(crate) const SERVERS: [&str; 2] = [KAFKA, CASSANDRA];

/// Cassandra counts as quiet below so many cores, over [`QUIET_FOR`].
const QUIET_CORES: f64 = 0.15;
const QUIET_FOR: Duration = Duration::from_secs(1);
/// How often a question is asked that Cassandra is too busy for, and after which time again.
const TRIES: u32 = 10;
const AGAIN: Duration = Duration::from_secs(1);
/// How long quiet is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module's page. Dropped, the servers are killed.
pub struct Ground {
    stack: Arc<Stack>,
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// How to reach Cassandra, and the table.
    pub cassandra: CassandraSettings,
    settings: BTreeMap<&'static str, String>,
    admin: Admin,
    session: Session,
    folder: PathBuf,
}

impl Ground {
    /// Starts both servers with data that is new below `folder`, and makes the services' topics and the table from the DDL of
    /// `cql`.
    ///
    /// # Errors
    /// A server does not start, or does not do as asked.
    pub async fn start(folder: &Path, cql: &Path, artifacts: &Artifacts) -> Result<Self, BenchError> {
        Self::start_as(Profile::Bench, folder, cql, artifacts).await
    }

    /// The same for servers that need not be fast.
    ///
    /// # Errors
    /// A server does not start, or does not do as asked.
    pub async fn start_as(
        profile: Profile,
        folder: &Path,
        cql: &Path,
        artifacts: &Artifacts,
    ) -> Result<Self, BenchError> {
        let data = folder.join("stack");
        if data.exists() {
            std::fs::remove_dir_all(&data).map_err(BenchError::file(&data))?;
        }
        let options = StackOptions::new(data, profile);
        let artifacts = artifacts.clone();
        let starting = tokio::task::spawn_blocking(move || Stack::start(&options, &artifacts));
        let stack = Arc::new(starting.await??);
        let (kafka, cassandra) = (stack.kafka().address(), stack.cassandra().address());
        let settings = BTreeMap::from([
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.to_string()),
            // Full batches of our own load, whatever the machine does meanwhile.
            ("KAFKA_LINGER_MS", "50".to_owned()),
            ("CASSANDRA_HOSTS", cassandra.ip().to_string()),
            ("CASSANDRA_PORT", cassandra.port().to_string()),
            ("CASSANDRA_CONSISTENCY", "LOCAL_ONE".to_owned()),
        ]);
        let mut reader = Reader::from_pairs(settings.iter().map(|(name, value)| (*name, value.as_str())));
        let (kafka, cassandra) = (KafkaSettings::read(&mut reader), CassandraSettings::read(&mut reader));
        reader.finish()?;
        let admin = Admin::new(&kafka, CLIENT)?;
        admin.create_topics(&kafka.topics.specs(), 1).await?;
        let session = Session::connect(&cassandra).await?;
        session.migrate(cql, &cassandra).await?;
        Ok(Self { stack, kafka, cassandra, settings, admin, session, folder: folder.to_owned() })
    }

    /// The variables that tell a service or a contender where the servers and the table are.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        let mut environment = self.settings.clone();
        environment.remove("KAFKA_LINGER_MS");
        environment.insert("CASSANDRA_KEYSPACE", self.cassandra.keyspace.clone());
        environment.insert("CASSANDRA_TABLE", self.cassandra.table.clone());
        environment
    }

    /// Where runs keep their logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// For questions to Kafka.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// For questions to Cassandra.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// `keyspace.table` of the users.
    #[must_use]
    pub fn table(&self) -> String {
        format!("{}.{}", self.cassandra.keyspace, self.cassandra.table)
    }

    /// Both servers, by the names that a [`Sampler`] has for them.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn servers(&self) -> Result<Vec<(&'static str, u32)>, BenchError> {
        let servers = [(KAFKA, self.stack.kafka()), (CASSANDRA, self.stack.cassandra())];
        let running = servers.map(|(name, node)| {
            let gone = || BenchError::Unreadable(format!("{name} has ended; its log is {}", node.log().display()));
            Ok((name, node.pid().ok_or_else(gone)?))
        });
        running.into_iter().collect()
    }

    /// Runs a statement that may be run again, and again where Cassandra is too busy: a contest of hours does not end for it.
    pub(crate) async fn ask(&self, statement: &str) -> Result<Table, BenchError> {
        let mut tries = 1;
        loop {
            match self.session.query(statement).await {
                Err(error) if tries < TRIES && matches!(error.class, Class::Transient | Class::Overload) => tries += 1,
                answer => return Ok(answer?),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Empties the table.
    ///
    /// # Errors
    /// Cassandra does not do it.
    pub async fn truncate(&self) -> Result<(), BenchError> {
        self.ask(&format!("TRUNCATE {}", self.table())).await?;
        Ok(())
    }

    /// Waits until Cassandra has no compaction to do and next to nothing else, at most a minute; how long it took, or none
    /// where it did not come to rest.
    ///
    /// # Errors
    /// A server has ended.
    pub async fn quiet(&self) -> Result<Option<Duration>, BenchError> {
        let began = Instant::now();
        let sampler = Sampler::start(&self.servers()?)?;
        let mut before = sampler.sample();
        while began.elapsed() < PATIENCE {
            tokio::time::sleep(QUIET_FOR).await;
            let now = sampler.sample();
            let cores = now.since(&before).cores(CASSANDRA);
            let tasks = self.ask("SELECT task_id FROM system_views.sstable_tasks").await?;
            if cores < QUIET_CORES && tasks.rows.is_empty() {
                return Ok(Some(began.elapsed()));
            }
            before = now;
        }
        Ok(None)
    }

    /// Writes to the table since the server started, repeated ones included. No scan.
    ///
    /// # Errors
    /// Cassandra does not answer.
    pub async fn written(&self) -> Result<u64, BenchError> {
        let statement = format!(
            "SELECT count FROM system_views.local_write_latency WHERE keyspace_name = '{}' AND table_name = '{}'",
            self.cassandra.keyspace, self.cassandra.table
        );
        let answer = self.ask(&statement).await?;
        let Some(count) = answer.rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten() else {
            return Ok(0);
        };
        count.parse().map_err(|_| BenchError::Unreadable(format!("Cassandra counts {count} writes")))
    }

    /// Ends both servers in order.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn stop(&self) -> Result<(), BenchError> {
        let stack = Arc::clone(&self.stack);
        Ok(tokio::task::spawn_blocking(move || stack.stop()).await??)
    }
}
