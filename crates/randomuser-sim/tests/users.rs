//! Who the users are: determinism, shape, and the traits that hurt a careless reader.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected ends"
)]

use std::collections::HashSet;

use chrono::NaiveDate;
use randomuser_sim::answer::{Answer, Lie};
use randomuser_sim::asked::Asked;
use randomuser_sim::{Catalogue, Kind, Share, hostile_kind};
use serde_json::{Value, json};

/// A user of the public API, as it was received.
const RECORDED: &str = include_str!("recorded_user.json");

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn asked(query: &str) -> Asked {
    let parameters: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Asked::parse(&parameters, || panic!("every test names its seed"))
}

fn text_of(catalogue: &Catalogue, asked: &Asked) -> String {
    let today = day("2026-05-01");
    let answer = Answer::render(catalogue, asked, Lie::default(), &Share::default(), today);
    String::from_utf8(answer.body).unwrap()
}

fn users_of(catalogue: &Catalogue, asked: &Asked) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&text_of(catalogue, asked)).unwrap();
    answer["results"].as_array().unwrap().clone()
}

/// The first ten pages of 100 users of the seed that the tests of the workspace use.
fn first_pages(catalogue: &Catalogue) -> Vec<Value> {
    (1..=10).flat_map(|page| users_of(catalogue, &Asked::plain("sluice", page, 100))).collect()
}

/// The keys of a JSON text in the order in which they stand there.
fn keys(json: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let inside = &rest[start + 1..];
        let mut escaped = false;
        let end = inside
            .find(|character| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            })
            .unwrap();
        rest = &inside[end + 1..];
        if rest.starts_with(':') {
            keys.push(&inside[..end]);
        }
    }
    keys
}

/// The same value with every text, number and null replaced by the name of its type.
fn types(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(number) => json!(if number.is_u64() { "whole number" } else { "number" }),
        Value::String(_) => json!("text"),
        Value::Array(items) => items.iter().map(types).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), types(value))).collect(),
    }
}

