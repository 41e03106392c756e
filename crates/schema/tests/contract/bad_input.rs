//! Bytes that can never become a row, and the reason each gets.

use schema::fault::Fault;
use schema::headers;
use schema::reason::{PAIRS, Reason, Stage};
use schema::record::Record;
use schema::row::row_of;
use serde_json::{Value, json};

use crate::given::{ID, flat_bytes, now, smallest, told, whole, with_version, without};

/// Whether a `schema.id` is there or not, the bytes are judged alike.
fn both_dialects(value: Option<Vec<u8>>) -> [Record; 2] {
    let mut known = whole(&smallest());
    known.value.clone_from(&value);
    let mut flat = flat_bytes("");
    flat.value = value;
    [known, flat]
}

fn refused(record: &Record) -> Fault {
    let fault = *row_of(record, now()).unwrap_err();
    assert!(PAIRS.contains(&(fault.reason, fault.stage)), "{fault:?}");
    fault
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn bytes_that_are_no_json_are_a_deserialization_fault() {
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "empty"),
        ("the single byte 0", vec![0], "json_syntax"),
        ("words", b"not json at all".to_vec(), "json_syntax"),
        ("900 KB of text", vec![b'x'; 900_000], "json_syntax"),
        ("900 KB of zeros", vec![0; 900_000], "json_syntax"),
        ("truncated", br#"{"id": "9f07"#.to_vec(), "json_truncated"),
        ("not UTF-8", b"{\"id\": \"\xff\"}".to_vec(), "not_utf8"),
        ("not UTF-8 in a field nobody reads", b"{\"zzz\": \"\xff\"}".to_vec(), "not_utf8"),
        ("two values", b"{} {}".to_vec(), "json_syntax"),
        ("a lone surrogate", br#"{"id": "\ud800"}"#.to_vec(), "json_syntax"),
        ("deep arrays", nested("[", "]", 100_000).into_bytes(), "json_nesting"),
        ("deep objects", format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)).into_bytes(), "json_nesting"),
        (
            "deep in a field nobody reads",
            format!("{{\"zzz\":{}}}", nested("[", "]", 100_000)).into_bytes(),
            "json_nesting",
        ),
        ("deep in a field", format!("{{\"email\":{}}}", nested("[", "]", 100_000)).into_bytes(), "json_nesting"),
        ("deep and unclosed", b"[".repeat(900_000), "json_nesting"),
    ];
    for (what, bytes, error_type) in cases {
        for record in both_dialects(Some(bytes.clone())) {
            let fault = refused(&record);
            assert_eq!((fault.reason, fault.stage), (Reason::Deserialization, Stage::Decode), "{what}");
            assert_eq!(fault.error_type, error_type, "{what}");
        }
    }
}

#[test]
fn json_that_is_no_object_is_a_schema_violation() {
    let text_of_900_kb = format!("\"{}\"", "x".repeat(900_000));
    for json in ["null", "true", "1", "1.5", "\"text\"", "[]", r#"["9f07341f", "Laura"]"#, "[{}]", &text_of_900_kb] {
        for record in both_dialects(Some(json.into())) {
            let fault = refused(&record);
            assert_eq!((fault.reason, fault.error_type), (Reason::SchemaViolation, "not_an_object"));
        }
    }
    for record in both_dialects(None) {
        let fault = refused(&record);
        assert_eq!((fault.reason, fault.error_type), (Reason::SchemaViolation, "null_value"));
    }
}

#[test]
fn another_schema_is_unsupported_whatever_its_value() {
    for id in ["user/9", "order/1", "USER/1", "", "user/1 "] {
        let mut record = whole(&smallest());
        record.headers.replace(headers::SCHEMA_ID, id);
        assert_eq!(refused(&record).reason, Reason::UnsupportedSchema, "{id}");
        record.value = Some(b"not json".to_vec());
        assert_eq!(refused(&record).reason, Reason::UnsupportedSchema, "{id}");
    }
    let mut record = flat_bytes(smallest().to_string());
    record.headers.push_foreign(headers::SCHEMA_ID, None);
    assert_eq!(refused(&record).reason, Reason::UnsupportedSchema, "a null header is a header");
    let mut record = flat_bytes(smallest().to_string());
    record.headers.push(headers::SCHEMA_ID, [0xff]);
    assert_eq!(refused(&record).reason, Reason::UnsupportedSchema, "not UTF-8");
}

#[test]
fn user_1_without_a_key_is_a_missing_key() {
    let mut record = whole(&smallest());
    record.key = None;
    let fault = refused(&record);
    assert_eq!((fault.reason, fault.stage), (Reason::MissingKey, Stage::Decode));
}

