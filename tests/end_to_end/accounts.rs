//! Every record is accounted for (I8): the counts in the group's commits survive whatever happens to the processors, and the
//! audit, which counts the topic again, agrees with them.

use std::collections::BTreeMap;

use end_to_end::{Load, Process, World, user_record, wait_for};
use serde_json::Value;
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;
const RECORDS: usize = 3_000;

/// The audit's exit status and its JSON.
async fn audit(world: &World) -> (Option<i32>, Value) {
    let settings = world.settings();
    let run = move || Process::run("stream-processor", &["audit", "--output", "json"], &settings);
    let ended = tokio::task::spawn_blocking(run).await.expect("its end");
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.code, json)
}

fn total(audit: &Value, what: &str) -> i64 {
    audit["total"][what].as_i64().expect("a number")
}

/// Fails unless nothing is unaccounted for; how many records are accounted for.
async fn accounted(world: &World) -> i64 {
    let (code, audit) = audit(world).await;
    assert_eq!((code, total(&audit, "unaccounted")), (Some(0), 0), "{audit}");
    total(&audit, "written") + total(&audit, "dead_lettered") + total(&audit, "skipped")
}

/// Waits until the group has committed the end of each partition, markers included; the ends.
async fn wait_for_the_end(world: &World) -> BTreeMap<i32, i64> {
    let (admin, topic) = (world.admin(), world.kafka().topics.user_data);
    wait_for("the end is committed", async || {
        let ends = admin.offsets(&topic).await.map_err(|error| error.to_string())?.ok_or("no topic")?;
        let ends: BTreeMap<i32, i64> = ends.into_iter().map(|(partition, (_, end))| (partition, end)).collect();
        let committed = world.committed().await?;
        if committed == ends { Ok(ends) } else { Err(format!("ends {ends:?}, committed {committed:?}")) }
    })
    .await
}

/// Moves the commit of partition 0, with this metadata.
async fn commit_by_hand(world: &World, offset: i64, metadata: &str) {
    let (admin, kafka) = (world.admin(), world.kafka());
    wait_for("the group without members", async || {
        let set = admin.set_committed(&kafka.group_id, &kafka.topics.user_data, 0, offset, metadata).await;
        set.map_err(|error| error.to_string())
    })
    .await;
}

/// The commit of partition 0.
async fn committed_of_0(world: &World) -> kafka::Committed {
    let (admin, kafka) = (world.admin(), world.kafka());
    let mut commits = admin.commits(&kafka.group_id, &kafka.topics.user_data).await.expect("commits");
    commits.remove(&0).expect("a commit")
}

