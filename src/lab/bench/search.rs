//! The highest rate that holds, by doubling or halving until it is between two rates, then by bisection. Pure.

/// Below this, nothing holds: a listing every twenty seconds.
const LOWEST: f64 = 0.05;

/// What is known so far.
#[derive(Debug, Clone)]
pub struct Search {
    first: f64,
    held: Option<f64>,
    broke: Option<f64>,
    precision: f64,
}

impl Search {
    /// Tries `first`, and ends when the rate that held and the one that did not differ by a share of `precision`.
    pub fn new(first: f64, precision: f64) -> Self {
        Self { first, held: None, broke: None, precision }
    }

    /// The rate to try next; `None` at the end.
    pub fn next_rate(&self) -> Option<f64> {
        match (self.held, self.broke) {
            (None, None) => Some(self.first),
            (Some(held), None) => Some(held * 2.0),
            (None, Some(broke)) => Some(broke / 2.0).filter(|rate| *rate >= LOWEST),
            (Some(held), Some(broke)) if broke > held * (1.0 + self.precision) => Some(f64::midpoint(held, broke)),
            (Some(_), Some(_)) => None,
        }
    }

    /// What came of `rate`. The rate that broke is never below one that held: after a lucky or unlucky trial the last word
    /// counts.
    pub fn tell(&mut self, rate: f64, holds: bool) {
        if holds {
            self.held = Some(rate);
            self.broke = self.broke.filter(|broke| *broke > rate);
        } else {
            self.broke = Some(rate);
            self.held = self.held.filter(|held| *held < rate);
        }
    }

    /// The highest rate that held.
    pub fn found(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(first: f64, holds: impl Fn(f64) -> bool) -> (Option<f64>, usize) {
        let mut search = Search::new(first, 0.03);
        let mut trials = 0;
        while let Some(rate) = search.next_rate() {
            search.tell(rate, holds(rate));
            trials += 1;
        }
        (search.found(), trials)
    }

    proptest! {
        #[test]
        fn it_finds_any_limit_within_its_precision_in_few_trials(limit in 0.1_f64..100_000.0, first in 0.5_f64..5000.0) {
            let (found, trials) = search(first, |rate| rate <= limit);
            let found = found.unwrap();
            prop_assert!(found <= limit && found * 1.031 >= limit, "found {found} of {limit}");
            prop_assert!(trials <= 26, "{trials} trials");
        }
    }

    #[test]
    fn a_server_that_never_holds_ends_the_search() {
        assert_eq!(search(20.0, |_| false).0, None);
    }
}
