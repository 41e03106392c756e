//! The producer's durable place in the API: nothing is left out and nothing is published twice, whatever ends the producer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use end_to_end::{OpenTransaction, Process, Running, World, user_record, wait_for};
use kafka::TransactionalProducer;
use local_stack::Node;
use randomuser_sim::{Kind, Running as Simulator, Share, hostile_kind};
use schema::headers;
use schema::record::{Headers, NewRecord, Record};
use serde_json::{Value, json};
use service::Exit;
use uuid::Uuid;

use crate::{set_faults, simulator};

const USERS: u32 = 20;
const FINISHED: &str = "page finished";

/// An API with hostile users, and a world whose producer fetches page after page of `seed` without a pause.
async fn world(world: World, seed: &str) -> (World, Simulator) {
    world.create_topics().await;
    let api = simulator().await;
    set_faults(&api, &json!({"share": {"missing_email": 0.1}})).await;
    let world = world
        .with("API_BASE_URL", api.url("/api/"))
        .with("API_SEED", seed)
        .with("API_BATCH_SIZE", USERS.to_string())
        .with("API_RATE_LIMIT_USERS", "10000000")
        .with("PRODUCER_BATCHES", "0");
    (world, api)
}

/// What the cursor topic says of the producer.
async fn bookmark(world: &World) -> Value {
    let records = world.records(&world.kafka().topics.cursor).await;
    let last = records.iter().rfind(|record| record.key.as_deref() == Some(b"producer"));
    serde_json::from_slice(last.and_then(|record| record.value.as_deref()).expect("a bookmark")).expect("JSON")
}

/// The page behind the last one that is published.
async fn next_page(world: &World) -> u32 {
    bookmark(world).await["page"].as_u64().and_then(|page| u32::try_from(page).ok()).expect("a page")
}

/// A bookmark as a person would write it.
fn written_by_hand(world: &World, value: Option<String>) -> NewRecord {
    NewRecord {
        topic: world.kafka().topics.cursor.into(),
        partition: None,
        timestamp_ms: None,
        key: Some(b"producer".to_vec()),
        value: value.map(String::into_bytes),
        headers: Headers::new(),
    }
}

/// How often each user is on the topics, by seed, page and index; each in the right one of the two.
async fn published(world: &World) -> BTreeMap<(String, u32, u32), usize> {
    let share = Share::of(Kind::MissingEmail, 0.1).expect("a share");
    let mut published = BTreeMap::new();
    for (records, is_dead) in [(world.user_data().await, false), (world.dead_letters().await, true)] {
        for record in records {
            let source = record.headers.text(headers::SOURCE).expect("its source");
            let mut parts = source.trim_start_matches("randomuser:").split('/');
            let mut part = || parts.next().expect("seed, page and index");
            let seed = part().to_owned();
            let [page, index] = [part(), part()].map(|number| number.parse().expect("a number"));
            assert_eq!(hostile_kind(&seed, page, index, &share).is_some(), is_dead, "{source}");
            *published.entry((seed, page, index)).or_default() += 1;
        }
    }
    published
}

/// Fails unless every user of the pages 1 to `pages` of `seed` is published, and nobody else of that seed.
fn assert_whole(published: &BTreeMap<(String, u32, u32), usize>, seed: &str, pages: u32) {
    let expected: BTreeSet<_> =
        (1..=pages).flat_map(|page| (0..USERS).map(move |index| (seed.to_owned(), page, index))).collect();
    let found: BTreeSet<_> = published.keys().filter(|(of, ..)| of == seed).cloned().collect();
    let (missing, extra): (Vec<_>, Vec<_>) =
        (expected.difference(&found).collect(), found.difference(&expected).collect());
    assert!(missing.is_empty() && extra.is_empty(), "of pages 1 to {pages} missing {missing:?}, too many {extra:?}");
}

fn assert_no_repeats(published: &BTreeMap<(String, u32, u32), usize>) {
    let repeated: Vec<_> = published.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "published more than once: {repeated:?}");
}

/// Fails unless exactly the pages before the bookmark are published, once, with versions that increase from user to user.
async fn assert_exactly_once(world: &World, seed: &str) -> u32 {
    let pages = next_page(world).await - 1;
    let published = published(world).await;
    assert_whole(&published, seed, pages);
    assert_no_repeats(&published);
    assert_versions_increase(&world.user_data().await);
    pages
}