#[test]
fn a_key_unlike_the_id_is_a_schema_violation() {
    let upper = ID.to_uppercase();
    let simple = ID.replace('-', "");
    for key in ["", "9f07341f-c7e6-45b7-bab0-af6de5a4582e", upper.as_str(), simple.as_str()] {
        let mut record = whole(&smallest());
        record.key = Some(key.into());
        let fault = refused(&record);
        assert_eq!((fault.reason, fault.error_type), (Reason::SchemaViolation, "key_unlike_id"), "{key}");
    }
    let mut value = smallest();
    value["id"] = upper.clone().into();
    let record = whole(&value);
    assert_eq!(record.key, Some(upper.into_bytes()));
    assert_eq!(refused(&record).error_type, "key_unlike_id", "the key is lower-case, be the id as it may");
    let folded = Record { key: Some(ID.into()), ..record };
    assert_eq!(row_of(&folded, now()).unwrap().id.to_string(), ID);
}

#[test]
fn a_version_that_is_missing_or_no_number_is_a_schema_violation() {
    let fault = refused(&without(whole(&smallest()), headers::EVENT_VERSION_US));
    assert_eq!((fault.reason, fault.error_type), (Reason::SchemaViolation, "version_missing"));
    for version in ["", "now", "12.5", "-1", "+1", " 1", "99999999999999999999", "1e3"] {
        let fault = refused(&with_version(whole(&smallest()), version));
        assert_eq!((fault.reason, fault.error_type), (Reason::SchemaViolation, "version_not_a_number"), "{version}");
        let fault = refused(&with_version(flat_bytes(smallest().to_string()), version));
        assert_eq!((fault.reason, fault.error_type), (Reason::SchemaViolation, "version_not_a_number"), "{version}");
    }
    let mut record = flat_bytes(smallest().to_string());
    for timestamp_ms in [None, Some(-1), Some(i64::MAX)] {
        record.timestamp_ms = timestamp_ms;
        assert_eq!(refused(&record).error_type, "version_missing");
    }
}

#[test]
fn every_field_of_wrong_type_is_named() {
    let mut value = smallest();
    value["first_name"] = json!(["Laura"]);
    value["email"] = json!(5);
    value["latitude"] = json!("2.0565");
    value["dob"] = json!({"date": "1967-07-23T09:18:33.666Z"});
    value["picture"] = json!(true);
    let fault = refused(&whole(&value));
    assert_eq!((fault.reason, fault.stage, fault.error_type), (Reason::SchemaViolation, Stage::Decode, "wrong_type"));
    assert_eq!(
        told(&fault),
        [
            "/dob schema.type",
            "/email schema.type",
            "/first_name schema.type",
            "/latitude schema.type",
            "/picture schema.type"
        ]
    );
}

#[test]
fn an_object_that_lacks_what_is_required_breaks_rules() {
    let fault = refused(&whole(&json!({})));
    assert_eq!((fault.reason, fault.stage), (Reason::QualityRule, Stage::Quality));
    assert_eq!(
        told(&fault),
        ["/id id.format", "/first_name name.required", "/email email.required", "/username username.required"]
    );
    let fault = refused(&flat_bytes("{}"));
    assert_eq!((fault.reason, fault.stage), (Reason::QualityRule, Stage::Quality));
    assert_eq!(told(&fault), ["/first_name name.required", "/email email.required", "/username username.required"]);
}

#[test]
fn no_message_holds_a_value() {
    let secret = "Zq7Xsecret";
    let values = [
        format!("{{\"email\": {secret}}}"),
        format!("\"{secret}\""),
        format!("{{\"id\": \"{secret}\", \"email\": \"{secret}\", \"username\": \"{}\"}}", secret.repeat(9)),
        format!("{{\"{secret}\": \"{secret}"),
        format!("{{\"dob\": \"{secret}\", \"first_name\": [\"{secret}\"]}}"),
    ];
    for value in values {
        for record in both_dialects(Some(value.into_bytes())) {
            let fault = refused(&record);
            assert!(!format!("{fault:?} {fault}").contains(secret), "{fault:?}");
        }
    }
    let mut record = whole(&smallest());
    record.key = Some(secret.into());
    record.headers.replace(headers::SCHEMA_ID, secret);
    assert!(!refused(&record).message.contains(secret));
    record.headers.replace(headers::SCHEMA_ID, "user/1");
    assert!(!refused(&record).message.contains(secret));
}

#[test]
fn a_field_nobody_knows_is_passed_over() {
    let mut value = smallest();
    value["zzz"] = json!({"a": [1, 2.5, null, true, "x", {"b": []}]});
    row_of(&whole(&value), now()).unwrap();
    row_of(&flat_bytes(value.to_string()), now()).unwrap();
}

#[test]
fn the_last_of_two_equal_names_wins() {
    let mut record = whole(&smallest());
    let twice = smallest().to_string().replacen('{', r#"{"email":"first@example.com","#, 1);
    record.value = Some(twice.into_bytes());
    let row = row_of(&record, now()).unwrap();
    assert_eq!(row.email, Value::from("laura.woods@example.com").as_str().unwrap());
}
