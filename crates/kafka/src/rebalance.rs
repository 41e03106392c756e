//! What the client calls back of a group member: it is only noted. The thread that polls does the rest, in order,
//! see [`crate::consumer`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::client_log;
use crate::queue::Listed;

/// What the group coordinator wants.
#[derive(Debug)]
pub(crate) enum Event {
    /// Partitions are ours from now on.
    Assign(TopicPartitionList),
    /// Partitions are to be given back. `lost`: they already belong to somebody else.
    Revoke { partitions: TopicPartitionList, lost: bool },
}

/// What the client's statistics say of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote {
    /// One past the last readable record.
    pub(crate) end: i64,
    /// Next offset that the client will fetch.
    pub(crate) next_fetch: i64,
}

/// The consumer's context.
#[derive(Debug, Default)]
pub(crate) struct GroupContext {
    events: Mutex<VecDeque<Event>>,
    remote: Mutex<HashMap<(String, i32), Remote>>,
    /// Whether some broker was connected when the client last told; none before.
    connected: Mutex<Option<bool>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GroupContext {
    pub(crate) fn next_event(&self) -> Option<Event> {
        locked(&self.events).pop_front()
    }

    pub(crate) fn remote(&self, topic: &str, partition: i32) -> Option<Remote> {
        locked(&self.remote).get(&(topic.to_owned(), partition)).copied()
    }

    /// Whether some broker is connected, as far as the client has told.
    pub(crate) fn connected(&self) -> Option<bool> {
        *locked(&self.connected)
    }

    /// Notes what the coordinator wants. `lost`: what is revoked already belongs to somebody else.
    pub(crate) fn note(&self, kind: RDKafkaRespErr, partitions: Vec<Listed>, lost: bool) {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for Listed { topic, partition, .. } in partitions {
            list.add_partition(&topic, partition);
        }
        let event = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Event::Assign(list)
        } else {
            Event::Revoke { partitions: list, lost }
        };
        locked(&self.events).push_back(event);
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_log::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_log::error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        *locked(&self.connected) =
            Some(statistics.brokers.values().any(|broker| broker.state == "UP" && broker.source != "logical"));
        let mut remote = locked(&self.remote);
        for (topic, of_topic) in statistics.topics {
            for (partition, of_partition) in of_topic.partitions {
                if of_partition.ls_offset < 0 {
                    continue;
                }
                let now = Remote { end: of_partition.ls_offset, next_fetch: of_partition.next_offset };
                remote.insert((topic.clone(), partition), now);
            }
        }
    }
}

/// The client's own poll serves this only while it closes: it does not end before every call of the coordinator is answered, an
/// assignment included.
impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let assign = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let answered = if assign { take(consumer, partitions) } else { give_back(consumer, partitions) };
        if let Err(error) = answered {
            tracing::warn!(%error, "the coordinator could not be answered while closing");
        }
    }
}

/// Tells the client that the partitions are taken.
pub(crate) fn take<C: ConsumerContext>(consumer: &BaseConsumer<C>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
    }
}

/// Tells the client that the partitions are free for other members.
pub(crate) fn give_back<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}