#[test]
fn keys_stand_in_the_order_of_the_recorded_answer() {
    let answer = text_of(&Catalogue::new(), &Asked::plain("sluice", 1, 50));
    let mut expected = vec!["results"];
    let recorded = keys(RECORDED);
    (0..50).for_each(|_| expected.extend(&recorded));
    expected.extend(["info", "seed", "results", "page", "version"]);
    assert_eq!(keys(&answer), expected);
    assert!(answer.ends_with(r#""info":{"seed":"sluice","results":50,"page":1,"version":"1.4"}}"#));
}

#[test]
fn types_are_those_of_the_recorded_answer() {
    let expected = types(&serde_json::from_str(RECORDED).unwrap());
    for user in first_pages(&Catalogue::new()) {
        let mut found = types(&user);
        let postcode = found["location"]["postcode"].take();
        assert!(postcode == "whole number" || postcode == "text");
        found["location"]["postcode"] = json!("whole number");
        let id = found["id"]["value"].take();
        assert!(id == "null" || id == "text");
        found["id"]["value"] = json!("text");
        assert_eq!(found, expected);
    }
}

#[test]
fn an_answer_is_the_same_on_any_machine_and_in_any_build() {
    let user = Catalogue::new().user("sluice", 1, 0);
    let pinned = [
        user["login"]["uuid"].as_str().unwrap(),
        user["login"]["username"].as_str().unwrap(),
        user["email"].as_str().unwrap(),
        user["registered"]["date"].as_str().unwrap(),
        user["nat"].as_str().unwrap(),
    ];
    assert_eq!(
        pinned,
        [
            "908f039c-2c7f-4d73-8be9-4b2c74570e54",
            "blueduck825",
            "djordje.njegush@example.com",
            "2010-05-24T00:43:19.777Z",
            "RS"
        ]
    );
}

#[test]
fn the_first_users_of_a_page_are_the_same_however_many_are_asked_for() {
    let catalogue = Catalogue::new();
    let all = users_of(&catalogue, &Asked::plain("sluice", 3, 500));
    for results in [1, 7, 100, 499] {
        assert_eq!(users_of(&catalogue, &Asked::plain("sluice", 3, results)), all[..results as usize]);
    }
    let today = chrono::Utc::now().date_naive();
    let plain = Asked::plain("sluice", 3, 500);
    let answer = Answer::render(&catalogue, &plain, Lie::default(), &Share::default(), today);
    let now: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(now["results"][499], catalogue.user("sluice", 3, 499));
}

#[test]
fn the_page_is_part_of_the_text_of_the_seed() {
    let catalogue = Catalogue::new();
    let users = |seed, page| users_of(&catalogue, &Asked::plain(seed, page, 20));
    assert_eq!(users("abc", 12), users("abc1", 2));
    assert_eq!(users("abc2", 1), users("abc", 2));
    assert_ne!(users("abc", 1), users("abc", 2));
}

#[test]
fn a_nationality_list_decides_who_comes_and_not_the_uuid() {
    let catalogue = Catalogue::new();
    let plain = users_of(&catalogue, &Asked::plain("sluice", 1, 200));
    let chosen = users_of(&catalogue, &asked("seed=sluice&results=200&nat=gb,Ir"));
    let nats: HashSet<&str> = chosen.iter().map(|user| user["nat"].as_str().unwrap()).collect();
    assert_eq!(nats, HashSet::from(["GB", "IR"]));
    let uuids = |users: &[Value]| users.iter().map(|user| user["login"]["uuid"].clone()).collect::<Vec<_>>();
    assert_eq!(uuids(&plain), uuids(&chosen));
    assert_eq!(users_of(&catalogue, &asked("seed=sluice&results=200&nat=gb,xx")), plain);
}

#[test]
fn gender_is_ignored_with_a_seed_and_kept_without() {
    let catalogue = Catalogue::new();
    let plain = users_of(&catalogue, &Asked::plain("sluice", 1, 100));
    assert_eq!(users_of(&catalogue, &asked("seed=sluice&results=100&gender=female")), plain);
    let parameters = [("gender", "female"), ("results", "100")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let women = Asked::parse(&parameters, || "sluice".to_owned());
    assert!(users_of(&catalogue, &women).iter().all(|user| user["gender"] == "female"));
}

#[test]
fn inc_and_exc_choose_the_fields_and_keep_the_rest_of_the_user() {
    let catalogue = Catalogue::new();
    let plain = users_of(&catalogue, &Asked::plain("sluice", 1, 20));
    let some = users_of(&catalogue, &asked("seed=sluice&results=20&inc=nat,login,email&exc=email"));
    for (user, whole) in some.iter().zip(&plain) {
        assert_eq!(*user, json!({"login": whole["login"], "nat": whole["nat"]}));
    }
    let text = text_of(&catalogue, &asked("seed=sluice&results=2&inc=shoe"));
    assert!(text.starts_with(r#"{"results":[{},{}],"info""#), "{text}");
}

#[test]
fn ages_follow_the_day_and_nothing_else_does() {
    let catalogue = Catalogue::new();
    let on = |today: &str| {
        let plain = Asked::plain("sluice", 1, 200);
        let answer = Answer::render(&catalogue, &plain, Lie::default(), &Share::default(), day(today));
        serde_json::from_slice::<Value>(&answer.body).unwrap()["results"].as_array().unwrap().clone()
    };
    for (mut now, mut later) in on("2026-03-01").into_iter().zip(on("2027-03-01")) {
        for field in ["dob", "registered"] {
            let born = day(&now[field]["date"].as_str().unwrap()[..10]);
            let age = u64::from(day("2026-03-01").years_since(born).unwrap());
            assert_eq!(now[field]["age"].take(), age);
            assert_eq!(later[field]["age"].take(), age + 1);
        }
        assert_eq!(now, later);
    }
}

#[test]
fn every_trait_is_present_in_the_first_pages_of_seed_sluice() {
    let users = first_pages(&Catalogue::new());
    let text =
        |user: &Value, pointer: &str| user.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let any = |what: &str, test: &dyn Fn(&Value) -> bool| assert!(users.iter().any(test), "nobody with {what}");
    let nat = |user: &Value, code: &str| user["nat"] == code;
    let nats: HashSet<&str> = users.iter().map(|user| user["nat"].as_str().unwrap()).collect();
    assert_eq!(nats.len(), 21);
    for code in ["US", "DE"] {
        let all = users.iter().filter(|user| nat(user, code)).all(|user| user["location"]["postcode"].is_u64());
        assert!(all, "{code} has whole numbers");
    }
    for code in ["GB", "CA", "NL", "NO"] {
        let all = users.iter().filter(|user| nat(user, code)).all(|user| user["location"]["postcode"].is_string());
        assert!(all, "{code} has text");
    }
    any("a postcode of zeros first", &|user| text(user, "/location/postcode").starts_with("00"));
    any("an apostrophe in the name", &|user| text(user, "/name/last").contains('\''));
    any("an apostrophe in the e-mail", &|user| text(user, "/email").contains('\''));
    any("letters in the phone", &|user| text(user, "/phone").chars().any(char::is_alphabetic));
    any("an id that is null", &|user| user["id"]["value"].is_null());
    any("an id that is garbage", &|user| text(user, "/id/value").contains("undefined"));
    any("a right-to-left name", &|user| text(user, "/name/first").contains(|c| ('\u{600}'..='\u{6ff}').contains(&c)));
    for code in ["UA", "RS"] {
        let cyrillic = |c| ('\u{400}'..='\u{4ff}').contains(&c);
        any("a Cyrillic name", &|user| nat(user, code) && text(user, "/name/last").contains(cyrillic));
    }
    let padded = |text: String| text.trim() != text;
    any("a padded street", &|user| padded(text(user, "/location/street/name")));
    any("a padded name", &|user| padded(text(user, "/name/first")));
    any("an empty street", &|user| user["location"]["street"]["name"] == "");
    any("a name of several words", &|user| text(user, "/name/last").contains(' '));
    let many = users_of(&Catalogue::new(), &Asked::plain("sluice", 1, 5000));
    for pointer in ["/email", "/login/username"] {
        let distinct: HashSet<String> = many.iter().map(|user| text(user, pointer)).collect();
        assert!(distinct.len() < many.len(), "{pointer} must not be unique");
    }
    let uuids: HashSet<String> = users.iter().map(|user| text(user, "/login/uuid")).collect();
    assert_eq!(uuids.len(), users.len());
    for user in &users {
        let email = text(user, "/email");
        assert!(email.ends_with("@example.com") && !email.contains(' ') && email.is_ascii(), "{email}");
        let digits = ["md5", "sha1", "sha256"].map(|digest| text(&user["login"], &format!("/{digest}")).len());
        assert_eq!(digits, [32, 40, 64]);
        assert!(!text(user, "/login/password").is_empty() && text(user, "/login/salt").len() == 8);
        assert!(text(user, "/location/coordinates/latitude").parse::<f64>().unwrap().abs() <= 90.0);
        assert!(text(user, "/location/coordinates/longitude").parse::<f64>().unwrap().abs() <= 180.0);
    }
}

#[test]
fn hostile_users_are_those_that_recomputation_predicts() {
    let catalogue = Catalogue::new();
    let share: Share = serde_json::from_str(r#"{"missing_email":0.1,"unknown_gender":0.1,"no_uuid":0.05}"#).unwrap();
    let plain = Asked::plain("sluice", 2, 400);
    let answer = Answer::render(&catalogue, &plain, Lie::default(), &share, chrono::Utc::now().date_naive());
    let users: Value = serde_json::from_slice(&answer.body).unwrap();
    let mut spoiled = 0;
    for index in 0..400 {
        let mut expected = catalogue.user("sluice", 2, index);
        let kind = hostile_kind("sluice", 2, index, &share);
        if kind == Some(Kind::MissingEmail) {
            expected.as_object_mut().unwrap().remove("email");
        } else if kind == Some(Kind::UnknownGender) {
            expected["gender"] = json!("unknown");
        } else if kind == Some(Kind::NoUuid) {
            expected["login"] = json!({"username": "tinywolf100", "password": "glory"});
        } else {
            assert_eq!(kind, None);
        }
        spoiled += u32::from(kind.is_some());
        assert_eq!(users["results"][index as usize], expected, "user {index}");
    }
    assert!(spoiled > 50);
    assert_eq!(answer.spoiled, spoiled);
}

#[test]
fn each_kind_spoils_one_field_and_leaves_the_others() {
    let catalogue = Catalogue::new();
    let plain = Asked::plain("sluice", 1, 1);
    let whole = catalogue.user("sluice", 1, 0);
    for kind in Kind::ALL {
        let share = Share::of(kind, 1.0).unwrap();
        let answer = Answer::render(&catalogue, &plain, Lie::default(), &share, chrono::Utc::now().date_naive());
        let json: Value = serde_json::from_slice(&answer.body).unwrap();
        let user = &json["results"][0];
        let Some(user) = user.as_object() else {
            assert_eq!((kind, user), (Kind::NotAnObject, &json!("nobody")));
            continue;
        };
        let fields = whole.as_object().unwrap();
        let changed: Vec<&str> =
            fields.keys().filter(|key| user.get(*key) != fields.get(*key)).map(String::as_str).collect();
        let at = |pointer: &str| json["results"][0].pointer(pointer).cloned();
        let (field, proof) = match kind {
            Kind::MissingEmail => ("email", at("/email").is_none()),
            Kind::BadEmail => ("email", !at("/email").unwrap().as_str().unwrap().contains('@')),
            Kind::WrongType => ("email", at("/email").unwrap().is_u64()),
            Kind::LongName => ("name", at("/name/first").unwrap().as_str().unwrap().len() == 101),
            Kind::NullName => ("name", at("/name/first").unwrap().is_null()),
            Kind::ControlCharacters => ("name", at("/name/first").unwrap().as_str().unwrap().contains('\0')),
            Kind::UnknownGender => ("gender", at("/gender").unwrap() == "unknown"),
            Kind::BadDob => ("dob", at("/dob/date").unwrap() == "1990-13-45T25:61:61.000Z"),
            Kind::MissingDob => ("dob", at("/dob").is_none()),
            Kind::OldDob => ("dob", at("/dob/date").unwrap().as_str().unwrap().starts_with("1850")),
            Kind::FutureDob => ("dob", at("/dob/date").unwrap().as_str().unwrap().starts_with("2150")),
            Kind::BadRegistered => ("registered", at("/registered/date").unwrap() == "yesterday"),
            Kind::EarlyRegistered => (
                "registered",
                at("/registered/date").unwrap().as_str().unwrap() < fields["dob"]["date"].as_str().unwrap(),
            ),
            Kind::BadLatitude => ("location", at("/location/coordinates/latitude").unwrap() == "91.5"),
            Kind::NoUuid => ("login", at("/login/uuid").is_none()),
            Kind::BadUuid => ("login", at("/login/uuid").unwrap() == "not-a-uuid"),
            Kind::ShortUsername => {
                let kept = at("/login/uuid").unwrap() == fields["login"]["uuid"];
                ("login", kept && at("/login/username").unwrap() == "ab")
            }
            Kind::Huge => ("picture", at("/picture/medium").unwrap().as_str().unwrap().len() > 1_200_000),
            Kind::NotAnObject => panic!("an object"),
        };
        assert_eq!(changed, [field], "{kind:?}");
        assert!(proof, "{kind:?}: {user:?}");
    }
}
