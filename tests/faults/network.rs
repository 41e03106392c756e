//! What a network does, by proxies: nothing is lost, and nothing is dead-lettered that could be written.

use end_to_end::{Load, Network, Running, World, simulator, wait_for};
use fault_proxy::{CqlError, Fault, Proxy};
use service::Exit;

use crate::users::{of_pages, on_topic};
use crate::{slowly, with_short_session};

async fn wait_until_not_ready(service: &Running, what: &str) {
    wait_for(&format!("not ready because of {what}"), async || {
        let health = service.health();
        if health.reasons.iter().any(|reason| reason.what.contains(what)) { Ok(()) } else { Err(health) }
    })
    .await;
}

async fn wait_until_ready(service: &Running) {
    wait_for("ready", async || if service.health().ready { Ok(()) } else { Err(service.health()) }).await;
}

/// All that was published is consumed, and each key is in its place.
async fn finish(world: &World, load: &Load, processor: Running) {
    assert_eq!(world.wait_until_consumed().await, load.records());
    world.census().await.assert_places(&load.written, &load.dead);
    wait_until_ready(&processor).await;
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn while_the_dlq_is_unreachable_rows_are_written_and_poison_waits_to_be_dead_lettered_exactly_once() {
    let network = Network::take().await;
    let world = World::new("dlq_unreachable").await;
    // The client gives up a connection after two seconds and repeats on another what the first may still deliver. Twenty of
    // them are more than the half minute after which a send is handed back that is not patient.
    let processor =
        network.through_kafka_proxy(&world).with("KAFKA_CLIENT_PROPERTIES", "socket.timeout.ms=2000").processor();
    let mut load = Load::published(&world, 300).await;
    assert_eq!(world.wait_until_consumed().await, 300);
    network.kafka().set_for("stream-processor-dlq", Fault::Stall);
    let before = network.kafka().counters().connections;
    load.publish(&world, 300).await;
    world.wait_for_rows(load.written.len()).await;
    wait_until_not_ready(&processor, "dead letters").await;
    wait_for("further connections", async || {
        let connections = network.kafka().counters().connections - before;
        if connections >= 20 { Ok(()) } else { Err(connections) }
    })
    .await;
    assert_eq!(world.dead_letters().await.len(), 3, "those from before");
    network.kafka().heal();
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn a_dlq_connection_that_is_refused_and_reset_again_and_again_costs_no_dead_letter() {
    let network = Network::take().await;
    let world = World::new("dlq_reset").await;
    let processor = network.through_kafka_proxy(&world).processor();
    let mut load = Load::default();
    for round in 1..=5 {
        network.kafka().set_for("stream-processor-dlq", Fault::Refuse);
        load.publish(&world, 200).await;
        world.wait_for_rows(load.written.len()).await;
        assert_eq!(world.dead_letters().await.len(), 2 * (round - 1), "none gets through");
        network.kafka().set_for("stream-processor-dlq", Fault::Reset);
        assert_eq!(world.wait_until_consumed().await, load.records());
    }
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn a_cassandra_that_answers_errors_for_a_while_costs_no_row_and_makes_no_dead_letter() {
    let errors = [
        ("overloaded", CqlError::Overloaded),
        ("unavailable", CqlError::Unavailable),
        ("write_timeout", CqlError::WriteTimeout { applied: false }),
        ("write_timeout", CqlError::WriteTimeout { applied: true }),
    ];
    let world = World::new("answers").await;
    let (proxy, through) = world.through_cassandra_proxy();
    let processor = through.processor();
    let mut load = Load::published(&world, 100).await;
    world.wait_until_consumed().await;
    for (kind, error) in errors {
        let retries = format!("sluice_processor_write_retries_total{{error_type=\"{kind}\"}}");
        let before = processor.metric(&retries);
        proxy.set(Fault::Answer { error, share: 1.0 });
        load.publish(&world, 300).await;
        wait_until_not_ready(&processor, "cassandra").await;
        assert!(processor.metric(&retries) > before, "{retries} counts them");
        proxy.set(Fault::Answer { error, share: 0.3 });
        assert_eq!(world.wait_until_consumed().await, load.records());
        proxy.heal();
    }
    assert!(proxy.counters().errors_answered >= 20, "{:?}", proxy.counters());
    finish(&world, &load, processor).await;
}

/// Waits until the proxy has withheld something from a client.
async fn wait_until_swallowed(proxy: &Proxy) {
    let before = proxy.counters().bytes_swallowed;
    wait_for("an answer that nobody got", async || {
        let counters = proxy.counters();
        if counters.bytes_swallowed > before { Ok(()) } else { Err(counters) }
    })
    .await;
}

#[tokio::test]
async fn connections_to_cassandra_that_are_cut_slow_stalled_and_half_open_cost_no_row() {
    let world = World::new("cassandra_network").await;
    let (proxy, through) = world.through_cassandra_proxy();
    let processor = slowly(&through).processor();
    let mut load = Load::published(&world, 100).await;
    world.wait_until_consumed().await;
    for fault in [Fault::Refuse, Fault::Slow { bytes_per_second: 2_000 }, Fault::Stall, Fault::HalfOpen] {
        load.publish(&world, 300).await;
        world.wait_for_at_least(load.written.len() - 250).await;
        proxy.set(Fault::Reset);
        world.wait_for_at_least(load.written.len() - 200).await;
        proxy.set(fault);
        if matches!(fault, Fault::Slow { .. }) {
            world.wait_for_at_least(load.written.len() - 190).await;
        } else if fault == Fault::HalfOpen {
            wait_until_swallowed(&proxy).await;
        } else {
            wait_until_not_ready(&processor, "cassandra").await;
        }
        proxy.heal();
        assert_eq!(world.wait_until_consumed().await, load.records());
    }
    finish(&world, &load, processor).await;
}

#[tokio::test]
async fn connections_to_kafka_that_are_cut_slow_and_half_open_cost_a_processor_no_record() {
    let network = Network::take().await;
    let world = with_short_session(&World::new("kafka_network").await);
    let processor = slowly(&network.through_kafka_proxy(&world)).processor();
    let mut load = Load::published(&world, 100).await;
    world.wait_until_consumed().await;
    for fault in [Fault::Refuse, Fault::Slow { bytes_per_second: 20_000 }, Fault::HalfOpen] {
        load.publish(&world, 400).await;
        world.wait_for_at_least(load.written.len() - 350).await;
        network.kafka().set(Fault::Reset);
        world.wait_for_at_least(load.written.len() - 250).await;
        network.kafka().set(fault);
        if matches!(fault, Fault::Slow { .. }) {
            world.wait_for_at_least(load.written.len() - 150).await;
        } else if fault == Fault::HalfOpen {
            wait_until_swallowed(network.kafka()).await;
        } else {
            wait_until_not_ready(&processor, "kafka").await;
        }
        network.kafka().heal();
        assert_eq!(world.wait_until_consumed().await, load.records());
    }
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    wait_until_ready(&processor).await;
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_processor_whose_network_stalls_is_replaced_and_does_no_harm_when_it_comes_back() {
    let network = Network::take().await;
    let world = with_short_session(&World::new("kafka_stall").await);
    let stalled = slowly(&network.through_kafka_proxy(&world)).processor();
    let mut load = Load::published(&world, 1_000).await;
    world.wait_for_at_least(100).await;
    network.kafka().set(Fault::Stall);
    let other = world.processor();
    assert_eq!(world.wait_until_consumed().await, load.records());
    network.kafka().heal();
    load.publish(&world, 300).await;
    assert_eq!(world.wait_until_consumed().await, load.records());
    wait_until_ready(&stalled).await;
    world.census().await.assert_places_after_redelivery(&load.written, &load.dead);
    assert_eq!(stalled.stop().await, Exit::Done);
    assert_eq!(other.stop().await, Exit::Done);
}

#[tokio::test]
async fn connections_to_kafka_that_are_cut_slow_stalled_and_half_open_cost_a_producer_no_user() {
    const SIZE: u32 = 50;
    let network = Network::take().await;
    let world = World::new("producer_network").await;
    let api = simulator().await;
    let producer = network
        .through_kafka_proxy(&world)
        .with("PRODUCER_INTERVAL_SECONDS", "0.1")
        .with("API_SEED", "networka")
        .with("API_BATCH_SIZE", SIZE.to_string())
        .producer(&api.url("/api/"));
    let wait_for_users = async |more: usize| {
        let least = world.user_data().await.len() + more;
        wait_for(&format!("{least} users"), async || {
            let users = world.user_data().await.len();
            if users >= least { Ok(()) } else { Err(users) }
        })
        .await;
    };
    for fault in [Fault::Refuse, Fault::Slow { bytes_per_second: 50_000 }, Fault::Stall, Fault::HalfOpen] {
        wait_for_users(200).await;
        network.kafka().set(Fault::Reset);
        wait_for_users(200).await;
        network.kafka().set(fault);
        if matches!(fault, Fault::Slow { .. }) {
            wait_for_users(100).await;
        } else if fault == Fault::HalfOpen {
            wait_until_swallowed(network.kafka()).await;
        } else {
            wait_until_not_ready(&producer, "kafka").await;
        }
        network.kafka().heal();
    }
    wait_for_users(200).await;
    assert_eq!(producer.stop().await, Exit::Done);
    let users = on_topic(&world).await;
    assert_eq!(users, of_pages("networka", users.len(), SIZE), "every user of every page once");
}
