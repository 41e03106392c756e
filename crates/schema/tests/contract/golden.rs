//! Byte-exact pictures of the wire: a change here is a change of the contract.

use schema::api::parse_page;
use schema::dead_letter::{from_record, from_user};
use schema::event::Event;
use schema::produce::record_of;
use schema::row::row_of;
use serde_json::Value;

use crate::given::{APP, FLAT, PAGE, api_user, consumed, dlq_topic, event, lines, now, produce, topic, whole};

#[test]
fn the_wire_record_is_as_it_ever_was() {
    let record = produce(&api_user()).unwrap();
    assert_eq!(String::from_utf8(record.value.unwrap()).unwrap(), include_str!("../golden/user_1.json").trim_end());
    assert_eq!(lines(&record.headers), include_str!("../golden/user_1.headers"));
    assert_eq!(record.key.unwrap(), b"9f07341f-c7e6-45b7-bab0-af6de5a4582d");
    assert_eq!((&*record.topic, record.partition, record.timestamp_ms), ("user_data", None, None));
}

#[test]
fn the_dead_letter_of_a_consumed_record_is_as_it_ever_was() {
    let mut value: Value = serde_json::from_str(include_str!("../golden/user_1.json")).unwrap();
    value["email"] = "laura.woods".into();
    value["username"] = Value::Null;
    let record = whole(&value);
    let fault = row_of(&record, now()).unwrap_err();
    let letter = from_record(record.clone(), &fault, &dlq_topic(), 2, "stream-processor", &APP, now());
    assert_eq!(lines(&letter.headers), include_str!("../golden/dead_letter_of_record.headers"));
    assert_eq!((letter.key, letter.value), (record.key, record.value));
    assert_eq!((&*letter.topic, letter.partition), ("user_data_dlq", Some(1)));
}

#[test]
fn the_dead_letter_of_a_user_is_as_it_ever_was() {
    let page = parse_page(PAGE.as_bytes()).unwrap();
    let raw = page.users[0].get().replace("1967-07-23T09:18:33.666Z", "the day before yesterday");
    let fault = record_of(&raw, &event(), &topic()).unwrap_err();
    let app = schema::dead_letter::App { name: "producer", ..APP };
    let letter = from_user(&raw, &event(), &fault, "user_data", &dlq_topic(), &app, now());
    assert_eq!(lines(&letter.headers), include_str!("../golden/dead_letter_of_user.headers"));
    assert_eq!(
        String::from_utf8(letter.value.unwrap()).unwrap(),
        include_str!("../golden/dead_letter_of_user.json").trim_end()
    );
    assert_eq!(letter.key.unwrap(), b"9f07341f-c7e6-45b7-bab0-af6de5a4582d");
    assert_eq!((&*letter.topic, letter.partition), ("user_data_dlq", None));
}

#[test]
fn the_ten_recorded_users_agree_with_the_existing_pipeline_on_every_field_but_the_id() {
    let page = parse_page(PAGE.as_bytes()).unwrap();
    let flat: Vec<serde_json::Map<String, Value>> = serde_json::from_str(FLAT).unwrap();
    let raw: Value = serde_json::from_str(PAGE).unwrap();
    assert_eq!((page.users.len(), flat.len()), (10, 10));
    for (index, (user, theirs)) in page.users.iter().zip(flat).enumerate() {
        let event = Event { index: u32::try_from(index).unwrap(), ..event() };
        let record = record_of(user.get(), &event, &topic()).unwrap();
        let ours: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        for (field, value) in theirs.iter().filter(|(field, _)| *field != "id") {
            assert_eq!(&ours[field], value, "user {index}, {field}");
        }
        assert_eq!(ours["id"], raw["results"][index]["login"]["uuid"]);
        let record = consumed(record);
        let row = row_of(&record, now()).unwrap();
        assert_eq!(row.id.to_string(), ours["id"].as_str().unwrap());
        assert_eq!(row.source, format!("randomuser:abc/1/{index}"));
    }
}
