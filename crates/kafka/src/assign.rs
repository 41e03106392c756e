//! Taking partitions: where each begins, and with which account.
//!
//! Offset and counts are asked for together and fetching starts at exactly that offset, so they cannot disagree. While the
//! cluster does not answer, the assignment waits and polling goes on.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::account::Account;
use crate::assignments::Start;
use crate::consumer::{ConsumeError, Polling};
use crate::member::Waiting;
use crate::queue::{Listed, listed};
use crate::rebalance::take;
use crate::status::Counters;
use crate::topic_ids::Ids;

/// How long after a question without an answer the next one is asked.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether a topic is still the one that was counted.
pub(crate) const LOOK_AT_TOPICS: Duration = Duration::from_secs(10);

/// Why a partition begins where it does.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    /// The account of the last owner goes on.
    Continued,
    /// The group never committed here.
    NoCommit,
    /// A commit without an account of ours: by another program, by an older version, or by a reset.
    NoAccount,
    /// The commit is one of another topic that had the same name.
    Recreated { counted: String, now: String },
}

/// Where a partition begins, given what was committed and the id that its topic has now.
fn start(committed: &Listed, topic_id: Option<String>) -> (Start, Reason) {
    let offset = committed.offset;
    if offset < 0 {
        return (Start::Earliest { topic_id }, Reason::NoCommit);
    }
    let Some(mut account) = Account::decode(&committed.metadata, offset) else {
        return (Start::At { offset, account: Account::fresh(topic_id, offset) }, Reason::NoAccount);
    };
    match (&account.topic_id, topic_id) {
        (Some(counted), Some(now)) if *counted != now => {
            let reason = Reason::Recreated { counted: counted.clone(), now: now.clone() };
            (Start::Earliest { topic_id: Some(now) }, reason)
        }
        (Some(_), _) => (Start::At { offset, account }, Reason::Continued),
        (None, topic_id) => {
            account.topic_id = topic_id;
            (Start::At { offset, account }, Reason::Continued)
        }
    }
}

impl Polling {
    /// The coordinator gives us partitions.
    pub(crate) fn assigned(&mut self, partitions: TopicPartitionList) {
        self.member.waiting = Some(Waiting { partitions, due: Instant::now(), told: false });
    }

    /// Takes the partitions that wait for their accounts, if the cluster tells them.
    pub(crate) fn assign(&mut self) -> Result<(), ConsumeError> {
        let Some(mut waiting) = self.member.waiting.take_if(|waiting| waiting.due <= Instant::now()) else {
            return Ok(());
        };
        match self.committed(&waiting.partitions) {
            Ok((committed, ids)) => self.take(&committed, &ids),
            Err(error) => {
                if !waiting.told {
                    waiting.told = true;
                    tracing::warn!(
                        %error,
                        partitions = waiting.partitions.count(),
                        "the group's offsets are not known, the assignment waits"
                    );
                }
                waiting.due = Instant::now() + ASK_AGAIN;
                self.member.waiting = Some(waiting);
                Ok(())
            }
        }
    }

