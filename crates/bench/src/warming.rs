//! How long servers are warmed up: until they compile next to nothing, and not for ever.

/// The servers are warm when they compile their own code in no more of their CPU time, percent. What a run costs them would not
/// tell on a rented machine, which is half as fast from one minute to the next.
const WARM: f64 = 3.0;
/// The servers count as warm after so many runs, whatever those show.
const MOST: usize = 5;

/// The runs so far, as far as they matter.
#[derive(Debug, Default)]
pub struct Warming {
    made: usize,
}

impl Warming {
    /// Whether the servers need another run behind one in which they compiled for so much of their CPU time, percent.
    pub fn goes_on(&mut self, compiling_percent: f64) -> bool {
        self.made += 1;
        self.made < MOST && compiling_percent > WARM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many runs are made in which the servers compile for so much of their time.
    fn runs(compiling: &[f64]) -> usize {
        let mut warming = Warming::default();
        1 + compiling.iter().take_while(|percent| warming.goes_on(**percent)).count()
    }

    #[test]
    fn it_goes_on_while_the_servers_compile_and_not_for_ever() {
        assert_eq!(runs(&[20.0, 8.0, 3.0, 20.0]), 3);
        assert_eq!(runs(&[0.5]), 1);
        assert_eq!(runs(&[64.0, 32.0, 16.0, 8.0, 4.0, 3.5]), 5);
    }
}
