//! The place in the API: which page comes next. Pure, but for the random seed.

use std::sync::Arc;

use rand::Rng as _;
use schema::version::VersionMicros;

use crate::bookmark::Bookmark;

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

impl Place {
    /// Page 1 of `seed`.
    pub fn first(seed: &str) -> Self {
        Self { seed: seed.into(), page: 1 }
    }
}

/// Stands on a page until every record of it is published together with the place behind it: until then the page can be
/// fetched again.
#[derive(Debug)]
pub struct Cursor {
    place: Place,
    api_seed: Option<String>,
}

impl Cursor {
    /// Goes on where the producer of this name stood; at page 1 where it never stood anywhere, or where another `API_SEED` is
    /// asked for than the one that led there.
    pub fn resume(stored: Option<&Bookmark>, api_seed: Option<&str>) -> Self {
        let known = |stored: &&Bookmark| {
            api_seed.is_none_or(|asked| asked == stored.seed || stored.api_seed.as_deref() == Some(asked))
        };
        match (stored.filter(known), api_seed) {
            (Some(stored), asked) => {
                Self { place: stored.place(), api_seed: asked.map(str::to_owned).or_else(|| stored.api_seed.clone()) }
            }
            (None, Some(seed)) => Self { place: Place::first(seed), api_seed: Some(seed.into()) },
            (None, None) => Self { place: Place::first(&random_seed()), api_seed: None },
        }
    }

    /// The page to be fetched.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The place behind this page: the next page, or page 1 of a new random seed.
    pub fn following(&self) -> Place {
        if self.place.page < LAST_PAGE {
            Place { seed: Arc::clone(&self.place.seed), page: self.place.page + 1 }
        } else {
            Place::first(&random_seed())
        }
    }

    /// What is to be kept when the next page is `next` and `version` was the last one handed out.
    pub fn bookmark(&self, next: &Place, version: Option<VersionMicros>, owner: Option<&str>) -> Bookmark {
        Bookmark {
            seed: next.seed.to_string(),
            page: next.page,
            version_us: version.map_or(0, VersionMicros::get),
            api_seed: self.api_seed.clone(),
            owner: owner.map(str::to_owned),
        }
    }

    /// Goes on to `next`. To be called once the page is published.
    pub fn advance(&mut self, next: Place) {
        if next.seed != self.place.seed {
            tracing::info!(seed = &*next.seed, "the last page of the seed is done, a new seed follows");
        }
        self.place = next;
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

    fn stored(seed: &str, page: u32, api_seed: Option<&str>) -> Bookmark {
        Bookmark { seed: seed.into(), page, version_us: 5, api_seed: api_seed.map(str::to_owned), owner: None }
    }

    fn resumed(stored: Option<&Bookmark>, api_seed: Option<&str>) -> Place {
        Cursor::resume(stored, api_seed).place().clone()
    }

    #[test]
    fn a_random_seed_has_sixteen_characters_and_ends_in_a_letter() {
        let seed = random_seed();
        assert_eq!(seed.len(), SEED_LENGTH);
        assert!(seed.ends_with(|last: char| last.is_ascii_alphabetic()));
        assert_ne!(seed, random_seed());
    }

    #[test]
    fn a_producer_goes_on_where_the_last_one_of_its_name_ended() {
        let at_seven = Place { seed: "abc".into(), page: 7 };
        for begun_with in [None, Some("abc")] {
            let stored = stored("abc", 7, begun_with);
            assert_eq!(resumed(Some(&stored), None), at_seven);
            assert_eq!(resumed(Some(&stored), Some("abc")), at_seven);
        }
    }

    #[test]
    fn another_seed_begins_anew_at_its_page_1() {
        assert_eq!(resumed(Some(&stored("abc", 7, Some("abc"))), Some("xyz")), Place::first("xyz"));
        assert_eq!(resumed(None, Some("xyz")), Place::first("xyz"));
    }

    #[test]
    fn without_a_seed_and_a_place_a_random_seed_begins() {
        let place = resumed(None, None);
        assert_eq!((place.page, place.seed.len()), (1, SEED_LENGTH));
    }

    #[test]
    fn page_10_000_is_followed_by_a_new_seed() {
        let mut cursor = Cursor::resume(None, Some("abc"));
        for page in 1..=LAST_PAGE {
            assert_eq!(cursor.place(), &Place { seed: "abc".into(), page });
            cursor.advance(cursor.following());
        }
        assert_eq!(cursor.place().page, 1);
        assert_ne!(&*cursor.place().seed, "abc");
    }

    #[test]
    fn a_seed_whose_pages_are_used_up_does_not_begin_again_at_a_restart() {
        let cursor = Cursor::resume(Some(&stored("abc", LAST_PAGE, Some("abc"))), Some("abc"));
        let kept = cursor.bookmark(&cursor.following(), None, Some("me"));
        assert_ne!(kept.seed, "abc");
        assert_eq!(resumed(Some(&kept), Some("abc")), kept.place());
        assert_eq!(resumed(Some(&kept), None), kept.place());
        let later = Cursor::resume(Some(&kept), None);
        let kept = later.bookmark(&later.following(), None, Some("me"));
        assert_eq!(resumed(Some(&kept), Some("abc")).page, 2, "a restart without the seed does not forget it");
    }
}
