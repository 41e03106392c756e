//! One bad user of a page is dead-lettered; its siblings arrive.

use std::collections::BTreeSet;

use end_to_end::World;
use randomuser_sim::{Kind, Share, hostile_kind};
use schema::headers;
use serde_json::json;
use service::Exit;

use crate::{ids, set_faults, simulator};

/// Forty users, a quarter of them spoiled by `kind`: exactly those are dead letters with `rule` (or rows, where `rule` is
/// none).
async fn quarter_spoiled(kind: &str, rule: Option<&str>) {
    let seed = format!("{}x", kind.replace('_', ""));
    let world = World::new(kind).await.with("API_SEED", seed.clone()).with("API_BATCH_SIZE", "40");
    let api = simulator().await;
    set_faults(&api, &json!({"share": {kind: 0.25}})).await;
    let share = Share::of(serde_json::from_value::<Kind>(json!(kind)).expect("a kind"), 0.25).expect("a share");
    let spoiled: Vec<bool> = (0..40).map(|index| hostile_kind(&seed, 1, index, &share).is_some()).collect();
    let count = spoiled.iter().filter(|spoiled| **spoiled).count();
    assert!(count > 0 && count < 40, "a page with both: {count}");
    let ids = ids(&seed, 1..=1, 40);
    let (mut written, mut dead) = (BTreeSet::new(), BTreeSet::new());
    for (id, spoiled) in ids.into_iter().zip(spoiled) {
        if spoiled && rule.is_some() {
            dead.insert(id)
        } else {
            written.insert(id)
        };
    }
    let processor = world.processor();
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    world.wait_until_consumed().await;
    world.census().await.assert_places(&written, &dead);
    for letter in world.dead_letters().await {
        assert_eq!(letter.headers.text(headers::DLQ_REASON), Some("quality_rule"));
        assert_eq!(letter.headers.text(headers::DLQ_STAGE), Some("validate"));
        assert_eq!(letter.headers.text(headers::DLQ_RULE_IDS), rule);
        let value: serde_json::Value = serde_json::from_slice(letter.value.as_deref().expect("a value")).expect("JSON");
        for secret in ["password", "salt", "md5", "sha1", "sha256"] {
            assert!(value["login"].get(secret).is_none(), "{secret} in a dead letter");
        }
    }
    assert_eq!(processor.stop().await, Exit::Done);
}

#[tokio::test]
async fn a_user_without_an_email_is_dead_lettered_alone() {
    quarter_spoiled("missing_email", Some("email.required")).await;
}

#[tokio::test]
async fn a_user_whose_date_is_none_is_dead_lettered_alone() {
    quarter_spoiled("bad_dob", Some("dob.format")).await;
}

#[tokio::test]
async fn a_user_with_a_name_of_101_characters_is_dead_lettered_alone() {
    quarter_spoiled("long_name", Some("name.length")).await;
}

#[tokio::test]
async fn an_unknown_gender_becomes_other_and_passes() {
    quarter_spoiled("unknown_gender", None).await;
}

#[tokio::test]
async fn a_user_too_large_for_any_topic_is_dead_lettered_without_its_value_and_does_not_stop_the_line() {
    let world = World::new("huge").await.with("API_SEED", "hugex").with("API_BATCH_SIZE", "4");
    let api = simulator().await;
    set_faults(&api, &json!({"share": {"huge": 1.0}})).await;
    assert_eq!(world.produce_once(&api.url("/api/")).await, Exit::Done);
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 4);
    for letter in letters {
        assert_eq!(letter.value, None);
        let bytes: usize =
            letter.headers.text(headers::DLQ_VALUE_OMITTED_BYTES).expect("its length").parse().expect("a number");
        assert!(bytes > 1 << 20, "{bytes}");
        assert!(
            letter.headers.text(headers::SOURCE).expect("where to fetch it again").starts_with("randomuser:hugex/1/")
        );
    }
}
