use chrono::TimeDelta;
use proptest::prelude::*;
use schema::headers;

use super::*;
use crate::disposition::State;
use crate::fixture::{self, Placed as _};

fn everything() -> Selection {
    Selection { states: vec![crate::selection::StateChoice::All], ..Selection::default() }
}

fn book(letters: impl IntoIterator<Item = Letter>) -> Book {
    let mut book = Book::default();
    for letter in letters {
        book.letter(&letter, true);
    }
    book
}

fn made(letter: &Letter, state: State) -> Disposition {
    Disposition::new(letter, state, 1, "me", "why", fixture::now())
}

fn states(book: &Book) -> Vec<(String, State)> {
    let chosen = book.chosen(&everything(), &[]);
    chosen.into_iter().map(|choice| (choice.id.to_string(), choice.state)).collect()
}

fn state(book: &Book, id: &str) -> Option<State> {
    book.find(id).map(|choice| choice.state)
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
    let unresolved = |id: &str| (id.to_owned(), State::Unresolved);
    assert_eq!(states(&book), [unresolved("user_data/0/1"), unresolved("user_data/0/2")]);
    assert_eq!(book.chosen(&Selection::default(), &[State::Unresolved]).len(), 2);
    assert_eq!(book.chosen(&Selection::default(), &[State::Parked]), []);
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
    assert_eq!(states(&book), [("user_data/0/1".to_owned(), State::Unresolved)]);
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
        let chosen = book.chosen(&everything(), &[]);
        assert_eq!(chosen.iter().map(|choice| choice.dlq).collect::<Vec<_>>(), [again.dlq]);
    }
}

#[test]
fn two_letters_of_one_id_with_different_bytes_are_both_listed() {
    let old = fixture::read_letter(0, 1, 10);
    let new = Letter { value: Some(b"other".to_vec()), ..moved(&old, 12, 500) };
    for letters in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        let mut book = book(letters);
        book.entry(Ok(Entry::Made(made(&old, State::Confirmed))));
        assert_eq!(
            states(&book),
            [("dlq/0/10".to_owned(), State::Confirmed), ("user_data/0/1".to_owned(), State::Unresolved)]
        );
        assert_eq!(state(&book, "dlq/0/10"), Some(State::Confirmed));
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
    assert_eq!(&*book.chosen(&limited, &[])[0].id, "user_data/0/9");
    assert_eq!(book.census(&limited, &[]).total, 1);
}

#[test]
fn what_the_selection_does_not_want_is_neither_listed_nor_counted() {
    let letter = fixture::read_letter(0, 1, 10);
    let mut book = Book::default();
    book.letter(&letter, false);
    assert_eq!(book.chosen(&everything(), &[]), []);
    assert_eq!(book.census(&everything(), &[]).total, 0);
    assert!(book.find(&letter.id).is_some());
}

#[test]
fn a_census_counts_by_state_reason_and_stage_and_knows_the_oldest_unresolved() {
    let resolved = fixture::read_letter(0, 1, 10);
    let unresolved = moved(&fixture::read_letter(0, 2, 11), 11, 1000);
    let foreign = Letter { appended_ms: i64::MAX, ..Letter::of(fixture::foreign_letter(b"x").at(1, 0)) };
    let mut book = book([resolved.clone(), unresolved.clone(), foreign]);
    book.entry(Ok(Entry::Made(made(&resolved, State::Confirmed))));
    let census = book.census(&everything(), &[]);
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
    assert_eq!(states(&book).into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["user_data/0/2", "user_data/1/1"]);
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
    let places = |book: &Book, id: &str| book.find(id).map(|choice| choice.dlq.partition);
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
    assert!(book.holders.is_empty() && book.rivals.is_empty() && book.letters.is_empty());
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
                record.headers.replace(headers::DLQ_FINGERPRINT, "f");
                moved(&Letter::of(record), at as i64, *later)
            })
            .collect();
        let forwards = states(&book(letters.clone()));
        let mut turned = letters;
        let middle = order.index(turned.len());
        turned.rotate_left(middle);
        let rotated = states(&book(turned.clone()));
        turned.reverse();
        let mut kept: Vec<_> = states(&book(turned));
        let (mut forwards, mut rotated) = (forwards, rotated);
        for list in [&mut forwards, &mut rotated, &mut kept] {
            list.sort();
        }
        prop_assert_eq!(&forwards, &rotated);
        prop_assert_eq!(&forwards, &kept);
    }
}