/// Fails unless exactly the pages before the bookmark are published, each user of a page as often as the others, with the same
/// versions. The pages that are there more than once.
async fn assert_no_page_in_parts(world: &World, seed: &str) -> BTreeSet<u32> {
    let published = published(world).await;
    assert_whole(&published, seed, next_page(world).await - 1);
    for ((_, page, index), times) in &published {
        let of_page = published[&(seed.to_owned(), *page, 0)];
        assert_eq!(*times, of_page, "how often user {index} of page {page} is there, and the first user");
    }
    assert_versions_increase(&world.user_data().await);
    published.into_iter().filter(|(_, times)| *times > 1).map(|((_, page, _), _)| page).collect()
}

fn version(record: &Record) -> i64 {
    record.headers.text(headers::EVENT_VERSION_US).expect("a version").parse().expect("a number")
}

fn assert_versions_increase(records: &[Record]) {
    let place = |record: &Record| {
        let parts: Vec<_> = record.headers.text(headers::SOURCE).expect("its source").split('/').collect();
        [1, 2].map(|part| parts[part].parse::<u32>().expect("a number"))
    };
    let mut versions: Vec<_> = records.iter().map(|record| (place(record), version(record))).collect();
    versions.sort_unstable();
    // A page that is published again has the same.
    versions.dedup();
    assert!(versions.is_sorted_by(|one, other| one.1 < other.1), "versions increase with the pages");
}

/// Lets producer after producer be killed at random moments, most of them with transactions under way.
async fn kill_at_random(world: &World, times: u32) {
    for kill in 0..times {
        let producer = world.process("producer");
        if kill % 4 > 0 {
            producer.wait_for_log(FINISHED).await;
        }
        // The moment is the fault: nothing is expected to have happened by then.
        let moment = Uuid::new_v4().as_u128() % 400;
        tokio::time::sleep(Duration::from_millis(u64::try_from(moment).expect("below 400"))).await;
        producer.kill().await;
    }
}

fn pages(producer: &Running) -> f64 {
    producer.metric("sluice_producer_pages_total")
}

async fn two_more_pages(producer: &Running) {
    let before = pages(producer);
    let are_there = async || if pages(producer) >= before + 2.0 { Ok(()) } else { Err(producer.health()) };
    wait_for("pages", are_there).await;
}