async fn delete_user_data(world: &World) {
    let (admin, topic) = (world.admin(), world.kafka().topics.user_data);
    admin.delete_topic(&topic).await.expect("deleted");
    wait_for("the topic is gone", async || match admin.partitions(&topic).await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn counts_survive_sigkill_exactly() {
    let world = World::new("killed_counts").await;
    let load = Load::published(&world, RECORDS).await;
    for least in [300, 1_000, 1_800] {
        let processor = world.process("stream-processor");
        world.wait_for_at_least(least).await;
        processor.kill().await;
        accounted(&world).await;
    }
    let processor = world.process("stream-processor");
    world.wait_until_consumed().await;
    wait_for_the_end(&world).await;
    assert_eq!(processor.metric("sluice_processor_late_settlements_total").await, 0.0);
    assert_eq!(processor.terminate().await.code(), Some(0));
    let (code, audit) = audit(&world).await;
    let counts = ["produced", "written", "dead_lettered", "skipped", "unaccounted"].map(|what| total(&audit, what));
    let (written, dead) = (load.written.len() as i64, load.dead.len() as i64);
    assert_eq!(counts, [RECORDS as i64, written, dead, 0, 0], "each record counts once, however often it was read");
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn counts_change_hands_with_their_partitions() {
    let world = World::new("handed_counts").await;
    let mut load = Load::published(&world, RECORDS).await;
    let first = world.processor();
    world.wait_for_at_least(200).await;
    let second = world.processor();
    wait_for("the second has partitions", async || {
        let count = second.metric("sluice_processor_rebalances_total{kind=\"assigned\"}");
        if count >= 1.0 { Ok(()) } else { Err(count) }
    })
    .await;
    accounted(&world).await;
    load.publish(&world, 500).await;
    assert_eq!(first.stop().await, Exit::Done);
    world.wait_until_consumed().await;
    wait_for_the_end(&world).await;
    assert_eq!(accounted(&world).await, load.records() as i64);
    for partition in 0..3 {
        let topic = world.kafka().topics.user_data;
        let series = format!("sluice_processor_unaccounted_records{{topic=\"{topic}\",partition=\"{partition}\"}}");
        assert_eq!(second.metric(&series), 0.0);
    }
    assert_eq!(second.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_commit_that_was_moved_past_unread_records_fails_the_audit() {
    let world = World::new("moved_commit").await;
    let (code, before) = audit(&world).await;
    assert_eq!(code, Some(0), "nothing is lost yet");
    assert_eq!(before["partitions"][0]["note"], "the group has committed nothing");
    let processor = world.processor();
    world.publish((0..50).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    world.wait_until_consumed().await;
    wait_for_the_end(&world).await;
    assert_eq!(processor.stop().await, Exit::Done);
    assert_eq!(accounted(&world).await, 50);
    world.publish((0..50).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    let ends = world.admin().offsets(&world.kafka().topics.user_data).await.expect("offsets").expect("the topic");
    let kafka::Committed { offset, account } = committed_of_0(&world).await;
    let account = account.expect("an account");
    let skipped = ends[&0].1 - offset;
    assert!(skipped > 0, "some of the second fifty are here");
    commit_by_hand(&world, ends[&0].1, &account.encode()).await;
    let (code, after) = audit(&world).await;
    assert_eq!((code, total(&after, "unaccounted")), (Some(1), skipped), "{after}");
}

#[tokio::test]
async fn a_reset_by_another_tool_is_read_again_and_counted_anew() {
    let world = World::new("reset").await;
    let processor = world.processor();
    world.publish((0..30).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    world.wait_until_consumed().await;
    wait_for_the_end(&world).await;
    assert_eq!(processor.stop().await, Exit::Done);
    // What kafka-consumer-groups --reset-offsets does: another offset, no metadata.
    commit_by_hand(&world, 2, "").await;
    let processor = world.processor();
    wait_for_the_end(&world).await;
    assert_eq!(processor.stop().await, Exit::Done);
    assert_eq!(accounted(&world).await, 28);
    assert_eq!(committed_of_0(&world).await.account.map(|account| account.from), Some(2));
}

#[tokio::test]
async fn an_idle_group_has_committed_the_end_although_transactions_leave_markers() {
    let world = World::new("markers").await.with("API_SEED", "markersa").with("API_BATCH_SIZE", "40");
    let api = crate::simulator().await;
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    let processor = world.processor();
    let ends = wait_for_the_end(&world).await;
    let offsets: i64 = ends.values().sum();
    assert!(offsets > 40, "40 records and markers behind them: {ends:?}");
    assert_eq!(world.rows().await.len(), 40);
    assert_eq!(processor.stop().await, Exit::Done);
    assert_eq!(accounted(&world).await, 40);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_behind_the_commit_is_read_from_its_beginning() {
    let world = World::new("anew_behind").await;
    let processor = world.processor();
    world.publish((0..30).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    world.wait_until_consumed().await;
    wait_for_the_end(&world).await;
    assert_eq!(processor.stop().await, Exit::Done);
    let stale = committed_of_0(&world).await;
    delete_user_data(&world).await;
    world.create_topics().await;
    // More than before, so that the old offset is within the new topic.
    world.publish((0..90).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    // The broker forgets the commits of a topic that it deletes, a tool that copies groups does not.
    commit_by_hand(&world, stale.offset, &stale.account.expect("an account").encode()).await;
    let processor = world.processor();
    world.wait_for_rows(120).await;
    wait_for_the_end(&world).await;
    assert_eq!(processor.stop().await, Exit::Done);
    assert_eq!(accounted(&world).await, 90);
}

#[tokio::test]
async fn a_topic_that_is_made_anew_while_it_is_read_is_read_from_its_beginning() {
    let world = World::new("anew").await.with("KAFKA_CLIENT_PROPERTIES", "topic.metadata.refresh.interval.ms=1000");
    let processor = world.processor();
    world.publish((0..60).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    world.wait_until_consumed().await;
    delete_user_data(&world).await;
    world.create_topics().await;
    world.publish((0..15).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    world.wait_for_rows(75).await;
    wait_for_the_end(&world).await;
    assert_eq!(processor.stop().await, Exit::Done);
    assert_eq!(accounted(&world).await, 15);
}
