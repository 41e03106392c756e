//! Records of older pipelines, without a `schema.id`.

use schema::headers;
use schema::reason::{Reason, Stage};
use schema::row::{SCHEMA_FLAT, UserRow, row_of};
use schema::upcast::{self, Upcast};
use schema::version::VersionMicros;
use serde_json::{Value, json};

use crate::given::{FLAT, event_time, flat_bytes, now, told};

fn flat() -> Value {
    let users: Value = serde_json::from_str(FLAT).unwrap();
    users[0].clone()
}

#[test]
fn a_flat_record_arrives_with_or_without_a_key() {
    let mut record = flat_bytes(flat().to_string());
    for key in
        [None, Some(b"bfccebfe-a363-537b-81df-2ec7362f15f2".to_vec()), Some(b"anything".to_vec()), Some(vec![0xff])]
    {
        record.key = key;
        let row = row_of(&record, now()).unwrap();
        assert_eq!(row.id.to_string(), "bfccebfe-a363-537b-81df-2ec7362f15f2");
        assert_eq!((row.first_name.as_deref(), row.last_name.as_deref()), (Some("Laura"), Some("Woods")));
        assert_eq!(row.address.as_deref(), Some("2479 Henry Street, Blessington 78276, Wexford, Ireland"));
        assert_eq!((row.schema_id, row.run_id), ("flat", None));
        assert_eq!(row.source, "user_data/3/1042");
        assert_eq!(row.version.get(), record.timestamp_ms.unwrap() * 1000);
        assert_eq!((row.age_band, row.email_domain.as_ref()), (Some("55-64"), "example.com"));
    }
}

#[test]
fn a_replay_has_set_the_version() {
    let mut record = flat_bytes(flat().to_string());
    record.headers.push(headers::EVENT_VERSION_US, event_time().timestamp_micros().to_string());
    record.headers.push(headers::RUN_ID, "some-run");
    record.timestamp_ms = None;
    let row = row_of(&record, now()).unwrap();
    assert_eq!(row.version.instant(), event_time());
    assert_eq!(row.run_id, None);
}

#[test]
fn a_missing_id_is_derived_an_absent_date_being_empty() {
    let cases = [
        ("2018-10-18T04:05:51.990Z".into(), "bfccebfe-a363-537b-81df-2ec7362f15f2"),
        // uuid5(URL, "laura.woods@example.com:")
        (Value::Null, "6fc9c8a2-86a0-571a-aef7-e8aa2abfcc25"),
        ("".into(), "6fc9c8a2-86a0-571a-aef7-e8aa2abfcc25"),
    ];
    for (registered, id) in cases {
        for missing in [None, Some(Value::Null), Some("".into())] {
            let mut user = flat();
            user["registered_date"] = registered.clone();
            user["email"] = " Laura.Woods@example.com".into();
            match missing {
                None => drop(user.as_object_mut().unwrap().remove("id")),
                Some(value) => user["id"] = value,
            }
            let record = flat_bytes(user.to_string());
            assert_eq!(row_of(&record, now()).unwrap().id.to_string(), id);
        }
    }
}

#[test]
fn it_is_trimmed_folded_and_judged_like_any_other() {
    let mut user = flat();
    user["gender"] = "FEMALE".into();
    user["email"] = " LAURA@Example.COM ".into();
    user["first_name"] = " Lau\u{0}ra ".into();
    let record = flat_bytes(user.to_string());
    let row = row_of(&record, now()).unwrap();
    assert_eq!((row.gender, row.email.as_ref()), (Some("female"), "laura@example.com"));
    assert_eq!((row.first_name.as_deref(), row.email_domain.as_ref()), (Some("Laura"), "example.com"));

    user["email"] = "laura".into();
    user["id"] = "17".into();
    user["registered_date"] = "yesterday".into();
    let fault = row_of(&flat_bytes(user.to_string()), now()).unwrap_err();
    assert_eq!((fault.reason, fault.stage), (Reason::QualityRule, Stage::Quality));
    assert_eq!(told(&fault), ["/id id.format", "/email email.format", "/registered_date registered_date.format"]);
}

