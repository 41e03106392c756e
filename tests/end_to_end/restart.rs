//! Ending the processor in the middle loses nothing; what is read again leaves the same rows.

use end_to_end::{Load, Running, World, wait_for};
use service::Exit;

const RECORDS: usize = 3_000;

#[tokio::test]
async fn a_clean_stop_in_the_middle_loses_nothing_and_redelivers_nothing() {
    let world = World::new("stop").await;
    let load = Load::published(&world, RECORDS).await;
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
    world.census().await.assert_places(&load.written, &load.dead);
}

#[tokio::test]
async fn partitions_that_change_hands_under_load_are_neither_lost_nor_read_twice() {
    let world = World::new("hands").await;
    let load = Load::published(&world, RECORDS).await;
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
    world.census().await.assert_places(&load.written, &load.dead);
    assert_eq!(second.stop().await, Exit::Done);
}

#[tokio::test]
async fn sigkill_in_the_middle_loses_nothing_and_repeats_harmlessly() {
    let world = World::new("sigkill").await;
    let load = Load::published(&world, RECORDS).await;
    for least in [200, 1_000] {
        let processor = world.process("stream-processor");
        wait_for("some rows", async || {
            let rows = world.rows().await.len();
            if rows >= least { Ok(()) } else { Err(rows) }
        })
        .await;
        processor.kill().await;
    }
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    let census = world.census().await;
    census.assert_places_after_redelivery(&load.written, &load.dead);
    assert!(census.dead.values().flatten().all(|reason| reason == "deserialization"));
    assert_eq!(processor.terminate().await.code(), Some(0));
}
