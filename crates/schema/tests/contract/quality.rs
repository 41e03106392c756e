//! Every rule, at both levels, at both sides of its bound.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use schema::reason::{Reason, Stage};
use schema::row::row_of;
use schema::rules;
use serde_json::{Value, json};

use crate::given::{
    ID, api_user, api_user_with, event, event_time, flat_bytes, now, produce, smallest, told, whole, with_version,
};

fn chars(count: usize) -> Value {
    "é".repeat(count).into()
}

fn email(local: usize) -> Value {
    format!("{}@example.com", "é".repeat(local)).into()
}

/// Field of the wire, a value that passes, a value that does not, and what is told of it.
fn bounds() -> Vec<(&'static str, Value, Value, &'static str)> {
    vec![
        ("id", ID.into(), "not-an-id".into(), "id.format"),
        ("id", ID.into(), format!("{{{ID}}}").into(), "id.format"),
        ("first_name", chars(100), chars(101), "name.length"),
        ("last_name", chars(100), chars(101), "name.length"),
        ("title", chars(100), chars(101), "name.length"),
        ("address", chars(500), chars(501), "address.length"),
        ("city", chars(100), chars(101), "place.length"),
        ("state", chars(100), chars(101), "place.length"),
        ("country", chars(100), chars(101), "place.length"),
        ("nat", chars(100), chars(101), "place.length"),
        ("post_code", chars(20), chars(21), "post_code.length"),
        ("latitude", json!(-90.0), json!(-90.0001), "latitude.range"),
        ("latitude", json!(90), json!(91), "latitude.range"),
        ("longitude", json!(180.0), json!(180.0001), "longitude.range"),
        ("email", "o'brien@mail.example".into(), Value::Null, "email.required"),
        ("email", "ö@ö.рф".into(), " ".into(), "email.required"),
        ("email", "a@b.c".into(), "a@b@c.d".into(), "email.format"),
        ("email", "a@b.c".into(), "@b.c".into(), "email.format"),
        ("email", "a@b.c".into(), "a.b.c".into(), "email.format"),
        ("email", "a@b.c".into(), "a@bc".into(), "email.format"),
        ("email", "a@b.c".into(), "a@.c".into(), "email.format"),
        ("email", "a@b.c".into(), "a@b.".into(), "email.format"),
        ("email", "a@b.c".into(), "a a@b.c".into(), "email.format"),
        ("email", "a@b.c".into(), "a@b\u{a0}.c".into(), "email.format"),
        ("email", email(254 - 12), email(255 - 12), "email.format"),
        ("username", chars(3), chars(2), "username.length"),
        ("username", chars(30), chars(31), "username.length"),
        ("username", chars(3), "".into(), "username.required"),
        ("dob", "1967-07-23T09:18:33.666Z".into(), "23 July 1967".into(), "dob.format"),
        ("dob", "2017-02-28T23:00:00.000Z".into(), "2017-02-29T23:00:00.000Z".into(), "dob.format"),
        ("dob", "1893-03-01T00:00:00.000Z".into(), "1893-02-28T23:59:59.999Z".into(), "dob.range"),
        ("dob", "2024-02-29T23:59:59.999Z".into(), "2024-03-01T00:00:00.000Z".into(), "dob.range"),
        ("registered_date", "2018-10-18T04:05:51.990Z".into(), "yesterday".into(), "registered_date.format"),
        ("registered_date", "2024-02-29T23:59:59.999Z".into(), "2024-03-01T00:00:00Z".into(), "registered_date.range"),
        ("phone", chars(50), chars(51), "phone.length"),
        ("cell", chars(50), chars(51), "phone.length"),
        ("picture", chars(500), chars(501), "picture.length"),
    ]
}

/// Where the API has what the wire calls so.
fn in_the_api(field: &str) -> &'static str {
    match field {
        "id" => "/login/uuid",
        "first_name" => "/name/first",
        "last_name" => "/name/last",
        "title" => "/name/title",
        "city" => "/location/city",
        "state" => "/location/state",
        "country" => "/location/country",
        "nat" => "/nat",
        "post_code" => "/location/postcode",
        "latitude" => "/location/coordinates/latitude",
        "longitude" => "/location/coordinates/longitude",
        "email" => "/email",
        "username" => "/login/username",
        "dob" => "/dob/date",
        "registered_date" => "/registered/date",
        "phone" => "/phone",
        "cell" => "/cell",
        "picture" => "/picture/medium",
        other => panic!("{other} is made of several"),
    }
}

