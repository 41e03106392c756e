//! How long servers are warmed up: until another run is hardly any cheaper, and not for ever.

/// The runs so far, as far as they matter.
#[derive(Debug)]
pub struct Warming {
    /// The servers are warm when a run costs at least this part of the cheapest one before it.
    warm: f64,
    /// They count as warm after so many runs, whatever those show.
    left: usize,
    cheapest: f64,
}

impl Warming {
    /// Nothing has run yet.
    #[must_use]
    pub fn new(warm: f64, most: usize) -> Self {
        Self { warm, left: most, cheapest: f64::INFINITY }
    }

    /// Whether the servers need another run behind one of this cost, in whatever unit.
    pub fn goes_on(&mut self, cost: f64) -> bool {
        self.left = self.left.saturating_sub(1);
        let is_warm = cost > self.cheapest * self.warm;
        self.cheapest = self.cheapest.min(cost);
        self.left > 0 && !is_warm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many runs of these costs are made.
    fn runs(costs: &[f64]) -> usize {
        let mut warming = Warming::new(0.95, 5);
        1 + costs.iter().take_while(|cost| warming.goes_on(**cost)).count()
    }

    #[test]
    fn it_goes_on_while_runs_become_cheaper_and_not_for_ever() {
        assert_eq!(runs(&[229.0, 119.0, 118.0, 50.0]), 3);
        assert_eq!(runs(&[100.0, 120.0]), 2, "dearer is no reason to go on");
        assert_eq!(runs(&[64.0, 32.0, 16.0, 8.0, 4.0, 2.0]), 5);
    }
}
