//! A dependency that is missing or wrong is named with its remedy, waited for, and taken up again without a restart.

use cassandra::{CassandraSettings, Session};
use end_to_end::{Running, World, artifacts, user_record, wait_for};
use local_stack::{Profile, Stack, StackOptions};
use service::Exit;
use service::settings::Reader;
use uuid::Uuid;

const VERSION: i64 = 1_790_000_000_000_000;

async fn wait_until_not_ready(service: &Running, what: &str, remedy: &str) {
    wait_for(&format!("not ready because of {what}"), async || {
        let health = service.health();
        let named = health.reasons.iter().any(|reason| {
            format!("{} {}", reason.what, reason.reason).contains(what) && reason.remedy.contains(remedy)
        });
        if named { Ok(()) } else { Err(health) }
    })
    .await;
}

async fn wait_until_ready(service: &Running) {
    wait_for("ready", async || if service.health().ready { Ok(()) } else { Err(service.health()) }).await;
}

#[tokio::test]
async fn missing_topics_and_a_missing_table_are_named_and_taken_up_when_they_are_there() {
    let world = World::without_topics_and_table("missing").await;
    let processor = world.processor();
    let kafka = world.kafka();
    wait_until_not_ready(&processor, &kafka.topics.user_data, "--create --topic").await;
    world.create_topics().await;
    wait_until_not_ready(&processor, "cassandra", "cql/").await;
    world.create_table().await;
    world.publish(vec![user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})]).await;
    world.wait_for_rows(1).await;
    wait_until_ready(&processor).await;
    assert!(world.dead_letters().await.is_empty());
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_table_that_is_dropped_in_the_middle_stops_the_line_and_loses_nothing() {
    let world = World::new("dropped").await;
    let processor = world.processor();
    world.publish(vec![user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})]).await;
    world.wait_for_rows(1).await;
    let session = world.session().await;
    let (_, keyspace) =
        world.settings().into_iter().find(|(name, _)| name == "CASSANDRA_KEYSPACE").expect("a keyspace");
    session.query(&format!("DROP TABLE {keyspace}.created_users")).await.expect("dropped");
    world.publish((0..20).map(|_| user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})).collect()).await;
    wait_until_not_ready(&processor, "cassandra", "cql/").await;
    assert!(world.dead_letters().await.is_empty(), "an outage makes no dead letters");
    world.create_table().await;
    world.wait_for_rows(20).await;
    wait_until_ready(&processor).await;
    world.wait_until_consumed().await;
    assert!(world.dead_letters().await.is_empty());
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_producer_without_its_topics_says_so_and_goes_on_when_they_are_there() {
    let world =
        World::without_topics_and_table("topicless").await.with("API_SEED", "topica").with("API_BATCH_SIZE", "5");
    let api = crate::simulator().await;
    let producer = world.producer(&api.url("/api/"));
    wait_until_not_ready(&producer, &world.kafka().topics.user_data, "--create --topic").await;
    world.create_topics().await;
    wait_for("a page", async || {
        let records = world.user_data().await.len();
        if records >= 5 { Ok(()) } else { Err(records) }
    })
    .await;
    wait_until_ready(&producer).await;
    assert_eq!(producer.stop().await, Exit::Done);
}

/// Its own Cassandra: the shared one asks for no password.
#[tokio::test]
async fn a_wrong_password_is_told_apart_from_an_outage_and_recovers_when_it_is_mended() {
    let world = World::without_topics_and_table("password").await;
    world.create_topics().await;
    let stack = tokio::task::spawn_blocking(|| {
        let mut options = StackOptions::new(end_to_end::data_folder("password"), Profile::Test);
        options.cassandra_yaml.push(("authenticator".to_owned(), "PasswordAuthenticator".to_owned()));
        Stack::start(&options, artifacts()).expect("a Cassandra that asks for a password")
    })
    .await
    .expect("the start");
    let world = world
        .with("CASSANDRA_PORT", stack.cassandra().address().port().to_string())
        .with("CASSANDRA_HOSTS", stack.cassandra().address().ip().to_string())
        .with("CASSANDRA_USERNAME", "sluice")
        .with("CASSANDRA_PASSWORD", "right");
    let processor = world.processor();
    wait_until_not_ready(&processor, "cassandra", "CASSANDRA_PASSWORD").await;
    let mut reader = Reader::from_pairs(
        world.with("CASSANDRA_USERNAME", "cassandra").with("CASSANDRA_PASSWORD", "cassandra").settings(),
    );
    let settings = CassandraSettings::read(&mut reader);
    reader.finish().expect("settings");
    let session = Session::connect(&settings).await.expect("the built-in superuser");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../cql");
    session.migrate(&folder, &settings).await.expect("the table");
    session.query("CREATE ROLE sluice WITH LOGIN = true AND PASSWORD = 'right'").await.expect("the role");
    wait_until_ready(&processor).await;
    world.publish(vec![user_record(&world, Uuid::new_v4(), VERSION, |_, _| {})]).await;
    world.wait_until_consumed().await;
    let count = format!("SELECT count(*) FROM {}.{}", settings.keyspace, settings.table);
    assert_eq!(session.query(&count).await.expect("a count").rows, [[Some("1".to_owned())]]);
    assert_eq!(processor.stop().await, Exit::Done);
    tokio::task::spawn_blocking(move || stack.stop()).await.expect("the stop").expect("an orderly end");
}
