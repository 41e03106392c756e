//! What a request asks for, after the API's silent fallbacks.

use crate::catalogue::{Choice, Gender};
use crate::draw::Key;
use crate::field::Fields;
use crate::nationality::parse_list;

/// A request without its mistakes: the API never refuses a parameter, it falls back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Text, as echoed.
    pub seed: String,
    /// 1..=10000.
    pub page: u32,
    /// Users, 1..=5000.
    pub results: u32,
    /// Who, and which fields.
    pub choice: Choice,
}

/// Most users of one answer.
pub const MAX_RESULTS: u32 = 5_000;
/// Last page of a seed.
pub const MAX_PAGE: u32 = 10_000;

impl Asked {
    /// Anybody of (seed, page), with every field.
    pub fn plain(seed: &str, page: u32, results: u32) -> Self {
        Self { seed: seed.to_owned(), page, results, choice: Choice::ANYBODY }
    }

    /// Reads decoded parameters; the last one of a name counts. `fresh_seed` is asked for where there is none.
    pub fn parse(parameters: &[(String, String)], fresh_seed: impl FnOnce() -> String) -> Self {
        let last = |name: &str| {
            let found = parameters.iter().rev().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let seeded = !last("seed").is_empty();
        let gender = match last("gender") {
            "female" if !seeded => Some(Gender::Female),
            "male" if !seeded => Some(Gender::Male),
            _ => None,
        };
        Self {
            seed: if seeded { last("seed").to_owned() } else { fresh_seed() },
            page: within(last("page"), MAX_PAGE),
            results: within(last("results"), MAX_RESULTS),
            choice: Choice {
                nationalities: parse_list(last("nat")).unwrap_or_default(),
                gender,
                fields: Fields::asked(last("inc"), last("exc")),
            },
        }
    }

    /// The generator's seed.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.seed, self.page)
    }
}

/// A whole number in `1..=most`; anything else is 1.
fn within(text: &str, most: u32) -> u32 {
    text.parse().ok().filter(|number| (1..=most).contains(number)).unwrap_or(1)
}

/// A seed as the API makes one up: 16 hexadecimal digits.
pub fn fresh_seed() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        let parameters: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Asked::parse(&parameters, || "fresh".to_owned())
    }

    #[test]
    fn results_out_of_range_or_no_integer_are_one() {
        for (text, results) in [
            ("1", 1),
            ("5000", 5000),
            ("5001", 1),
            ("0", 1),
            ("-3", 1),
            ("2.5", 1),
            ("ten", 1),
            ("", 1),
            ("99999999999999999999", 1),
        ] {
            assert_eq!(asked(&format!("results={text}")).results, results, "{text}");
        }
        assert_eq!(asked("seed=abc").results, 1);
    }

    #[test]
    fn a_page_out_of_range_is_page_one() {
        for (text, page) in [("7", 7), ("10000", 10000), ("10001", 1), ("0", 1), ("-1", 1), ("x", 1)] {
            assert_eq!(asked(&format!("page={text}")).page, page, "{text}");
        }
    }

    #[test]
    fn gender_counts_only_without_a_seed() {
        assert_eq!(asked("gender=male").choice.gender, Some(Gender::Male));
        assert_eq!(asked("gender=MALE").choice.gender, None);
        assert_eq!(asked("gender=male&seed=abc").choice.gender, None);
    }

    #[test]
    fn without_a_seed_a_fresh_one_is_made() {
        assert_eq!(asked("results=2").seed, "fresh");
        assert_eq!(asked("seed=").seed, "fresh");
        assert_eq!(asked("seed=abc").seed, "abc");
        let seed = fresh_seed();
        assert_eq!(seed.len(), 16);
        assert!(seed.chars().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(seed, fresh_seed());
    }

    #[test]
    fn the_last_of_a_repeated_parameter_counts() {
        assert_eq!(asked("page=2&page=3").page, 3);
    }

    #[test]
    fn one_bad_nationality_voids_the_list() {
        assert_eq!(asked("nat=fr").choice.nationalities, [8]);
        assert_eq!(asked("nat=fr,zz").choice, Choice::ANYBODY);
    }
}
