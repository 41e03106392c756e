use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::disposition::{Disposition, State};
use crate::fixture::{self, Placed as _};

fn everything() -> Selection {
    Selection { states: vec![crate::selection::StateChoice::All], ..Selection::default() }
}

fn book(letters: impl IntoIterator<Item = Letter>) -> Book {
    let mut book = Book::default();
    for letter in letters {
        book.letter(&letter);
    }
    book
}

fn made(letter: &Letter, state: State) -> Disposition {
    Disposition::new(letter, state, 1, "me", "why", fixture::now())
}

fn chosen(book: &Book, selection: &Selection) -> Vec<Choice> {
    book.chosen(selection, &[], fixture::now())
}

/// Where the letters lie, those that failed first first, and what became of them.
fn states(book: &Book) -> Vec<(Coordinates, State)> {
    chosen(book, &everything()).into_iter().map(|choice| (choice.dlq, choice.state)).collect()
}

fn at(partition: i32, offset: i64) -> Coordinates {
    Coordinates { partition, offset }
}

/// The letter that goes by this id.
fn find(book: &Book, id: &str) -> Option<Choice> {
    let found = chosen(book, &Selection { ids: vec![id.to_owned()], ..everything() });
    assert!(found.len() < 2, "an id is one letter's");
    found.first().copied()
}

fn state(book: &Book, id: &str) -> Option<State> {
    find(book, id).map(|choice| choice.state)
}

/// The letter, but of another time and place.
fn moved(letter: &Letter, offset: i64, later_ms: i64) -> Letter {
    let failed_at = letter.failed_at + TimeDelta::milliseconds(later_ms);
    let dlq = Coordinates { offset, ..letter.dlq };
    Letter { dlq, failed_at, appended_ms: letter.appended_ms + later_ms, ..letter.clone() }
}

#[test]
fn a_letter_that_nothing_is_said_of_is_unresolved() {
    let book = book([fixture::read_letter(0, 1, 10), fixture::read_letter(0, 2, 11)]);
    assert_eq!(states(&book), [(at(0, 10), State::Unresolved), (at(0, 11), State::Unresolved)]);
    assert_eq!(state(&book, "user_data/0/2"), Some(State::Unresolved));
    assert_eq!(book.chosen(&Selection::default(), &[State::Unresolved], fixture::now()).len(), 2);
    assert_eq!(book.chosen(&Selection::default(), &[State::Parked], fixture::now()), []);
}

#[test]
fn the_ledger_says_what_became_of_a_letter_and_its_last_word_counts() {
    let letter = fixture::read_letter(0, 1, 10);
    let mut book = book([letter.clone()]);
    for last in State::ALL {
        assert_eq!(book.entry(Ok(Entry::Made(made(&letter, last)))), Some(last));
        assert_eq!(state(&book, &letter.id), Some(last));
        assert_eq!(book.entry(Ok(Entry::Made(made(&letter, last)))), None, "the same again is no news");
    }
    let earlier = Disposition { at: fixture::now() - TimeDelta::seconds(1), ..made(&letter, State::Replayed) };
    assert_eq!(book.entry(Ok(Entry::Made(earlier))), None);
    assert_eq!(state(&book, &letter.id), Some(State::Discarded));
    book.entry(Ok(Entry::Withdrawn(letter.id.clone())));
    assert_eq!(state(&book, &letter.id), Some(State::Unresolved));
}

#[test]
fn an_entry_of_an_unknown_letter_changes_nothing() {
    let mut book = book([fixture::read_letter(0, 1, 10)]);
    book.entry(Ok(Entry::Made(made(&fixture::read_letter(0, 2, 99), State::Confirmed))));
    assert_eq!(states(&book), [(at(0, 10), State::Unresolved)]);
}

