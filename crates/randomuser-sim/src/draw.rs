//! Where the randomness of a user comes from: a pure function of the generator's seed, the page and the index.
//!
//! Nothing is drawn in sequence, so a user never depends on how many are asked for, and any user of any page can be computed
//! alone. The mixing is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), kept here and
//! not taken from a library because its values must never change.

/// The generator's seed: the text of the seed, followed by the page unless it is page 1.
///
/// This is the API's own rule, and its trap: seed `abc` page 12 is seed `abc1` page 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    high: u64,
    low: u64,
}

impl Key {
    /// The key of one page.
    pub fn of(seed: &str, page: u32) -> Self {
        let mut key = Self { high: 0, low: GOLDEN };
        key.absorb(seed.as_bytes());
        if page != 1 {
            key.absorb(page.to_string().as_bytes());
        }
        key
    }

    fn absorb(&mut self, text: &[u8]) {
        for byte in text {
            self.high = mix(self.high ^ u64::from(*byte));
            self.low = mix(self.low.wrapping_add(u64::from(*byte) + 1).wrapping_mul(GOLDEN));
        }
    }

    /// The 128 bits of the user at `index` of the page.
    pub fn user(self, index: u32) -> Draw {
        let step = GOLDEN.wrapping_mul(u64::from(index) + 1);
        Draw { high: mix(self.high.wrapping_add(step)), low: mix(self.low ^ step) }
    }
}

/// The bits of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    high: u64,
    low: u64,
}

impl Draw {
    /// The 16 bytes of `login.uuid`, in the shape of version 4.
    pub(crate) fn uuid(self) -> [u8; 16] {
        let bits = (u128::from(self.high) << 64) | u128::from(self.low);
        let shaped = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        shaped.to_be_bytes()
    }

    /// Everything else of the user.
    pub(crate) fn sequence(self) -> Sequence {
        Sequence { state: self.high ^ self.low.rotate_left(32) }
    }

    /// A number in `0.0..1.0` that decides whether the user is spoiled; independent of the user's content.
    pub(crate) fn chance(self) -> f64 {
        let bits = mix(self.low ^ self.high.rotate_left(17) ^ CHANCE) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

/// A sequence of values from one state.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    state: u64,
}

impl Sequence {
    /// A sequence that starts from a number.
    pub(crate) fn starting_at(state: u64) -> Self {
        Self { state }
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number in `0..bound`; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// One of the items; `Default` when there are none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let place = self.below(items.len() as u64) as usize;
        items.get(place).copied().unwrap_or_default()
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const CHANCE: u64 = 0x5175_1ce5_0f0f_a11d;

/// The finaliser of SplitMix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_page_is_appended_to_the_text_of_the_seed() {
        assert_eq!(Key::of("abc", 12), Key::of("abc1", 2));
        assert_eq!(Key::of("abc", 1), Key::of("abc", 1));
        assert_ne!(Key::of("abc", 1), Key::of("abc", 11));
        assert_eq!(Key::of("abc", 11), Key::of("abc11", 1));
        assert_eq!(Key::of("abc2", 1), Key::of("abc", 2));
    }

    #[test]
    fn a_million_users_have_a_million_uuids_of_version_4() {
        let mut seen = HashSet::new();
        for page in 1..=200 {
            let key = Key::of("sluice", page);
            for index in 0..5000 {
                let uuid = key.user(index).uuid();
                assert_eq!(uuid[6] >> 4, 4);
                assert_eq!(uuid[8] >> 6, 2);
                assert!(seen.insert(uuid), "page {page} index {index}");
            }
        }
    }

    #[test]
    fn chance_is_even() {
        let key = Key::of("sluice", 3);
        let below = (0..10_000).filter(|index| key.user(*index).chance() < 0.25).count();
        assert!((2_300..2_700).contains(&below), "{below} of 10000 below 0.25");
    }
}
