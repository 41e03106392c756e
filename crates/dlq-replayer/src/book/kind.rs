//! What letters that fail alike have in common: kept once, however many there are.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;

use hashbrown::HashTable;
use schema::reason::{Reason, Stage};

use crate::letter::Letter;

/// What a letter shares with those that fail alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Who wrote it.
    pub dialect: &'static str,
    /// Why the record failed.
    pub reason: Option<Reason>,
    /// Where the record failed.
    pub stage: Option<Stage>,
    /// A label of the error.
    pub error_type: Option<String>,
    /// The same for every record that fails alike.
    pub fingerprint: Option<String>,
    /// The violated rules.
    pub rule_ids: Vec<String>,
    /// The places in the value that violate them.
    pub pointers: Vec<String>,
}

impl Kind {
    /// The kind of a letter.
    pub fn of(letter: &Letter) -> Self {
        Self {
            dialect: letter.dialect.as_str(),
            reason: letter.reason,
            stage: letter.stage,
            error_type: letter.error_type.clone(),
            fingerprint: letter.fingerprint.clone(),
            rule_ids: letter.rule_ids.clone(),
            pointers: letter.details.iter().map(|detail| detail.pointer.clone()).collect(),
        }
    }

    fn is_of(&self, letter: &Letter) -> bool {
        let pointers = letter.details.iter().map(|detail| &detail.pointer);
        self.dialect == letter.dialect.as_str()
            && self.reason == letter.reason
            && self.stage == letter.stage
            && self.error_type == letter.error_type
            && self.fingerprint == letter.fingerprint
            && self.rule_ids == letter.rule_ids
            && self.pointers.iter().eq(pointers)
    }
}

/// A kind in the list of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindNumber(NonZeroU32);

impl KindNumber {
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Every kind that occurs.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    list: Vec<Kind>,
    numbers: HashTable<KindNumber>,
    hasher: RandomState,
}

impl Kinds {
    /// The number of a letter's kind, which is entered where it is new.
    pub(super) fn number_of(&mut self, letter: &Letter) -> KindNumber {
        let hash = self.hasher.hash_one(name_of(letter));
        let Self { list, numbers, hasher } = self;
        let same = |number: &KindNumber| list.get(number.index()).is_some_and(|kind| kind.is_of(letter));
        if let Some(number) = numbers.find(hash, same) {
            return *number;
        }
        list.push(Kind::of(letter));
        let number = KindNumber(count(list));
        let rehash = |number: &KindNumber| {
            list.get(number.index()).map_or(0, |kind| hasher.hash_one((&kind.fingerprint, &kind.error_type)))
        };
        numbers.insert_unique(hash, number, rehash);
        number
    }

    pub(super) fn get(&self, number: KindNumber) -> Option<&Kind> {
        self.list.get(number.index())
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Kind> {
        self.list.iter()
    }
}

/// What tells kinds apart, nearly always.
fn name_of(letter: &Letter) -> (&Option<String>, &Option<String>) {
    (&letter.fingerprint, &letter.error_type)
}

#[expect(clippy::expect_used, reason = "four thousand million kinds do not fit the memory")]
fn count(list: &[Kind]) -> NonZeroU32 {
    u32::try_from(list.len()).ok().and_then(NonZeroU32::new).expect("between 1 and 2^32 kinds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Placed as _};

    #[test]
    fn letters_that_fail_alike_are_of_one_kind_and_others_are_not() {
        let mut kinds = Kinds::default();
        let first = kinds.number_of(&fixture::read_letter(0, 1, 1));
        assert_eq!(kinds.number_of(&fixture::read_letter(3, 2, 2)), first);
        let foreign = kinds.number_of(&Letter::of(fixture::foreign_letter(b"x").at(0, 3)));
        assert_ne!(foreign, first);
        let letter = fixture::read_letter(0, 4, 4);
        let same_fingerprint = Letter { rule_ids: vec!["other".to_owned()], ..letter.clone() };
        assert!(![first, foreign].contains(&kinds.number_of(&same_fingerprint)));
        assert_eq!(kinds.get(first), Some(&Kind::of(&letter)));
        assert_eq!(kinds.iter().count(), 3);
    }
}