#[test]
fn the_post_code_has_two_names_and_two_types() {
    let cases = [
        (json!({"post_code": "0015"}), "0015"),
        (json!({"post_code": 15}), "15"),
        (json!({"postcode": 78276}), "78276"),
        (json!({"postcode": "Z4B 4T0", "post_code": null}), "Z4B 4T0"),
        (json!({"postcode": "Z4B 4T0", "post_code": ""}), "Z4B 4T0"),
    ];
    for (fields, expected) in cases {
        let mut user = flat();
        user.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let record = flat_bytes(user.to_string());
        assert_eq!(row_of(&record, now()).unwrap().post_code.as_deref(), Some(expected));
    }
}

#[test]
fn dates_may_be_missing_and_a_dob_may_be_the_apis_object() {
    let dob = "1967-07-23T09:18:33.666Z";
    let cases = [
        (json!(dob), true),
        (json!({"date": dob, "age": 56}), true),
        (json!({"age": 56}), false),
        (json!({"date": null}), false),
        (json!(""), false),
        (json!(null), false),
    ];
    for (given, there) in cases {
        let mut user = flat();
        user["dob"] = given;
        let record = flat_bytes(user.to_string());
        assert_eq!(row_of(&record, now()).unwrap().dob.is_some(), there);
    }
    let mut user = flat();
    user["dob"] = json!({"date": 5});
    assert_eq!(told(&row_of(&flat_bytes(user.to_string()), now()).unwrap_err()), ["/dob/date schema.type"]);
    user["dob"] = json!([dob]);
    assert_eq!(told(&row_of(&flat_bytes(user.to_string()), now()).unwrap_err()), ["/dob schema.type"]);
}

#[test]
fn fields_of_the_whole_record_are_unknown_here() {
    let mut user = flat();
    user.as_object_mut()
        .unwrap()
        .extend(json!({"city": 5, "latitude": "x", "title": "Dr"}).as_object().unwrap().clone());
    let record = flat_bytes(user.to_string());
    let row = row_of(&record, now()).unwrap();
    assert_eq!((row.city, row.latitude, row.title), (None, None, None));
}

#[test]
fn it_stays_borrowed_where_nothing_had_to_change() {
    let record = flat_bytes(flat().to_string());
    let value = record.value.as_ref().unwrap().as_ptr_range();
    let row = row_of(&record, now()).unwrap();
    for text in [row.first_name.as_deref(), row.address.as_deref(), Some(&*row.email), Some(&*row.email_domain)] {
        assert!(value.contains(&text.unwrap().as_ptr()));
    }
}

#[test]
fn upcast_it_gives_the_row_that_it_gives_as_it_is() {
    let flat_users: Vec<Value> = serde_json::from_str(FLAT).unwrap();
    for user in flat_users {
        let flat = flat_bytes(user.to_string());
        let expected = row_of(&flat, now()).unwrap();
        let Upcast { key, value } = upcast::user_of(flat.value.as_deref().unwrap(), expected.version).unwrap();
        let mut upcast = flat.clone();
        (upcast.key, upcast.value) = (Some(key), Some(value));
        upcast.headers.push(headers::SCHEMA_ID, "user/1");
        upcast.headers.push(headers::EVENT_VERSION_US, expected.version.to_string());
        let row = row_of(&upcast, now()).unwrap();
        assert_eq!(UserRow { schema_id: SCHEMA_FLAT, ..row }, expected);
    }
}

#[test]
fn upcast_it_fails_as_it_fails_as_it_is() {
    let mut user = flat();
    user["email"] = "laura".into();
    for value in [user.to_string(), "[]".to_owned(), "no JSON".to_owned(), String::new()] {
        let flat = flat_bytes(value);
        let version = VersionMicros::from_millis(flat.timestamp_ms.unwrap()).unwrap();
        let fault = upcast::user_of(flat.value.as_deref().unwrap(), version).unwrap_err();
        assert_eq!(fault, row_of(&flat, now()).unwrap_err());
    }
}