    fn committed(&mut self, partitions: &TopicPartitionList) -> Result<(Vec<Listed>, Ids), KafkaError> {
        let patience = self.bounds.question;
        self.member.topic_ids.ask(&self.member.consumer, &self.options.topics, patience);
        let answer = self.member.consumer.committed_offsets(partitions.clone(), patience)?;
        // SAFETY: the list is alive.
        let committed = unsafe { listed(answer.ptr()) };
        if let Some(Err(code)) = committed.iter().map(|of| of.error).find(Result::is_err) {
            return Err(KafkaError::OffsetFetch(code));
        }
        let ids = self.member.topic_ids.answer(patience);
        ids.map(|ids| (committed, ids)).ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))
    }

    fn take(&mut self, committed: &[Listed], ids: &Ids) -> Result<(), ConsumeError> {
        let mut places = TopicPartitionList::with_capacity(committed.len());
        for of in committed {
            let topic_id = ids.iter().find(|(topic, _)| *topic == of.topic).and_then(|(_, id)| id.clone());
            let (start, reason) = start(of, topic_id);
            tell(of, &reason);
            let offset = match &start {
                Start::Earliest { .. } => Offset::Beginning,
                Start::At { offset, .. } => Offset::Offset(*offset),
            };
            places.add_partition_offset(&of.topic, of.partition, offset).map_err(ConsumeError::Client)?;
            self.assignments.add(&of.topic, of.partition, start);
        }
        take(&self.member.consumer, &places).map_err(ConsumeError::Client)?;
        Counters::add(&self.status.counters.assigned, committed.len());
        if self.paused {
            self.pause(true);
        }
        self.status_due = Instant::now();
        tracing::info!(partitions = committed.len(), held = self.assignments.len(), "partitions assigned");
        Ok(())
    }

    /// Looks from time to time whether a topic was deleted and made anew while we read it.
    pub(crate) fn look_at_topics(&mut self) -> Result<(), ConsumeError> {
        let now = Instant::now();
        if now >= self.topics_due {
            self.topics_due = now + LOOK_AT_TOPICS;
            self.member.topic_ids.ask(&self.member.consumer, &self.options.topics, LOOK_AT_TOPICS);
        }
        let Some(ids) = self.member.topic_ids.answer(Duration::ZERO) else { return Ok(()) };
        for (topic, id) in ids {
            let Some(id) = id else { continue };
            for partition in self.assignments.recreated(&topic, &id) {
                tracing::warn!(
                    topic,
                    partition,
                    topic_id = id,
                    "the topic was deleted and made anew, reading it from its beginning and counting anew"
                );
                self.restart(&topic, partition, Some(id.clone()), Offset::Beginning)?;
            }
        }
        Ok(())
    }

    /// The client stands at `offset` of a partition, behind what it had delivered: the records there are others than those that
    /// were counted, or the same once more. Both are harmless as long as all of them are read from there on.
    pub(crate) fn went_back(&mut self, topic: &str, partition: i32, offset: i64) -> Result<(), ConsumeError> {
        tracing::warn!(topic, partition, "the partition went back behind what was read, reading and counting anew");
        self.topics_due = Instant::now();
        self.restart(topic, partition, None, Offset::Offset(offset))
    }

    fn restart(
        &mut self,
        topic: &str,
        partition: i32,
        topic_id: Option<String>,
        offset: Offset,
    ) -> Result<(), ConsumeError> {
        let mut place = TopicPartitionList::with_capacity(1);
        place.add_partition_offset(topic, partition, offset).map_err(ConsumeError::Client)?;
        let sought = self.member.consumer.seek_partitions(place, self.bounds.question);
        // What is fetched from now on is fetched at `offset`; without that, nothing of this partition may be committed again.
        let sought = sought.map_err(ConsumeError::Client)?;
        // SAFETY: the list is alive.
        let failed = unsafe { listed(sought.ptr()) }.into_iter().find_map(|of| of.error.err());
        if let Some(code) = failed {
            return Err(ConsumeError::Client(KafkaError::OffsetFetch(code)));
        }
        self.assignments.restart(topic, partition, topic_id);
        Counters::add(&self.status.counters.restarted, 1);
        Ok(())
    }
}

fn tell(of: &Listed, reason: &Reason) {
    let Listed { topic, partition, offset, .. } = of;
    match reason {
        Reason::Continued => {}
        Reason::NoCommit => tracing::debug!(topic, partition, "nothing was committed, reading from the beginning"),
        Reason::NoAccount => {
            tracing::info!(topic, partition, "the commit carries no account of ours, counting begins at its offset");
        }
        Reason::Recreated { counted, now } => tracing::warn!(
            topic,
            partition,
            committed = offset,
            counted,
            now,
            "the commit is of a topic that was deleted and made anew, reading the new one from its beginning"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64, metadata: &str) -> Listed {
        Listed { topic: "t".to_owned(), partition: 0, offset, metadata: metadata.as_bytes().to_vec(), error: Ok(()) }
    }

    fn id(id: &str) -> Option<String> {
        Some(id.to_owned())
    }

    #[test]
    fn a_group_without_a_commit_begins_at_the_earliest() {
        let begun = start(&committed(-1001, ""), id("a"));
        assert_eq!(begun, (Start::Earliest { topic_id: id("a") }, Reason::NoCommit));
    }

    #[test]
    fn an_account_goes_on_at_its_offset() {
        let account = Account { topic_id: id("a"), from: 1, written: 5, dead_lettered: 0, skipped: 0 };
        for now in [id("a"), None] {
            let begun = start(&committed(9, &account.encode()), now);
            assert_eq!(begun, (Start::At { offset: 9, account: account.clone() }, Reason::Continued));
        }
        let without_id = Account { topic_id: None, ..account.clone() };
        let begun = start(&committed(9, &without_id.encode()), id("a"));
        assert_eq!(begun, (Start::At { offset: 9, account }, Reason::Continued), "the id that is known now is kept");
    }

    #[test]
    fn a_commit_of_somebody_else_is_kept_and_counting_begins_there() {
        for metadata in ["", "by hand", "{}"] {
            let begun = start(&committed(9, metadata), id("a"));
            let account = Account::fresh(id("a"), 9);
            assert_eq!(begun, (Start::At { offset: 9, account }, Reason::NoAccount), "{metadata}");
        }
    }

    #[test]
    fn another_topic_of_the_same_name_is_read_from_its_beginning() {
        let account = Account::fresh(id("old"), 0);
        let (start, reason) = start(&committed(9, &account.encode()), id("new"));
        assert_eq!(start, Start::Earliest { topic_id: id("new") });
        assert_eq!(reason, Reason::Recreated { counted: "old".to_owned(), now: "new".to_owned() });
    }
}
