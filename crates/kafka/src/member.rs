//! The client as a member of the group, with the queues that its thread listens to.

use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::commit_request::CommitRequests;
use crate::consumer::Options;
use crate::error::ClientError;
use crate::queue::Queue;
use crate::rebalance::{Event, GroupContext, give_back, take};
use crate::settings::{GroupProtocol, KafkaSettings};
use crate::topic_ids::TopicIds;
use crate::way_back::WayBack;

/// Partitions that the coordinator has given us and whose accounts are not known yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) partitions: TopicPartitionList,
    /// When to ask next.
    pub(crate) due: Instant,
    /// Whether it was told that there is no answer.
    pub(crate) told: bool,
}

/// See the module's page. The queues are in front: they have to be dropped before their client.
pub(crate) struct Member {
    pub(crate) records: Queue,
    pub(crate) commits: CommitRequests,
    pub(crate) topic_ids: TopicIds,
    pub(crate) waiting: Option<Waiting>,
    way_back: WayBack,
    pub(crate) consumer: BaseConsumer<GroupContext>,
    pub(crate) protocol: GroupProtocol,
}

impl Member {
    /// Builds the client with the protocol that is asked for, or with classic where the library refuses the newer one.
    pub(crate) fn new(settings: &KafkaSettings, options: &Options) -> Result<Self, ClientError> {
        Self::with(settings, options, settings.group_protocol).or_else(|error| {
            if settings.group_protocol == GroupProtocol::Classic {
                return Err(error);
            }
            tracing::warn!(%error, "group protocol consumer is not available, falling back to classic");
            Self::with(settings, options, GroupProtocol::Classic)
        })
    }

    /// Builds the client. It joins the group when it subscribes.
    pub(crate) fn with(
        settings: &KafkaSettings,
        options: &Options,
        protocol: GroupProtocol,
    ) -> Result<Self, ClientError> {
        let config = settings.group_consumer(&options.client_id, options.sibling, protocol);
        let consumer: BaseConsumer<GroupContext> =
            config.create_with_context(GroupContext::default()).map_err(ClientError::Config)?;
        let no_memory = || ClientError::Config(KafkaError::ClientCreation("no memory for a queue".to_owned()));
        Ok(Self {
            records: Queue::of_consumer(&consumer).ok_or_else(no_memory)?,
            commits: CommitRequests::new(&consumer).ok_or_else(no_memory)?,
            topic_ids: TopicIds::new(&consumer).ok_or_else(no_memory)?,
            waiting: None,
            way_back: WayBack::of(&config),
            consumer,
            protocol,
        })
    }

    /// True when the broker does not know the group protocol of this member.
    pub(crate) fn is_protocol_refused(&self) -> bool {
        self.protocol == GroupProtocol::Consumer
            && self.consumer.client().fatal_error().is_some_and(|(code, _)| {
                matches!(code, RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedFeature)
            })
    }

    /// Gives the client its servers again while no broker is connected.
    pub(crate) fn find_way_back(&mut self) {
        let cut_off = self.consumer.context().connected() == Some(false);
        self.way_back.show(cut_off, self.consumer.client(), Instant::now());
    }

    pub(crate) fn next_event(&self) -> Option<Event> {
        self.consumer.context().next_event()
    }
}

/// Dropping the client leaves the group, on the dropping thread. It waits for the broker's answers, and until every partition is given
/// back, so what was noted and not served is answered first; what comes after, the context answers by itself.
impl Drop for Member {
    fn drop(&mut self) {
        let waiting = self.waiting.take().map(|waiting| Event::Assign(waiting.partitions));
        for event in waiting.into_iter().chain(std::iter::from_fn(|| self.next_event())) {
            let (what, answered) = match &event {
                Event::Assign(partitions) => ("taken", take(&self.consumer, partitions)),
                Event::Revoke { partitions, .. } => ("given back", give_back(&self.consumer, partitions)),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "partitions could not be {what} while closing");
            }
        }
    }
}
