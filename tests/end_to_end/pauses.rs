//! A pause of an outage ends with the outage, wherever the partitions went meanwhile.

use std::collections::BTreeSet;

use end_to_end::{World, stack, user_record, wait_for};
use fault_proxy::{Fault, Protocol, Proxy};
use service::Exit;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

async fn publish(world: &World, count: usize) -> BTreeSet<String> {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    world.publish(ids.iter().map(|id| user_record(world, *id, VERSION, |_, _| {})).collect()).await;
    ids.iter().map(Uuid::to_string).collect()
}

#[tokio::test]
async fn a_partition_that_is_given_back_while_it_is_paused_is_read_when_it_comes_back() {
    let world = World::new("pauses").await;
    let cassandra = tokio::task::spawn_blocking(stack).await.expect("the stack").cassandra().address();
    let proxy = Proxy::start(Protocol::Cql, cassandra).expect("a proxy");
    let narrow = world.with("PIPELINE_BUDGET_RECORDS", "20").with("SHUTDOWN_TIMEOUT_SECONDS", "1");
    let first = narrow.with("CASSANDRA_PORT", proxy.address().port().to_string()).processor();
    let mut written = publish(&world, 10).await;
    world.wait_until_consumed().await;

    proxy.set(Fault::Stall);
    written.extend(publish(&world, 300).await);
    // Twenty records are under way and nothing settles: half a second later fetching is paused.
    let topic = world.kafka().topics.user_data;
    wait_for("everything waits", async || {
        let series = |partition| format!("sluice_processor_lag_records{{topic=\"{topic}\",partition=\"{partition}\"}}");
        let lag: f64 = (0..3).map(|partition| first.metric(&series(partition))).sum();
        if lag >= 250.0 { Ok(()) } else { Err(lag) }
    })
    .await;
    let second = world.processor();
    wait_for("partitions at the second", async || {
        let assigned = second.metric("sluice_processor_rebalances_total{kind=\"assigned\"}");
        if assigned > 0.0 { Ok(()) } else { Err(assigned) }
    })
    .await;
    proxy.set(Fault::None);
    world.wait_until_consumed().await;
    assert_eq!(second.stop().await, Exit::Done);
    written.extend(publish(&world, 100).await);
    world.wait_until_consumed().await;
    assert_eq!(world.rows().await.into_keys().collect::<BTreeSet<_>>(), written);
    assert_eq!(first.stop().await, Exit::Done);
}
