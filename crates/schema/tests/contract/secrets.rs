//! What must never leave the producer, and that everything else does, byte for byte.

use schema::dead_letter::from_user;
use schema::fault::Fault;
use schema::reason::{Reason, Stage};
use schema::redaction::redacted;

use crate::given::{APP, dlq_topic, event, now};

#[test]
fn everything_but_the_secrets_stays_byte_for_byte() {
    let cases = [
        (r#"{"zip":007}"#, None),
        (
            r#"{"n": 1.0e+2, "a" : [ 1 , 2 ], "n": 12345678901234567890123}"#,
            Some(r#"{"n": 1.0e+2, "a" : [ 1 , 2 ], "n": 12345678901234567890123}"#),
        ),
        (
            r#"{"login":{"uuid":"u","password":"p","salt":"s","username":"n","sha256":"h"}}"#,
            Some(r#"{"login":{"uuid":"u","username":"n"}}"#),
        ),
        (
            r#"{"login": { "password" : "p\"}," , "uuid" : "u" } , "nat":"IE"}"#,
            Some(r#"{"login": { "uuid" : "u" } , "nat":"IE"}"#),
        ),
        (r#"{"login":{"password":"p"}}"#, Some(r#"{"login":{}}"#)),
        (r#"{"login":{ "password":"p" }}"#, Some(r#"{"login":{}}"#)),
        (r#"{"login":{"pass\u0077ord":"p","x":1}}"#, Some(r#"{"login":{"x":1}}"#)),
        (r#"{"login":{"password":{"a":["p",{"b":"}"}]},"x":1}}"#, Some(r#"{"login":{"x":1}}"#)),
        (
            r#"{"login":[{"password":"p"},{"md5":null}],"login":{"sha1":"p","y":2}}"#,
            Some(r#"{"login":[{},{}],"login":{"y":2}}"#),
        ),
        (r#"{"id":{"name":"PPS","value":"1101776T"},"value":"kept"}"#, Some(r#"{"id":{"name":"PPS"},"value":"kept"}"#)),
        (r#"{"id":[{"a":{"value":[1,2]}}]}"#, Some(r#"{"id":[{"a":{}}]}"#)),
        (r#"{}"#, Some("{}")),
        (r#" [ 1 , {} ] "#, Some("[ 1 , {} ]")),
        (r#"-1.5e3"#, Some("-1.5e3")),
        (r#"{"password":"p"} x"#, None),
        (r#"{"password":"p""#, None),
        ("", None),
    ];
    for (raw, expected) in cases {
        assert_eq!(redacted(raw).as_deref().map(str::trim), expected, "{raw}");
    }
}

#[test]
fn depth_is_no_hiding_place() {
    let depth = 50_000;
    let raw = format!("{}{{\"password\":\"p\",\"a\":1}}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(redacted(&raw).unwrap(), format!("{}{{\"a\":1}}{}", "[".repeat(depth), "]".repeat(depth)));
}

#[test]
fn a_dead_letter_has_a_key_only_where_the_user_has_a_usable_id() {
    let id = "9f07341f-c7e6-45b7-bab0-af6de5a4582d";
    let derived = "bfccebfe-a363-537b-81df-2ec7362f15f2";
    let rest = r#""email":"laura.woods@example.com","registered":{"date":"2018-10-18T04:05:51.990Z"}"#;
    let cases = [
        (format!(r#"{{"login":{{"uuid":"{id}"}},"email":5}}"#), Some(id)),
        (format!(r#"{{"login":{{"uuid":"{}"}}}}"#, id.to_uppercase()), Some(id)),
        (format!(r#"{{{rest}}}"#), Some(derived)),
        (format!(r#"{{"login":{{"uuid":"17"}},{rest}}}"#), None),
        (format!(r#"{{"login":{{"uuid":17}},{rest}}}"#), None),
        (format!(r#"{{"login":"laura",{rest}}}"#), None),
        (r#"{"email":"laura.woods@example.com"}"#.to_owned(), None),
        ("[]".to_owned(), None),
    ];
    let fault = Fault::new(Reason::SchemaViolation, Stage::Validate, "wrong_type", "");
    for (raw, key) in cases {
        let letter = from_user(&raw, &event(), &fault, "user_data", &dlq_topic(), &APP, now());
        assert_eq!(letter.key.as_deref(), key.map(str::as_bytes), "{raw}");
    }
}
