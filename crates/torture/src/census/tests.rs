use super::*;
use crate::findings::{LetterSeen, Place, Replay, RowSeen};
use crate::model::Stored;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn good(offset: i64, number: u128, version: i64, digest: u64) -> Seen {
    let verdict = Verdict::Row { id: id(number), version, digest };
    Seen { partition: 0, offset, source: None, replay: None, verdict }
}

fn poison(offset: i64) -> Seen {
    Seen { partition: 0, offset, source: None, replay: None, verdict: Verdict::Poison }
}

fn letter(id: &str) -> LetterSeen {
    LetterSeen { id: id.to_owned(), of_user: None, replay: None }
}

fn findings(records: Vec<Seen>) -> Findings {
    Findings { topic: "user_data".to_owned(), records, ..Findings::default() }
}

fn stored(offset: i64, promise: Promise) -> Stored {
    Stored { partition: 0, offset: Some(offset), promise }
}

#[test]
fn a_record_that_was_acknowledged_and_is_not_there_is_found() {
    let row = Promise::Row { id: id(1), version: 5 };
    let mut model = Model { stored: vec![stored(0, row), stored(1, Promise::Poison)], ..Model::default() };
    model.newest.insert(id(1), 5);
    assert!(published(&findings(vec![good(0, 1, 5, 9), poison(1)]), &model).passed);
    for records in [
        vec![good(0, 1, 5, 9)],
        vec![good(0, 1, 4, 9), poison(1)],
        vec![good(0, 2, 5, 9), poison(1)],
        vec![good(0, 1, 5, 9), good(1, 1, 5, 9)],
        vec![good(0, 1, 5, 9), poison(1), good(2, 1, 6, 9)],
    ] {
        assert!(!published(&findings(records.clone()), &model).passed, "{records:?}");
    }
}

#[test]
fn a_record_whose_offset_the_broker_did_not_say_is_looked_for_by_its_version() {
    let promise = Promise::Row { id: id(1), version: 5 };
    let mut model = Model { stored: vec![Stored { partition: 0, offset: None, promise }], ..Model::default() };
    model.newest.insert(id(1), 5);
    assert!(published(&findings(vec![good(3, 1, 5, 9)]), &model).passed);
    assert!(!published(&findings(vec![]), &model).passed);
}

#[test]
fn a_user_who_is_missing_doubled_or_beyond_the_cursor_is_found() {
    let source = |index: u32| format!("randomuser:seedx/1/{index}");
    let user = |index, is_hostile| Expected { source: source(index), id: id(1).to_string(), is_hostile };
    let expected = [user(0, false), user(1, true)];
    let published = |offset, index| Seen { source: Some(source(index)), ..good(offset, 1, 5, 9) };
    let dead = |index| LetterSeen { of_user: Some(source(index)), ..letter("producer/r/1/1") };
    let found = |records: Vec<Seen>, letters: Vec<LetterSeen>| {
        let place = Some(Place { seed: "seedx".to_owned(), page: 2 });
        users(&Findings { letters, place, ..findings(records) }, &expected, "seedx").passed
    };
    assert!(found(vec![published(0, 0)], vec![dead(1)]));
    let replay = Some(Replay { of: "producer/r/1/0".to_owned(), job: "j".to_owned(), count: 1 });
    let replayed = Seen { replay, ..published(1, 0) };
    assert!(found(vec![published(0, 0), replayed], vec![dead(1)]), "a replay is no second publication");
    assert!(!found(vec![], vec![dead(1)]), "missing");
    assert!(!found(vec![published(0, 0), published(1, 0)], vec![dead(1)]), "published twice");
    assert!(!found(vec![published(0, 0)], vec![dead(1), dead(1)]), "dead-lettered twice");
    assert!(found(vec![published(0, 0), published(1, 0)], vec![dead(1), dead(1)]), "a whole page twice");
    let newer = Seen { source: Some(source(0)), ..good(1, 1, 6, 9) };
    assert!(!found(vec![published(0, 0), newer], vec![dead(1), dead(1)]), "twice, under two versions");
    assert!(!found(vec![published(0, 0), published(1, 1)], vec![dead(1)]), "a hostile user published");
    assert!(!found(vec![published(0, 0), published(1, 2)], vec![dead(1)]), "beyond the cursor");
    assert!(!found(vec![published(0, 0)], vec![dead(1), dead(2)]), "a dead letter beyond the cursor");
    let of_another = Seen { source: Some(source(0)), ..good(0, 9, 5, 9) };
    assert!(!found(vec![of_another], vec![dead(1)]), "another key");
    let without_place = Findings { letters: vec![dead(1)], ..findings(vec![published(0, 0)]) };
    assert!(!users(&without_place, &expected, "seedx").passed, "no place");
    let place = Some(Place { seed: "other".to_owned(), page: 2 });
    let of_another_seed = Findings { letters: vec![dead(1)], place, ..findings(vec![published(0, 0)]) };
    assert!(!users(&of_another_seed, &expected, "seedx").passed, "another seed");
}

#[test]
fn a_row_that_is_missing_old_wrong_or_of_nobody_is_found() {
    let records = vec![good(0, 1, 5, 50), good(1, 1, 7, 70), good(2, 1, 6, 60), good(3, 1, 7, 71), poison(4)];
    let with = |table: &[(u128, i64, u64)]| {
        let row = |(number, version, digest): &(u128, i64, u64)| {
            (id(*number), RowSeen { version: *version, digest: *digest })
        };
        rows(&Findings { rows: table.iter().map(row).collect(), ..findings(records.clone()) }).passed
    };
    assert!(with(&[(1, 7, 70)]) && with(&[(1, 7, 71)]), "either of two records of one version");
    assert!(!with(&[]), "missing");
    assert!(!with(&[(1, 6, 60)]), "an older version");
    assert!(!with(&[(1, 7, 60)]), "other values");
    assert!(!with(&[(1, 7, 70), (2, 1, 1)]), "of nobody");
}

#[test]
fn poison_without_a_letter_and_a_letter_without_poison_are_found() {
    let mut model = Model::default();
    model.planted.insert("user_data/0/99".to_owned());
    let with = |ids: &[&str]| {
        let letters = ids.iter().map(|id| letter(id)).collect();
        let of_a_user = LetterSeen { of_user: Some("randomuser:s/1/1".to_owned()), ..letter("producer/r/1/1") };
        let mut findings = Findings { letters, ..findings(vec![good(0, 1, 1, 1), poison(1), poison(2)]) };
        findings.letters.push(of_a_user);
        (dead_letters(&findings, &model).passed, repeated_letters(&findings))
    };
    assert_eq!(with(&["user_data/0/1", "user_data/0/2"]), (true, 0));
    assert_eq!(with(&["user_data/0/1", "user_data/0/2", "user_data/0/99"]), (true, 0), "a planted one");
    assert_eq!(with(&["user_data/0/1", "user_data/0/2", "user_data/0/1"]), (true, 1), "a repeat is counted");
    assert!(!with(&["user_data/0/1"]).0, "missing");
    assert!(!with(&["user_data/0/0", "user_data/0/1", "user_data/0/2"]).0, "of a good record");
}

#[test]
fn a_partition_that_is_not_committed_to_its_end_is_found() {
    let with = |commits: &[(i32, i64)]| {
        let ends = BTreeMap::from([(0, 10), (1, 0), (2, 3)]);
        committed(&Findings { ends, committed: commits.iter().copied().collect(), ..Findings::default() }).passed
    };
    assert!(with(&[(0, 10), (2, 3)]));
    assert!(!with(&[(0, 9), (2, 3)]));
    assert!(!with(&[(0, 10)]));
}
