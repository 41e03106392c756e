//! Who gave up on a record last, where more than one writer has left headers.
//!
//! Writers add their headers at the end, so the last family is the newest; SmallRye alone writes at the beginning. Therefore
//! what two families contradict each other about is not believed at all.

use schema::dead_letter::DeadLetter;
use schema::record::Headers;

use super::told::{Family, Told};
use super::{Dialect, Source, connect, share_group, smallrye, spring, spring_cloud, streams};

const FAMILIES: [Family; 6] =
    [connect::FAMILY, streams::FAMILY, share_group::FAMILY, spring::FAMILY, spring_cloud::FAMILY, smallrye::FAMILY];

/// The newest family of another writer; `None` where there is none, or where `ours` is newer.
pub(super) fn newest(headers: &Headers, ours: Option<&DeadLetter>) -> Option<(Dialect, Told)> {
    let our_source = ours.map(|ours| Source {
        topic: Some(ours.source.topic.clone()),
        partition: ours.source.partition,
        offset: ours.source.offset,
        timestamp_ms: None,
    });
    let mut present: Vec<(usize, Dialect, Told)> = FAMILIES
        .iter()
        .filter_map(|family| Some((family.last(headers)?, family.dialect, (family.read)(headers))))
        // Our services write Kafka Connect's headers too.
        .filter(|(_, dialect, told)| {
            let is_ours = our_source.as_ref().is_some_and(|source| source.agrees(&told.source));
            *dialect != Dialect::Connect || !is_ours
        })
        .collect();
    present.sort_by_key(|(last, ..)| *last);
    let (last, dialect, mut told) = present.pop()?;
    let our_last = headers.iter().rposition(|header| header.name.starts_with("dlq.")).filter(|_| ours.is_some());
    if our_last > Some(last) {
        return None;
    }
    for other in present.iter().map(|(.., told)| &told.source).chain(&our_source) {
        told.source.believe(other);
    }
    Some((dialect, told))
}

impl Source {
    /// Whether neither says what the other denies.
    fn agrees(&self, other: &Self) -> bool {
        agree(self.topic.as_ref(), other.topic.as_ref())
            && agree(self.partition.as_ref(), other.partition.as_ref())
            && agree(self.offset.as_ref(), other.offset.as_ref())
    }

    /// Forgets what the other denies.
    fn believe(&mut self, other: &Self) {
        if self.agrees(other) {
            return;
        }
        (self.partition, self.offset, self.timestamp_ms) = (None, None, None);
        if !agree(self.topic.as_ref(), other.topic.as_ref()) {
            self.topic = None;
        }
    }
}

fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}