#[test]
fn level_2_holds_every_bound() {
    for (field, passes, fails, rule) in bounds() {
        let mut value = smallest();
        value[field] = passes.clone();
        row_of(&whole(&value), now()).unwrap_or_else(|fault| panic!("{field} {passes}: {fault}"));
        value[field] = fails.clone();
        let fault = row_of(&whole(&value), now()).expect_err(rule);
        assert_eq!(told(&fault), [format!("/{field} {rule}")], "{fails}");
        assert_eq!((fault.reason, fault.stage), (Reason::QualityRule, Stage::Quality));
    }
}

#[test]
fn level_1_holds_every_bound() {
    for (field, passes, fails, rule) in bounds().into_iter().filter(|(field, ..)| *field != "address") {
        let mut user = api_user();
        // Else the API's own address grows with the parts.
        user["location"]["street"] = Value::Null;
        let place = in_the_api(field);
        *user.pointer_mut(place).unwrap() = passes.clone();
        if field == "dob" {
            user["registered"]["date"] = "2024-02-29T23:59:59.999Z".into();
        }
        produce(&user).unwrap_or_else(|fault| panic!("{field} {passes}: {fault}"));
        *user.pointer_mut(place).unwrap() = fails.clone();
        let fault = produce(&user).expect_err(rule);
        let mut told = told(&fault);
        // Born after the registration: that is told as well.
        told.retain(|told| !(field == "dob" && told == "/registered_date registered_date.range"));
        assert_eq!(told, [format!("/{field} {rule}")], "{fails}");
        assert_eq!((fault.reason, fault.stage), (Reason::QualityRule, Stage::Validate));
    }
}

#[test]
fn a_long_address_is_told_by_the_producer_too() {
    let fault = produce(&api_user_with("/location/street/name", chars(500))).unwrap_err();
    assert_eq!(told(&fault), ["/address address.length"]);
}

#[test]
fn one_of_both_names_is_enough_but_none_is_not() {
    for name in ["first_name", "last_name"] {
        let mut value = smallest();
        value["first_name"] = Value::Null;
        value[name] = "Ö".into();
        row_of(&whole(&value), now()).unwrap();
    }
    let mut value = smallest();
    value["first_name"] = " \u{7} ".into();
    value["title"] = "Dr".into();
    assert_eq!(told(&row_of(&whole(&value), now()).unwrap_err()), ["/first_name name.required"]);
}

#[test]
fn dates_are_required_of_the_api_only() {
    for (place, told_of) in
        [("/dob", "/dob dob.required"), ("/registered", "/registered_date registered_date.required")]
    {
        for absent in [Value::Null, json!({"date": null}), json!({"date": ""}), json!({"age": 5})] {
            assert_eq!(told(&produce(&api_user_with(place, absent)).unwrap_err()), [told_of]);
        }
    }
    let row_source = whole(&smallest());
    let row = row_of(&row_source, now()).unwrap();
    assert_eq!((row.dob, row.registered_date, row.age_band), (None, None, None));
}

#[test]
fn nobody_registers_before_being_born() {
    let mut value = smallest();
    value["dob"] = "1990-05-05T12:00:00.000Z".into();
    value["registered_date"] = "1990-05-05T12:00:00.000Z".into();
    row_of(&whole(&value), now()).unwrap();
    value["registered_date"] = "1990-05-05T11:59:59.999Z".into();
    let fault = row_of(&whole(&value), now()).unwrap_err();
    assert_eq!(told(&fault), ["/registered_date registered_date.range"]);
    value["dob"] = "2031-01-01T00:00:00.000Z".into();
    value["registered_date"] = "2030-01-01T00:00:00.000Z".into();
    let fault = row_of(&whole(&value), now()).unwrap_err();
    assert_eq!(told(&fault), ["/dob dob.range", "/registered_date registered_date.range"], "told once");
}

#[test]
fn today_is_the_day_of_the_version_not_of_the_reader() {
    let mut value = smallest();
    value["dob"] = "2024-03-01T00:00:00.000Z".into();
    let later = now() + TimeDelta::days(400);
    assert_eq!(told(&row_of(&whole(&value), later).unwrap_err()), ["/dob dob.range"]);
    let next_day = (event_time() + TimeDelta::days(1)).timestamp_micros().to_string();
    row_of(&with_version(whole(&value), &next_day), later).unwrap();
}

