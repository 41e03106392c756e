//! An offset commit under way: asked for without waiting, confirmed or refused later.
//!
//! The client waits without bound for the outcome of a synchronous commit, as long as a broker that hangs; of an asynchronous one
//! it tells nothing (rust-rdkafka #856). Through the C interface the outcome comes to a queue of ours.

use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::assignments::Commitment;
use crate::queue::Queue;

/// Of one consumer: at most one commit is under way.
#[derive(Debug)]
pub(crate) struct CommitRequests {
    answers: Queue,
    under_way: Option<Vec<Commitment>>,
}

/// How a commit ended.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the broker confirmed.
    pub(crate) done: Vec<Commitment>,
    /// How many it did not, and why the first of them.
    pub(crate) failed: Option<(usize, KafkaError)>,
}

impl CommitRequests {
    /// None when there is no memory for it.
    pub(crate) fn new<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        Some(Self { answers: Queue::new(consumer)?, under_way: None })
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Sends a commit; none may be under way.
    ///
    /// # Errors
    /// The client does not take it.
    pub(crate) fn send<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        due: Vec<Commitment>,
    ) -> Result<(), KafkaError> {
        let mut offsets = TopicPartitionList::with_capacity(due.len());
        for Commitment { topic, partition, offset, account, .. } in &due {
            let mut element = offsets.add_partition(topic, *partition);
            element.set_offset(Offset::Offset(*offset))?;
            element.set_metadata(account.encode());
        }
        // SAFETY: client, list and queue are alive; the list is copied, and without a callback the outcome goes to the queue.
        let sent = unsafe {
            c::rd_kafka_commit_queue(
                consumer.client().native_ptr(),
                offsets.ptr(),
                self.answers.ptr(),
                None,
                std::ptr::null_mut(),
            )
        };
        if sent != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(KafkaError::ConsumerCommit(sent.into()));
        }
        self.under_way = Some(due);
        Ok(())
    }

    /// The outcome of the commit under way; none when there is none, or it is not known within `patience`.
    pub(crate) fn answer(&mut self, patience: Duration) -> Option<Answer> {
        self.under_way.as_ref()?;
        let event = self.answers.poll_for(c::RD_KAFKA_EVENT_OFFSET_COMMIT, patience)?;
        let sent = self.under_way.take()?;
        let answered = event.partitions();
        let outcome = |commitment: &Commitment| -> Result<(), RDKafkaErrorCode> {
            event.error()?;
            let of = answered.iter().find(|of| of.partition == commitment.partition && *of.topic == *commitment.topic);
            of.map_or(Ok(()), |of| of.error)
        };
        let mut failed = None;
        let mut done = Vec::with_capacity(sent.len());
        for commitment in sent {
            match outcome(&commitment) {
                Ok(()) => done.push(commitment),
                Err(code) => {
                    failed.get_or_insert((0, KafkaError::ConsumerCommit(code))).0 += 1;
                }
            }
        }
        Some(Answer { done, failed })
    }
}
