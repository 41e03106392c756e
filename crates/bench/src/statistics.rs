//! Median, smallest and largest.

use serde::{Deserialize, Serialize};

/// Of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number of figures the mean of both in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// None of no figures.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        figures.sort_by(f64::total_cmp);
        let (min, max, count) = (*figures.first()?, *figures.last()?, figures.len());
        let (low, high) = (*figures.get((count - 1) / 2)?, *figures.get(count / 2)?);
        Some(Self { median: f64::midpoint(low, high), min, max, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_in_whatever_order() {
        let of = |figures: &[f64]| Spread::of(figures.iter().copied());
        assert_eq!(of(&[3.0, 1.0, 10.0]), Some(Spread { median: 3.0, min: 1.0, max: 10.0, count: 3 }));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(of(&[1.0, f64::NAN]).unwrap().count, 1);
        assert_eq!(of(&[]), None);
    }
}
