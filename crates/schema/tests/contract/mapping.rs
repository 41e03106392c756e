//! From the API's user to the wire: what is taken, what is cleaned, what is left out.

use schema::reason::{Reason, Stage};
use schema::row::row_of;
use serde_json::{Value, json};

use crate::given::{api_user, api_user_with, consumed, event, now, produce, told, topic, wire};

fn mapped(pointer: &str, value: Value, field: &str) -> Value {
    wire(&api_user_with(pointer, value)).get(field).cloned().unwrap_or(Value::Null)
}

#[test]
fn postcodes_are_text_and_keep_their_leading_zeros() {
    for (given, expected) in [(json!(78276), "78276"), (json!("0015"), "0015"), (json!("Z4B 4T0"), "Z4B 4T0")] {
        assert_eq!(mapped("/location/postcode", given, "post_code"), expected);
    }
}

#[test]
fn coordinates_become_numbers() {
    for (given, expected) in [(json!("2.0565"), 2.0565), (json!(" -12 "), -12.0), (json!(3.5), 3.5), (json!(7), 7.0)] {
        assert_eq!(mapped("/location/coordinates/latitude", given, "latitude"), expected);
    }
    for absent in [json!(null), json!("")] {
        assert_eq!(mapped("/location/coordinates/longitude", absent, "longitude"), Value::Null);
    }
}

#[test]
fn the_gender_is_folded_and_anything_else_is_other() {
    let cases = [("FEMALE", "female"), (" Male ", "male"), ("unknown", "other"), ("männlich", "other")];
    for (given, expected) in cases {
        assert_eq!(mapped("/gender", given.into(), "gender"), expected);
    }
    assert_eq!(mapped("/gender", "".into(), "gender"), Value::Null);
}

#[test]
fn text_is_trimmed_and_loses_control_characters_and_nothing_else() {
    let cases = [
        ("  Laura ", "Laura"),
        ("Lau\u{0}ra\u{7f}\u{85}", "Laura"),
        ("\u{1}  Laura", "Laura"),
        ("María José", "María José"),
        ("آرمیتا", "آرمیتا"),
        ("O'Brien", "O'Brien"),
        ("\u{c2}", "\u{c2}"),
    ];
    for (given, expected) in cases {
        assert_eq!(mapped("/name/first", given.into(), "first_name"), expected, "{given:?}");
    }
}

#[test]
fn what_is_missing_null_or_empty_is_left_out_half_a_name_too() {
    let user = json!({
        "name": {"first": null, "last": "Woods", "title": " "},
        "email": "Laura.O'Woods@Example.com ",
        "login": {"uuid": "", "username": "angryostrich988"},
        "dob": {"date": "1967-07-23T09:18:33.666Z"},
        "registered": {"date": "2018-10-18T04:05:51.990Z"},
        "location": {"street": {"number": null, "name": ""}, "coordinates": null},
        "picture": null,
        "phone": ""
    });
    assert_eq!(
        wire(&user),
        json!({
            // uuid5(URL, "laura.o'woods@example.com:2018-10-18T04:05:51.990Z")
            "id": "1c10f33e-e4eb-55d8-9497-4a4da1286bd5",
            "last_name": "Woods",
            "email": "laura.o'woods@example.com",
            "username": "angryostrich988",
            "dob": "1967-07-23T09:18:33.666Z",
            "registered_date": "2018-10-18T04:05:51.990Z",
        })
    );
}

