//! The 21 nationalities of version 1.4 and the shape of what each of them fills in.
//!
//! The words themselves are in [`crate::words`].

use std::ops::RangeInclusive;

use crate::words::NATIONALITIES;

/// What one nationality fills in. Word lists are separated by `|`; spaces around a word belong to it.
///
/// A pattern is text in which `#` stands for a digit and `@` for an upper-case Latin letter.
#[derive(Debug)]
pub struct Nationality {
    /// Two upper-case letters, as in the `nat` field and the `nat` parameter.
    pub code: &'static str,
    /// English name, as in `location.country`.
    pub country: &'static str,
    pub(crate) female: &'static str,
    pub(crate) male: &'static str,
    pub(crate) last: &'static str,
    pub(crate) streets: &'static str,
    pub(crate) cities: &'static str,
    pub(crate) states: &'static str,
    pub(crate) postcode: Postcode,
    /// Patterns separated by `|`.
    pub(crate) phone: &'static str,
    /// Patterns separated by `|`.
    pub(crate) cell: &'static str,
    pub(crate) id_name: &'static str,
    /// Patterns separated by `|`; none where `id.value` is null.
    pub(crate) id_value: Option<&'static str>,
}

/// `location.postcode` is a JSON integer in some countries and text in others.
#[derive(Debug)]
pub(crate) enum Postcode {
    /// An integer out of this range.
    Number(RangeInclusive<u32>),
    /// Text by one of these patterns, separated by `|`.
    Text(&'static str),
}

/// Titles of women; men are all "Mr". Switzerland has its own.
pub(crate) const TITLES_FEMALE: &str = "Miss|Mrs|Ms";
/// Titles of Swiss women.
pub(crate) const TITLES_FEMALE_CH: &str = "Madame|Mademoiselle";

/// The codes that a `nat` list names, as places in [`NATIONALITIES`]; none where the list is empty or where any one code of it
/// is unknown, for then the API ignores the whole list.
pub fn parse_list(list: &str) -> Option<Vec<usize>> {
    let codes: Vec<&str> = list.split(',').filter(|code| !code.is_empty()).collect();
    if codes.is_empty() {
        return None;
    }
    codes.into_iter().map(place_of).collect()
}

fn place_of(code: &str) -> Option<usize> {
    NATIONALITIES.iter().position(|nationality| nationality.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_the_twenty_one_of_version_1_4_in_order() {
        let codes: Vec<&str> = NATIONALITIES.iter().map(|n| n.code).collect();
        assert_eq!(codes.join(" "), "AU BR CA CH DE DK ES FI FR GB IE IN IR MX NL NO NZ RS TR UA US");
    }

    #[test]
    fn every_list_has_words_and_only_one_street_is_empty() {
        let mut empty_streets = 0;
        for nationality in &NATIONALITIES {
            for words in
                [nationality.female, nationality.male, nationality.last, nationality.cities, nationality.states]
            {
                assert!(words.split('|').all(|word| !word.trim().is_empty()), "{}", nationality.code);
                assert!(words.split('|').count() >= 6, "{}", nationality.code);
            }
            empty_streets += nationality.streets.split('|').filter(|street| street.is_empty()).count();
        }
        assert_eq!(empty_streets, 1);
    }

    #[test]
    fn one_unknown_code_voids_the_list() {
        assert_eq!(parse_list("us,GB"), Some(vec![20, 9]));
        assert_eq!(parse_list("us,,gb,"), Some(vec![20, 9]));
        assert_eq!(parse_list("us,xx"), None);
        assert_eq!(parse_list("us, gb"), None, "the API does not trim codes");
        assert_eq!(parse_list(""), None);
    }
}