#[test]
fn an_entry_does_not_speak_of_a_letter_of_the_same_id_and_place_that_failed_at_another_time() {
    // The topics were made anew: ids and offsets began again, the ledger was kept.
    let old = fixture::read_letter(0, 1, 10);
    let new = Letter { failed_at: old.failed_at + TimeDelta::days(1), ..old.clone() };
    let mut book = book([new]);
    book.entry(Ok(Entry::Made(made(&old, State::Confirmed))));
    assert_eq!(state(&book, &old.id), Some(State::Unresolved));
}

#[test]
fn a_replayed_letter_that_came_back_is_boomeranged_though_the_job_did_not_live_to_say_so() {
    let letter = fixture::read_letter(3, 1042, 10);
    let mut book = book([letter.clone(), Letter::of(fixture::boomerang(&letter.id, "job", 1).at(3, 11))]);
    let replayed = Disposition { replay_id: Some("job".to_owned()), ..made(&letter, State::Replayed) };
    book.entry(Ok(Entry::Made(replayed)));
    assert_eq!(state(&book, &letter.id), Some(State::Boomeranged));
    assert_eq!(state(&book, "user_data/3/2001"), Some(State::Unresolved));
}

#[test]
fn a_letter_that_is_replayed_again_is_not_boomeranged_by_its_earlier_replay() {
    let letter = fixture::read_letter(3, 1042, 10);
    let mut book = book([letter.clone(), Letter::of(fixture::boomerang(&letter.id, "first", 1).at(3, 11))]);
    let replayed = Disposition { replay_id: Some("second".to_owned()), ..made(&letter, State::Replayed) };
    book.entry(Ok(Entry::Made(replayed)));
    assert_eq!(state(&book, &letter.id), Some(State::Replayed));
}

#[test]
fn an_ending_speaks_of_its_own_replay_only() {
    let letter = fixture::read_letter(3, 1042, 10);
    let of_job = |state, job: &str| {
        let made = Disposition { replay_id: Some(job.to_owned()), ..made(&letter, state) };
        Ok(Entry::Made(made))
    };
    let mut book = book([letter.clone()]);
    book.entry(of_job(State::Replayed, "second"));
    assert_eq!(book.entry(of_job(State::Confirmed, "first")), None, "late");
    assert_eq!(state(&book, &letter.id), Some(State::Replayed));
    assert_eq!(book.entry(of_job(State::Confirmed, "second")), Some(State::Confirmed));
    let again = Disposition { at: fixture::now() + TimeDelta::seconds(1), ..made(&letter, State::Confirmed) };
    let again = Disposition { replay_id: Some("second".to_owned()), ..again };
    assert_eq!(book.entry(Ok(Entry::Made(again))), None, "told already");
    book.entry(of_job(State::Discarded, "second"));
    assert_eq!(book.entry(of_job(State::Confirmed, "second")), None, "nothing ends what a person has decided since");
    assert_eq!(state(&book, &letter.id), Some(State::Discarded));
}

#[test]
fn the_same_failure_told_twice_is_one_dead_letter() {
    let first = fixture::read_letter(0, 1, 10);
    let again = moved(&first, 12, 500);
    for letters in [[first.clone(), again.clone()], [again.clone(), first.clone()]] {
        let book = book(letters);
        assert_eq!(states(&book), [(again.dlq, State::Unresolved)]);
    }
}

#[test]
fn two_letters_of_one_id_with_different_bytes_are_both_listed() {
    let old = fixture::read_letter(0, 1, 10);
    let new = Letter { value: Some(b"other".to_vec()), ..moved(&old, 12, 500) };
    for letters in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        let mut book = book(letters);
        book.entry(Ok(Entry::Made(made(&old, State::Confirmed))));
        assert_eq!(states(&book), [(at(0, 10), State::Confirmed), (at(0, 12), State::Unresolved)]);
        assert_eq!(
            chosen(&book, &everything()).iter().map(|choice| choice.is_named).collect::<Vec<_>>(),
            [false, true]
        );
        assert_eq!(state(&book, "dlq/0/10"), Some(State::Confirmed));
        assert_eq!((state(&book, "user_data/0/1"), state(&book, "dlq/0/12")), (Some(State::Unresolved), None));
    }
}

