//! Questions to the cluster: which topics there are, where they end, what a group has committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schema::topics::TopicSpec;

use crate::account::Account;
use crate::error::{Class, ClientError, RequestError, class};
use crate::queue::{Listed, listed};
use crate::settings::KafkaSettings;
use crate::topic_config;
use crate::topic_ids::TopicIds;
use crate::way_back::may_be_lost;

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The client could not be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster did not answer, or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The task that waits for the client ended early.
    #[error("the task that asks the cluster ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// What became of the records below it; none where the commit carries no account of ours.
    pub account: Option<Account>,
}

/// A client for questions. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    settings: Arc<KafkaSettings>,
    client_id: Arc<str>,
    client: Arc<Mutex<Arc<BaseConsumer>>>,
}

impl Admin {
    /// Builds the client; nothing is asked yet.
    pub fn new(settings: &KafkaSettings, client_id: &str) -> Result<Self, ClientError> {
        let client: BaseConsumer = settings.admin(client_id).create().map_err(ClientError::Config)?;
        let client = Arc::new(Mutex::new(Arc::new(client)));
        Ok(Self { settings: Arc::new(settings.clone()), client_id: client_id.into(), client })
    }

    pub(crate) fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    fn client(&self) -> MutexGuard<'_, Arc<BaseConsumer>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks with another client from now on: this one may know no broker any more, and nothing listens to what it says.
    fn begin_anew(&self) -> Result<(), KafkaError> {
        let client = self.settings.admin(&self.client_id).create()?;
        *self.client() = Arc::new(client);
        Ok(())
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        question: impl FnOnce(&BaseConsumer) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, AdminError> {
        let admin = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let client = Arc::clone(&admin.client());
            let answer = question(&client);
            if answer.as_ref().is_err_and(may_be_lost)
                && let Err(error) = admin.begin_anew()
            {
                tracing::warn!(%error, "a client for questions cannot be built anew");
            }
            answer
        })
        .await?;
        answer.map_err(|source| RequestError { what, source }.into())
    }

    /// How many partitions a topic has; none when there is no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<Option<i32>, AdminError> {
        let topic = topic.to_owned();
        self.ask("asking for a topic's partitions", move |client| partitions(client, &topic)).await
    }

    /// For each partition the first offset and one past the last; none when there is no such topic.
    pub async fn offsets(&self, topic: &str) -> Result<Option<BTreeMap<i32, (i64, i64)>>, AdminError> {
        let topic = topic.to_owned();
        self.ask("asking for a topic's offsets", move |client| {
            let Some(count) = partitions(client, &topic)? else { return Ok(None) };
            (0..count).map(|p| Ok((p, watermarks(client, &topic, p)?))).collect::<Result<_, _>>().map(Some)
        })
        .await
    }

    /// What `group` has committed, by partition; partitions it never committed are missing.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>, AdminError> {
        let commits = self.commits(group, topic).await?;
        Ok(commits.into_iter().map(|(partition, committed)| (partition, committed.offset)).collect())
    }

    /// The same with the accounts that the commits carry.
    pub async fn commits(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, Committed>, AdminError> {
        let Some(count) = self.partitions(topic).await? else { return Ok(BTreeMap::new()) };
        let mut config = self.settings.reader("sluice-admin");
        config.set("group.id", group);
        let topic = topic.to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer = config.create()?;
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition_range(&topic, 0, count - 1);
            let answer = patiently(&client, |client| client.committed_offsets(wanted.clone(), ANSWER))?;
            // SAFETY: the list is alive.
            let listed = unsafe { listed(answer.ptr()) };
            let mut commits = BTreeMap::new();
            for Listed { partition, offset, metadata, error, .. } in listed {
                error.map_err(KafkaError::OffsetFetch)?;
                if offset >= 0 {
                    commits.insert(partition, Committed { offset, account: Account::decode(&metadata, offset) });
                }
            }
            Ok(commits)
        })
        .await?;
        answer.map_err(|source| RequestError { what: "asking for committed offsets", source }.into())
    }

    /// The id of a topic, as Kafka's tools print it; none when there is no such topic, or the broker has no ids.
    pub async fn topic_id(&self, topic: &str) -> Result<Option<String>, AdminError> {
        let topic = topic.to_owned();
        self.ask("asking for a topic's id", move |client| {
            let unanswered = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
            let mut ids = TopicIds::new(client).ok_or_else(|| KafkaError::ClientCreation("no memory".to_owned()))?;
            ids.ask(client, std::slice::from_ref(&topic), ANSWER);
            let ids = ids.answer(ANSWER).ok_or(unanswered)?;
            Ok(ids.into_iter().find(|(name, _)| *name == topic).and_then(|(_, id)| id))
        })
        .await
    }

    /// What the broker says of a topic's configuration `name`; none where it has no such one.
    pub async fn topic_config(&self, topic: &str, name: &str) -> Result<Option<String>, AdminError> {
        let (topic, name) = (topic.to_owned(), name.to_owned());
        self.ask("asking for a topic's configuration", move |client| topic_config::value(client, &topic, &name, ANSWER))
            .await
    }

    /// Sets what `group` has committed, with whatever metadata, as a person would by hand. The group must have no members: for
    /// one that has, the broker refuses.
    pub async fn set_committed(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: i64,
        metadata: &str,
    ) -> Result<(), AdminError> {
        let mut config = self.settings.reader("sluice-admin");
        config.set("group.id", group);
        let (topic, metadata) = (topic.to_owned(), metadata.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer = config.create()?;
            let mut offsets = TopicPartitionList::with_capacity(1);
            let mut element = offsets.add_partition(&topic, partition);
            element.set_offset(Offset::Offset(offset))?;
            element.set_metadata(&metadata);
            client.commit(&offsets, CommitMode::Sync)
        })
        .await?;
        answer.map_err(|source| RequestError { what: "setting a committed offset", source }.into())
    }

    /// Deletes a topic with everything on it. For stacks of one's own and tests, as [`Self::create_topics`].
    pub async fn delete_topic(&self, topic: &str) -> Result<(), AdminError> {
        let client: AdminClient<DefaultClientContext> =
            self.settings.admin("sluice-admin").create().map_err(ClientError::Config)?;
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let failed = |source| RequestError { what: "deleting a topic", source };
        for result in client.delete_topics(&[topic], &options).await.map_err(failed)? {
            result.map_err(|(_, code)| failed(KafkaError::AdminOp(code)))?;
        }
        Ok(())
    }

    /// Makes topics; one that exists is left as it is. For stacks of one's own and tests: services never create topics.
    pub async fn create_topics(&self, topics: &[(&str, TopicSpec)], replication: i32) -> Result<(), AdminError> {
        let client: AdminClient<DefaultClientContext> =
            self.settings.admin("sluice-admin").create().map_err(ClientError::Config)?;
        let specs = topics.iter().map(|(name, topic)| {
            let mut new = NewTopic::new(name, topic.partitions, TopicReplication::Fixed(replication));
            for (name, value) in topic.config {
                new = new.set(name, value);
            }
            new
        });
        let specs: Vec<_> = specs.collect();
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let failed = |source| RequestError { what: "creating topics", source };
        for result in client.create_topics(&specs, &options).await.map_err(failed)? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(KafkaError::AdminOp(code)).into()),
            }
        }
        Ok(())
    }
}

/// First offset and one past the last.
pub(crate) fn watermarks<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    patiently(client, |client| client.fetch_watermarks(topic, partition, ANSWER))
}

/// Asks until the answer's time is up: a partition that has just been made, or is moving, has no leader for a moment, and a
/// group's coordinator that has just been found may not know of it yet.
fn patiently<C: ConsumerContext, T>(
    client: &BaseConsumer<C>,
    question: impl Fn(&BaseConsumer<C>) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let deadline = Instant::now() + ANSWER;
    loop {
        match question(client) {
            Err(error) if class(&error) == Class::Retry && Instant::now() < deadline => {
                // Nothing is subscribed to: this only serves the client's own events meanwhile.
                drop(client.poll(Duration::from_millis(100)));
            }
            answer => return answer,
        }
    }
}

fn partitions<C: ConsumerContext>(client: &BaseConsumer<C>, topic: &str) -> Result<Option<i32>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(Some(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX))),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}
