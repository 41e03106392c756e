//! Ending the processor in the middle loses nothing; what is read again leaves the same rows.

use std::collections::BTreeSet;

use end_to_end::{Process, Running, World, user_record, wait_for};
use schema::record::Headers;
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;
const RECORDS: usize = 3_000;

/// Many users and some poison, published; the keys of each.
async fn publish_many(world: &World) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut written, mut dead, mut records) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for index in 0..RECORDS {
        if index % 100 == 7 {
            let key = format!("poison-{index}");
            records.push(world.record(Some(&key), Some(b"{"), Headers::new()));
            dead.insert(key);
        } else {
            let id = Uuid::new_v4();
            records.push(user_record(world, id, VERSION, |_, _| {}));
            written.insert(id.to_string());
        }
    }
    world.publish(records).await;
    (written, dead)
}

#[tokio::test]
async fn a_clean_stop_in_the_middle_loses_nothing_and_redelivers_nothing() {
    let world = World::new("stop").await;
    let (written, dead) = publish_many(&world).await;
    let mut settled = 0.0;
    let mut runs = 0;
    loop {
        runs += 1;
        let processor = world.processor();
        let count = || {
            let of = |outcome| processor.metric(&format!("sluice_processor_records_total{{outcome=\"{outcome}\"}}"));
            of("written") + of("dead_lettered")
        };
        wait_for("some progress", async || {
            let all = settled + count() >= RECORDS as f64;
            if all || count() >= 300.0 { Ok(()) } else { Err(count()) }
        })
        .await;
        processor.context.shutdown.request();
        wait_for("the drain", async || if processor.is_finished() { Ok(()) } else { Err(()) }).await;
        settled += count();
        assert_eq!(processor.end().await, Exit::Done);
        if settled >= RECORDS as f64 {
            break;
        }
    }
    assert!(runs > 1, "it was stopped in the middle at least once");
    assert_eq!(settled, RECORDS as f64, "each record was settled once over all runs");
    world.census().await.assert_places(&written, &dead);
}

#[tokio::test]
async fn partitions_that_change_hands_under_load_are_neither_lost_nor_read_twice() {
    let world = World::new("hands").await;
    let (written, dead) = publish_many(&world).await;
    let settled = |processor: &Running| {
        let of = |outcome| processor.metric(&format!("sluice_processor_records_total{{outcome=\"{outcome}\"}}"));
        of("written") + of("dead_lettered")
    };
    let first = world.processor();
    wait_for("some progress of the first", async || {
        let count = settled(&first);
        if count >= 200.0 { Ok(()) } else { Err(count) }
    })
    .await;
    let second = world.processor();
    wait_for("the second has taken partitions over", async || {
        let count = second.metric("sluice_processor_rebalances_total{kind=\"assigned\"}");
        if count >= 1.0 { Ok(()) } else { Err(count) }
    })
    .await;
    first.context.shutdown.request();
    wait_for("the drain of the first", async || if first.is_finished() { Ok(()) } else { Err(()) }).await;
    let by_first = settled(&first);
    assert_eq!(first.end().await, Exit::Done);
    world.wait_until_consumed().await;
    wait_for("every record settled", async || {
        let count = by_first + settled(&second);
        if count >= RECORDS as f64 { Ok(()) } else { Err(count) }
    })
    .await;
    assert_eq!(by_first + settled(&second), RECORDS as f64, "each record was settled once over both");
    world.census().await.assert_places(&written, &dead);
    assert_eq!(second.stop().await, Exit::Done);
}

#[tokio::test]
async fn sigkill_in_the_middle_loses_nothing_and_repeats_harmlessly() {
    let world = World::new("sigkill").await;
    let (written, _) = publish_many(&world).await;
    for least in [200, 1_000] {
        let processor = Process::start("stream-processor", &[], &world.settings());
        wait_for("some rows", async || {
            let rows = world.rows().await.len();
            if rows >= least { Ok(()) } else { Err(rows) }
        })
        .await;
        processor.kill().await;
    }
    let processor = Process::start("stream-processor", &[], &world.settings());
    world.wait_until_consumed().await;
    let census = world.census().await;
    assert_eq!(census.table, written);
    assert!(census.dead.values().flatten().all(|reason| reason == "deserialization"));
    assert_eq!(census.dead.len(), RECORDS / 100, "every poison has its dead letter");
    assert_eq!(processor.terminate().await.code(), Some(0));
}