#[test]
fn the_first_unreadable_entry_is_remembered() {
    let mut book = book([]);
    assert_eq!(book.unreadable(), None);
    let mut record = fixture::foreign_letter(b"x").at(0, 4);
    record.key = Some(b"a".to_vec());
    book.entry(Entry::of(&record));
    assert!(book.unreadable().is_some_and(|entry| entry.to_string().contains("/0/4")));
}

#[test]
fn a_limit_takes_those_that_failed_first() {
    let first = fixture::read_letter(0, 9, 5);
    let later = moved(&fixture::read_letter(0, 1, 3), 3, 1000);
    let book = book([later, first]);
    let limited = Selection { limit: Some(1), ..everything() };
    assert_eq!(chosen(&book, &limited).iter().map(|choice| choice.dlq).collect::<Vec<_>>(), [at(0, 5)]);
    assert_eq!(book.census(&limited, &[], fixture::now()).total, 1);
}

#[test]
fn what_the_selection_does_not_want_is_neither_listed_nor_counted() {
    let letter = fixture::read_letter(0, 1, 10);
    let later =
        Letter { failed_at: fixture::now() + TimeDelta::days(1), ..Letter::of(fixture::foreign_letter(b"x").at(1, 0)) };
    let book = book([letter.clone(), later.clone()]);
    for (wanted, expected) in [
        (Selection { reasons: vec![Reason::QualityRule], ..everything() }, &[letter.dlq][..]),
        (Selection { reasons: vec![Reason::Deserialization], ..everything() }, &[]),
        (Selection { rules: letter.rule_ids.clone(), ..everything() }, &[letter.dlq]),
        (Selection { partitions: vec![1], ..everything() }, &[later.dlq]),
        (Selection { since: "2026-03-02".parse().ok(), ..everything() }, &[later.dlq]),
        (Selection { ids: vec!["dlq/1/0".to_owned(), "dlq/0/10".to_owned()], ..everything() }, &[later.dlq]),
    ] {
        let found: Vec<_> = chosen(&book, &wanted).iter().map(|choice| choice.dlq).collect();
        assert_eq!(found, expected, "{wanted:?}");
        assert_eq!(book.census(&wanted, &[], fixture::now()).total, expected.len() as u64);
        let grouped: u64 = book.groups(&wanted, &[], fixture::now()).iter().map(|group| group.count).sum();
        assert_eq!(grouped, expected.len() as u64);
    }
}

#[test]
fn groups_are_the_fingerprints_the_most_frequent_first() {
    let first = fixture::read_letter(0, 1, 10);
    let at_another_stage = Letter { stage: Some(Stage::Validate), ..moved(&fixture::read_letter(0, 2, 11), 11, 2000) };
    let foreign = |offset| Letter::of(fixture::foreign_letter(b"x").at(1, offset));
    let mut book =
        book([foreign(0), at_another_stage.clone(), first.clone(), moved(&first, 12, 1000), foreign(1), foreign(2)]);
    book.entry(Ok(Entry::Made(made(&foreign(2), State::Confirmed))));
    let groups = book.groups(&Selection::default(), &[State::Unresolved], fixture::now());
    let told: Vec<_> = groups.iter().map(|group| (group.kind.fingerprint.clone(), group.count)).collect();
    assert_eq!(told, [(None, 2), (first.fingerprint.clone(), 2)], "told twice is one, confirmed is not unresolved");
    let ours = &groups[1];
    assert_eq!((ours.kind.reason, &ours.kind.pointers[..]), (first.reason, &["/email".to_owned()][..]));
    assert_eq!(
        (ours.first_failed_at, ours.last_failed_at),
        (fixture::now() + TimeDelta::seconds(1), at_another_stage.failed_at)
    );
    assert_eq!((ours.example.dlq, ours.example.is_named), (at_another_stage.dlq, true), "the last one");
}