#[test]
fn the_address_drops_empty_parts_and_the_postcode_with_the_city() {
    let cases = [
        (json!({}), "2479 Henry Street, Blessington 78276, Wexford, Ireland"),
        (json!({"city": ""}), "2479 Henry Street, Wexford, Ireland"),
        (json!({"postcode": null}), "2479 Henry Street, Blessington, Wexford, Ireland"),
        (json!({"street": {"number": 7, "name": " "}}), "7, Blessington 78276, Wexford, Ireland"),
        (
            json!({"street": {"number": null, "name": " Calle  Mayor "}}),
            "Calle  Mayor, Blessington 78276, Wexford, Ireland",
        ),
        (json!({"street": null, "state": null}), "Blessington 78276, Ireland"),
        (json!({"street": null, "city": null, "state": null, "country": "Ireland"}), "Ireland"),
    ];
    for (changes, expected) in cases {
        let mut user = api_user();
        for (field, value) in changes.as_object().unwrap() {
            user["location"][field] = value.clone();
        }
        assert_eq!(wire(&user)["address"], expected);
    }
    let mut user = api_user();
    user["location"] = json!({"postcode": 12345});
    let wire = wire(&user);
    assert_eq!((wire.get("address"), &wire["post_code"]), (None, &json!("12345")));
}

#[test]
fn dates_are_utc_in_milliseconds() {
    let cases = [
        ("1967-07-23T09:18:33.666Z", "1967-07-23T09:18:33.666Z"),
        ("1967-07-23T09:18:33Z", "1967-07-23T09:18:33.000Z"),
        ("1967-07-23T01:18:33.6669+02:00", "1967-07-22T23:18:33.666Z"),
        (" 1967-07-23T09:18:33.666Z ", "1967-07-23T09:18:33.666Z"),
    ];
    for (given, expected) in cases {
        assert_eq!(mapped("/dob/date", given.into(), "dob"), expected);
    }
}

#[test]
fn a_user_without_an_id_gets_one_of_its_email_and_registration() {
    let mut user = api_user_with("/login/uuid", Value::Null);
    // The id that an existing pipeline derives for the same user.
    assert_eq!(wire(&user)["id"], "bfccebfe-a363-537b-81df-2ec7362f15f2");
    user["email"] = " LAURA.woods@example.com".into();
    assert_eq!(wire(&user)["id"], "bfccebfe-a363-537b-81df-2ec7362f15f2");
    let record = produce(&user).unwrap();
    assert_eq!(record.key.unwrap(), b"bfccebfe-a363-537b-81df-2ec7362f15f2");
}

#[test]
fn the_id_is_lower_case_whatever_the_api_says() {
    let user = api_user_with("/login/uuid", "9F07341F-C7E6-45B7-BAB0-AF6DE5A4582D".into());
    let record = consumed(produce(&user).unwrap());
    assert_eq!(record.key.as_deref(), Some(b"9f07341f-c7e6-45b7-bab0-af6de5a4582d".as_slice()));
    row_of(&record, now()).unwrap();
}

#[test]
fn a_user_with_wrong_types_is_told_every_one_of_them() {
    let mut user = api_user();
    user["email"] = json!(5);
    user["name"] = json!("Laura Woods");
    user["location"]["city"] = json!({});
    user["login"]["uuid"] = json!(7);
    user["dob"] = json!("1967-07-23T09:18:33.666Z");
    let fault = produce(&user).unwrap_err();
    assert_eq!((fault.reason, fault.stage), (Reason::SchemaViolation, Stage::Validate));
    assert_eq!(
        told(&fault),
        [
            "/dob schema.type",
            "/email schema.type",
            "/location/city schema.type",
            "/login/uuid schema.type",
            "/name schema.type"
        ]
    );
    for no_object in ["5", "[]", "null", "\"Laura\""] {
        let fault = schema::produce::record_of(no_object, &event(), &topic()).unwrap_err();
        assert_eq!((fault.reason, fault.stage), (Reason::SchemaViolation, Stage::Validate));
    }
}

#[test]
fn nothing_secret_is_on_the_wire() {
    let record = produce(&api_user()).unwrap();
    let wire = String::from_utf8(record.value.unwrap()).unwrap();
    for secret in ["racers", "B5ywSDUM", "2eefb6307df2a5fb", "33cbf1e97a31e14c", "83e0c89668c8b613", "1101776T"] {
        assert!(api_user().to_string().contains(secret));
        assert!(!wire.contains(secret), "{secret}");
    }
}
