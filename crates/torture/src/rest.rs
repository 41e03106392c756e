//! The end of a run: everything is healed, nothing new comes, and the group reads to the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka::Admin;

use crate::census::Check;
use crate::diary::Diary;
use crate::failure::TortureError;
use crate::ground::Ground;

/// Without any new commit for so long the line stands still. Longer than a transaction that a killed command left open keeps
/// readers waiting.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the group has passed every record, or has stopped committing.
pub(crate) async fn come_to_rest(ground: &Ground, diary: &Diary) -> Result<Check, TortureError> {
    let admin = Admin::new(&ground.kafka, "torture")?;
    let (topic, group) = (&ground.kafka.topics.user_data, &ground.kafka.group_id);
    let begun = Instant::now();
    let (mut moved, mut last, mut looks) = (Instant::now(), BTreeMap::new(), 0);
    loop {
        let ends = admin.offsets(topic).await?.unwrap_or_default();
        let committed = admin.committed(group, topic).await?;
        let behind: BTreeMap<i32, i64> = ends
            .iter()
            .map(|(partition, (low, _))| (*partition, committed.get(partition).copied().unwrap_or(*low)))
            .filter(|(partition, next)| ends.get(partition).is_some_and(|(_, end)| next < end))
            .collect();
        looks += 1;
        if behind.is_empty() {
            let took = format!("after {:.1} s", begun.elapsed().as_secs_f64());
            return Ok(Check::of("the group reads to the end", took, Vec::new()));
        }
        if committed != last {
            (moved, last) = (Instant::now(), committed);
        }
        if moved.elapsed() >= PATIENCE {
            let left = behind.iter().map(|(partition, next)| {
                format!("partition {partition}: committed {next}, end {:?}", ends.get(partition).map(|(_, end)| end))
            });
            let waited = format!("no new commit for {} s", PATIENCE.as_secs());
            return Ok(Check::of("the group reads to the end", waited, left.collect()));
        }
        if looks % 10 == 0 {
            let left: i64 = behind.iter().filter_map(|(partition, next)| Some(ends.get(partition)?.1 - next)).sum();
            diary.say(&format!("coming to rest: {left} offsets to go"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