#[test]
fn a_census_counts_by_state_reason_and_stage_and_knows_the_oldest_unresolved() {
    let resolved = fixture::read_letter(0, 1, 10);
    let unresolved = moved(&fixture::read_letter(0, 2, 11), 11, 1000);
    let foreign = Letter { appended_ms: i64::MAX, ..Letter::of(fixture::foreign_letter(b"x").at(1, 0)) };
    let mut book = book([resolved.clone(), unresolved.clone(), foreign]);
    book.entry(Ok(Entry::Made(made(&resolved, State::Confirmed))));
    let census = book.census(&everything(), &[], fixture::now());
    assert_eq!(census.total, 3);
    assert_eq!(census.by_state.len(), State::ALL.len());
    assert_eq!((census.by_state[&State::Unresolved], census.by_state[&State::Confirmed]), (2, 1));
    assert_eq!((census.by_reason[&Some(Reason::QualityRule)], census.by_reason[&None]), (2, 1));
    assert_eq!(census.by_stage[&Some(Stage::Quality)], 2);
    assert_eq!(census.oldest_unresolved_ms, Some(unresolved.appended_ms));
}

#[test]
fn what_retention_has_deleted_is_forgotten_in_its_partition_only() {
    let kept = Letter::of(fixture::processor_letter(1, 1).at(1, 0));
    let mut book = book([fixture::read_letter(0, 1, 10), fixture::read_letter(0, 2, 11), kept]);
    book.forget_before(0, 11);
    assert_eq!(states(&book).into_iter().map(|(at, _)| at).collect::<Vec<_>>(), [at(0, 11), at(1, 0)]);
    assert_eq!(state(&book, "user_data/0/1"), None);
}

#[test]
fn where_the_newest_of_an_id_is_gone_the_next_one_goes_by_it() {
    let letters = [0_u8, 1, 2].map(|value| {
        let letter = moved(&fixture::read_letter(0, 1, 0), value.into(), value.into());
        let partition = value.into();
        Letter { dlq: Coordinates { partition, ..letter.dlq }, value: Some(vec![value]), ..letter }
    });
    let mut book = book(letters);
    let places = |book: &Book, id: &str| find(book, id).map(|choice| choice.dlq.partition);
    assert_eq!(
        [places(&book, "user_data/0/1"), places(&book, "dlq/0/0"), places(&book, "dlq/1/1")],
        [Some(2), Some(0), Some(1)]
    );
    book.forget_before(2, 9);
    assert_eq!(
        [places(&book, "user_data/0/1"), places(&book, "dlq/0/0"), places(&book, "dlq/1/1")],
        [Some(1), Some(0), None]
    );
    book.forget_before(0, 9);
    book.forget_before(1, 9);
    assert_eq!(states(&book), []);
    assert!(book.holders.is_empty() && book.rivals.is_empty() && book.letters.iter().next().is_none());
}

proptest! {
    /// Partitions are read side by side: the order in which letters come in must not decide anything.
    #[test]
    fn the_order_of_reading_decides_nothing(
        ids in prop::collection::vec((0..4_i64, 0..3_u8, 0..3_i64), 1..12),
        order in any::<prop::sample::Index>(),
    ) {
        let letters: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(at, (id, value, later))| {
                let mut record = fixture::processor_letter(0, *id).at(0, at as i64);
                record.value = Some(vec![*value]);
                moved(&Letter::of(record), at as i64, *later)
            })
            .collect();
        let forwards = chosen(&book(letters.clone()), &everything());
        let mut turned = letters;
        let middle = order.index(turned.len());
        turned.rotate_left(middle);
        prop_assert_eq!(&forwards, &chosen(&book(turned.clone()), &everything()));
        turned.reverse();
        prop_assert_eq!(&forwards, &chosen(&book(turned), &everything()));
    }
}