#[test]
fn a_version_of_the_future_is_told_with_everything_else() {
    let five_minutes = event_time() - TimeDelta::minutes(5);
    row_of(&whole(&smallest()), five_minutes).unwrap();
    let fault = row_of(&whole(&smallest()), five_minutes - TimeDelta::microseconds(1)).unwrap_err();
    assert_eq!((fault.reason, fault.stage), (Reason::TimestampInFuture, Stage::Quality));
    assert_eq!(told(&fault), [" timestamp_in_future"]);

    let mut value = smallest();
    value["email"] = "nobody".into();
    let fault = row_of(&with_version(whole(&value), &i64::MAX.to_string()), now()).unwrap_err();
    assert_eq!(fault.reason, Reason::TimestampInFuture);
    assert_eq!(told(&fault), [" timestamp_in_future", "/email email.format"]);

    let mut flat = flat_bytes(smallest().to_string());
    flat.timestamp_ms = Some((now() + TimeDelta::minutes(6)).timestamp_millis());
    assert_eq!(row_of(&flat, now()).unwrap_err().reason, Reason::TimestampInFuture);
}

#[test]
fn all_violations_are_collected_in_the_order_of_fields() {
    let mut user = api_user();
    user["name"] = json!({"title": "x".repeat(101)});
    user["email"] = "nobody".into();
    user["login"]["username"] = "ab".into();
    user["dob"]["date"] = "never".into();
    user["registered"] = Value::Null;
    user["location"]["coordinates"] = json!({"latitude": "north", "longitude": "NaN"});
    user["phone"] = "0".repeat(51).into();
    user["cell"] = "0".repeat(51).into();
    let fault = produce(&user).unwrap_err();
    assert_eq!(
        told(&fault),
        [
            "/first_name name.required",
            "/title name.length",
            "/latitude latitude.range",
            "/longitude longitude.range",
            "/email email.format",
            "/username username.length",
            "/dob dob.format",
            "/registered_date registered_date.required",
            "/phone phone.length",
            "/cell phone.length",
        ]
    );
    assert_eq!(fault.rule_ids().iter().filter(|rule| **rule == "phone.length").count(), 1);
    assert!(fault.violations.iter().all(|violation| rules::ALL.contains(&violation.rule)));
}

#[test]
fn every_rule_of_the_closed_set_is_broken_by_some_test() {
    let told: BTreeSet<&str> = bounds().into_iter().map(|(.., rule)| rule).collect();
    let elsewhere = ["name.required", "dob.required", "registered_date.required", "timestamp_in_future", "schema.type"];
    let all: BTreeSet<&str> = rules::ALL.iter().copied().collect();
    assert_eq!(told.into_iter().chain(elsewhere).collect::<BTreeSet<_>>(), all);
}

#[test]
fn the_age_band_is_of_the_day_of_the_version() {
    let cases = [
        ("2024-02-29", "0-17"),
        ("2006-03-01", "0-17"),
        ("2006-02-28", "18-24"),
        ("1999-03-01", "18-24"),
        ("1999-02-28", "25-34"),
        ("1989-02-28", "35-44"),
        ("1979-02-28", "45-54"),
        ("1969-02-28", "55-64"),
        ("1959-03-01", "55-64"),
        ("1959-02-28", "65+"),
        ("1900-01-01", "65+"),
    ];
    for (born, band) in cases {
        let mut value = smallest();
        value["dob"] = format!("{born}T00:00:00.000Z").into();
        assert_eq!(row_of(&whole(&value), now() + TimeDelta::days(9999)).unwrap().age_band, Some(band), "{born}");
    }
}

#[test]
fn a_row_says_where_it_came_from() {
    let record = whole(&smallest());
    let row = row_of(&record, now()).unwrap();
    assert_eq!((row.email_domain.as_ref(), row.schema_id), ("example.com", "user/1"));
    assert_eq!(
        (row.source.as_ref(), row.run_id.as_deref()),
        ("randomuser:abc/1/0", Some("018df3f2-4c00-7000-8000-000000000001"))
    );
    assert_eq!(row.version, event().version);
    let mut bare = record.clone();
    bare.headers.retain(|header| header.name != "source" && header.name != "run.id");
    let row = row_of(&bare, now()).unwrap();
    assert_eq!((row.source.as_ref(), row.run_id), ("user_data/3/1042", None));
}