async fn finish(producer: Process) {
    producer.wait_for_log(FINISHED).await;
    assert_eq!(producer.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_producer_that_is_killed_twenty_times_leaves_nobody_out_and_publishes_nobody_twice() {
    let (world, _api) = world(World::without_topics_and_table("killed_often").await, "killeda").await;
    kill_at_random(&world, 20).await;
    finish(world.process("producer")).await;
    let pages = assert_exactly_once(&world, "killeda").await;
    assert!(pages > 15, "{pages} pages");
}

#[tokio::test]
async fn without_transactions_a_killed_producer_leaves_nobody_out() {
    let (world, _api) = world(World::without_topics_and_table("untransacted").await, "plaina").await;
    let world = world.with("PRODUCER_TRANSACTIONS", "off");
    kill_at_random(&world, 6).await;
    finish(world.process("producer")).await;
    assert_whole(&published(&world).await, "plaina", next_page(&world).await - 1);
}

#[tokio::test]
async fn a_second_producer_of_the_same_name_ends_the_first_and_goes_on_in_its_place() {
    let (world, _api) = world(World::without_topics_and_table("same_name").await, "samea").await;
    let first = world.process("producer");
    first.wait_for_log(FINISHED).await;
    let second = world.process("producer");
    let told = wait_for("the first says what to do", async || {
        let log = first.log();
        let told = log.lines().find(|line| line.contains("PRODUCER_NAME=producer has taken over"));
        told.map(str::to_owned).ok_or(log)
    })
    .await;
    assert!(told.contains("stop one of them"), "{told}");
    assert_eq!(first.end().await.code(), Some(1));
    finish(second).await;
    assert_exactly_once(&world, "samea").await;
}

#[tokio::test]
async fn producers_of_other_names_keep_their_own_places_on_the_same_topic() {
    let (world, _api) = world(World::without_topics_and_table("two_names").await, "northa").await;
    let south = world.with("PRODUCER_NAME", "south").with("API_SEED", "southa");
    let (one, other) = (world.process("producer"), south.process("producer"));
    finish(one).await;
    finish(other).await;
    let pages = next_page(&world).await - 1;
    let published = published(&world).await;
    assert_no_repeats(&published);
    assert_whole(&published, "northa", pages);
    let of_south: BTreeSet<u32> =
        published.keys().filter(|(seed, ..)| seed == "southa").map(|(_, page, _)| *page).collect();
    assert_whole(&published, "southa", of_south.last().copied().expect("a page"));
}

#[tokio::test]
async fn a_later_run_goes_on_and_another_seed_begins_anew() {
    let (world, api) = world(World::without_topics_and_table("later").await, "latera").await;
    let world = world.with("PRODUCER_BATCHES", "2");
    let url = api.url("/api/");
    for next in [3, 5] {
        assert_eq!(world.produce_once(&url).await, Exit::Done);
        assert_eq!(next_page(&world).await, next);
    }
    assert_eq!(world.with("API_SEED", "othera").produce_once(&url).await, Exit::Done);
    let kept = bookmark(&world).await;
    assert_eq!((&kept["seed"], &kept["page"]), (&json!("othera"), &json!(3)));
    assert!(kept["version_us"].as_i64().is_some_and(|version| version > 1_700_000_000_000_000), "{kept}");
    assert_eq!(world.with("API_SEED", "").produce_once(&url).await, Exit::Done);
    assert_eq!(next_page(&world).await, 5, "without a seed it goes on with the stored one");
    let published = published(&world).await;
    assert_no_repeats(&published);
    for seed in ["latera", "othera"] {
        assert_whole(&published, seed, 4);
    }
}

#[tokio::test]
async fn a_fenced_producer_goes_on_when_nobody_has_taken_its_place() {
    let (world, api) = world(World::without_topics_and_table("fenced").await, "fenceda").await;
    let producer = world.producer(&api.url("/api/"));
    for _ in 0..3 {
        two_more_pages(&producer).await;
        // As the coordinator does when a transaction stays open for too long.
        let fencing = TransactionalProducer::new(&world.kafka(), "test", "sluice-producer-producer").await;
        drop(fencing.expect("the id"));
    }
    two_more_pages(&producer).await;
    assert_eq!(producer.stop().await, Exit::Done);
    assert_exactly_once(&world, "fenceda").await;
}

#[tokio::test]
async fn kafka_killed_and_started_while_pages_are_published_loses_nobody_and_repeats_at_most_a_page_a_kill() {
    let (world, servers) = World::alone("outage").await;
    let (world, api) = self::world(world, "outagea").await;
    let producer = world.producer(&api.url("/api/"));
    let kills = 3;
    for _ in 0..kills {
        two_more_pages(&producer).await;
        servers.kafka(Node::kill).await;
        wait_for("not ready", async || if producer.health().ready { Err(pages(&producer)) } else { Ok(()) }).await;
        servers.kafka(Node::start).await;
    }
    two_more_pages(&producer).await;
    assert!(producer.health().ready);
    assert_eq!(producer.stop().await, Exit::Done);
    let repeated = assert_no_page_in_parts(&world, "outagea").await;
    assert!(repeated.len() <= kills, "pages published again: {repeated:?}");
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_published_again_before_the_next_one() {
    let (world, api) = world(World::without_topics_and_table("unread").await, "unreada").await;
    let producer = world.producer(&api.url("/api/"));
    two_more_pages(&producer).await;
    // Another program's transaction hides the bookmarks behind it, as one of ours does whose end a broker has skipped.
    let by_hand = written_by_hand(&world, Some("{}".to_owned()));
    let of_another = NewRecord { key: Some(b"another".to_vec()), partition: Some(0), ..by_hand };
    let transaction = OpenTransaction::begin(&world, vec![of_another]).await;
    let repeated = wait_for("a page twice", async || {
        let published = published(&world).await;
        published.iter().find(|(_, times)| **times > 1).map(|((_, page, _), _)| *page).ok_or(producer.health())
    })
    .await;
    drop(transaction);
    two_more_pages(&producer).await;
    assert_eq!(producer.stop().await, Exit::Done);
    assert_eq!(assert_no_page_in_parts(&world, "unreada").await, [repeated].into());
}

/// A broker that skips the end of a transaction leaves a part of it hidden, as another program's transaction before it does.
#[tokio::test]
async fn a_producer_that_starts_publishes_again_what_is_hidden_of_the_page_before_its_bookmark() {
    let (world, api) = world(World::without_topics_and_table("half_hidden").await, "hiddena").await;
    let share = Share::of(Kind::MissingEmail, 0.1).expect("a share");
    let index = (0..USERS).find(|index| hostile_kind("hiddena", 2, *index, &share).is_none()).expect("a good user");
    let value = json!({"seed": "hiddena", "page": 3}).to_string();
    world.publish(vec![written_by_hand(&world, Some(value))]).await;
    // Of the page before the bookmark, of the one behind it, and of somebody else.
    let sources = [format!("hiddena/2/{index}"), format!("hiddena/3/{index}"), format!("strangera/2/{index}")];
    let hidden = sources.map(|source| {
        user_record(&world, Uuid::new_v4(), 5, |_, headers| {
            headers.replace(headers::SOURCE, format!("randomuser:{source}"));
        })
    });
    let transaction = OpenTransaction::begin(&world, hidden.to_vec()).await;
    let producer = world.producer(&api.url("/api/"));
    let claimed = async || if bookmark(&world).await["owner"].is_string() { Ok(()) } else { Err(producer.health()) };
    wait_for("the claim", claimed).await;
    transaction.abort().await;
    two_more_pages(&producer).await;
    assert_eq!(producer.stop().await, Exit::Done);
    let published = published(&world).await;
    assert_no_repeats(&published);
    let pages = next_page(&world).await - 1;
    let user = |page: u32| move |index: u32| ("hiddena".to_owned(), page, index);
    let expected: BTreeSet<_> =
        (3..=pages).flat_map(|page| (0..USERS).map(user(page))).chain([user(2)(index)]).collect();
    assert_eq!(published.into_keys().collect::<BTreeSet<_>>(), expected);
    let copy = world.user_data().await.into_iter().find(|record| record.key == hidden[0].key).expect("the user");
    assert_eq!((copy.value, copy.headers), (hidden[0].value.clone(), hidden[0].headers.clone()));
}

#[tokio::test]
async fn kafka_away_for_longer_than_a_transaction_may_take_is_waited_out() {
    let (world, servers) = World::alone("away").await;
    let (world, api) = self::world(world, "awaya").await;
    let producer = world.producer(&api.url("/api/"));
    let mut pauses = 0;
    // The pause is to meet an open transaction, and may meet the look at the last page instead: then it is tried again.
    loop {
        two_more_pages(&producer).await;
        pauses += 1;
        servers.kafka(Node::pause).await;
        let told = wait_for("what the producer waits for", async || {
            let health = producer.health();
            let tells = |part: &&str| health.reasons.iter().any(|it| it.reason.contains(*part));
            ["cannot be registered", "asking for the end"].into_iter().find(tells).ok_or(health.clone())
        })
        .await;
        if told == "cannot be registered" {
            break;
        }
        servers.kafka(Node::resume).await;
    }
    servers.kafka(Node::resume).await;
    two_more_pages(&producer).await;
    assert_eq!(producer.stop().await, Exit::Done);
    // A broker that was paused takes itself for fenced when it goes on, and skips the end of a page as one that crashed does.
    let repeated = assert_no_page_in_parts(&world, "awaya").await;
    assert!(repeated.len() <= pauses, "{pauses} pauses, pages published again: {repeated:?}");
}

#[tokio::test]
async fn versions_go_on_behind_a_stored_one_that_is_ahead_of_the_clock_unless_it_is_far_ahead() {
    for (name, ahead, is_followed) in
        [("ahead", TimeDelta::minutes(3), true), ("far_ahead", TimeDelta::hours(1), false)]
    {
        let (world, api) = world(World::without_topics_and_table(name).await, "aheada").await;
        let stored = (Utc::now() + ahead).timestamp_micros();
        let value = json!({"seed": "aheada", "page": 3, "version_us": stored}).to_string();
        world.publish(vec![written_by_hand(&world, Some(value))]).await;
        assert_eq!(world.with("PRODUCER_BATCHES", "2").produce_once(&api.url("/api/")).await, Exit::Done);
        let records = world.user_data().await;
        assert!(records.iter().all(|record| (version(record) > stored) == is_followed), "{name}");
        assert_versions_increase(&records);
        assert_eq!(next_page(&world).await, 5);
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_read_is_told_and_waited_for_and_never_guessed() {
    let (world, api) = world(World::without_topics_and_table("damaged").await, "damageda").await;
    world.publish(vec![written_by_hand(&world, Some("page seven".to_owned()))]).await;
    let producer = world.producer(&api.url("/api/"));
    wait_for("not ready because of the place", async || {
        let health = producer.health();
        let told = |it: &service::health::NotReady| {
            it.reason.contains("cannot be read") && it.remedy.contains("PRODUCER_NAME")
        };
        if health.reasons.iter().any(told) { Ok(()) } else { Err(health) }
    })
    .await;
    assert!(world.user_data().await.is_empty());
    let value = json!({"seed": "damageda", "page": 7}).to_string();
    world.publish(vec![written_by_hand(&world, Some(value))]).await;
    wait_for(
        "page 7",
        async || if next_page_or_none(&world).await >= Some(8) { Ok(()) } else { Err(producer.health()) },
    )
    .await;
    assert_eq!(producer.stop().await, Exit::Done);
    assert!(published(&world).await.keys().all(|(_, page, _)| *page >= 7));
}

/// As [`next_page`], while what is there may be no bookmark.
async fn next_page_or_none(world: &World) -> Option<u32> {
    let records = world.records(&world.kafka().topics.cursor).await;
    let value: Value = serde_json::from_slice(records.last()?.value.as_deref()?).ok()?;
    value["page"].as_u64().and_then(|page| u32::try_from(page).ok())
}
