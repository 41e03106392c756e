//! The place in the API: which page comes next.

use std::sync::Arc;

use rand::Rng as _;

/// The API answers a page beyond this one with page 1, silently.
pub const LAST_PAGE: u32 = 10_000;

const SEED_LENGTH: usize = 16;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// One page of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The seed.
    pub seed: Arc<str>,
    /// The page, from 1.
    pub page: u32,
}

/// Stands on a page until every record of it is acknowledged: until then the page can be fetched again.
#[derive(Debug)]
pub struct Cursor {
    place: Place,
}

impl Cursor {
    /// Stands on page 1 of `seed`.
    pub fn new(seed: &str) -> Self {
        Self { place: Place { seed: seed.into(), page: 1 } }
    }

    /// The page to be fetched.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Goes on to the next page, or to page 1 of a new seed. To be called once every record of the page is acknowledged.
    pub fn advance(&mut self) {
        if self.place.page < LAST_PAGE {
            self.place.page += 1;
        } else {
            *self = Self::new(&random_seed());
            tracing::info!(seed = &*self.place.seed, "the last page of the seed is done, a new seed follows");
        }
    }
}

/// A seed of fixed length that ends in a letter: the API's generator appends the page to the seed, so `abc` page 12 equals
/// `abc1` page 2.
pub fn random_seed() -> String {
    let mut random = rand::rng();
    (0..SEED_LENGTH)
        .filter_map(|_| LETTERS.get(random.random_range(0..LETTERS.len())).copied())
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_seed_has_sixteen_characters_and_ends_in_a_letter() {
        let seed = random_seed();
        assert_eq!(seed.len(), SEED_LENGTH);
        assert!(seed.ends_with(|last: char| last.is_ascii_alphabetic()));
        assert_ne!(seed, random_seed());
    }

    #[test]
    fn page_10_000_is_followed_by_a_new_seed() {
        let mut cursor = Cursor::new("abc");
        for page in 1..=LAST_PAGE {
            assert_eq!(cursor.place(), &Place { seed: "abc".into(), page });
            cursor.advance();
        }
        assert_eq!(cursor.place().page, 1);
        assert_ne!(&*cursor.place().seed, "abc");
    }
}
