//! How far scores have moved from those that a model's card names.

use serde::Deserialize;

/// Where bins of probabilities end, the last at 1. Most scores of harmless listings are close to 0, where the bins are narrow.
pub const SCORE_BOUNDS: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9];
const BINS: usize = SCORE_BOUNDS.len() + 1;
/// A bin that is empty is taken to have so much: the index of an empty bin would be without bound.
const LEAST: f64 = 1e-4;
/// How far from 1 the sum of shares may be: they are written with a few places.
const ROUNDING: f64 = 0.01;

/// The share of scores in each bin.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Vec<f64>")]
pub struct Shares([f64; BINS]);

impl TryFrom<Vec<f64>> for Shares {
    type Error = String;

    fn try_from(given: Vec<f64>) -> Result<Self, String> {
        let found = given.len();
        let shares = <[f64; BINS]>::try_from(given)
            .map_err(|_given| format!("{found} shares; there are {BINS} bins, which end at {SCORE_BOUNDS:?} and 1"))?;
        let sum: f64 = shares.iter().sum();
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || (sum - 1.0).abs() > ROUNDING {
            return Err(format!("shares must be in 0 to 1 and make 1 together; they make {sum:.3}"));
        }
        Ok(Self(shares))
    }
}

/// The bin of a probability.
pub fn bin(probability: f64) -> usize {
    SCORE_BOUNDS.iter().take_while(|bound| probability > **bound).count()
}

/// The population stability index of what was counted: the sum over bins of the difference of shares times the logarithm of their ratio.
/// 0: nothing has moved.
#[expect(clippy::cast_precision_loss, reason = "counts of scores")]
pub fn stability(counts: &[u64; BINS], reference: &Shares) -> f64 {
    let all = counts.iter().sum::<u64>().max(1) as f64;
    let index = |(count, expected): (&u64, &f64)| {
        let (found, expected) = ((*count as f64 / all).max(LEAST), expected.max(LEAST));
        (found - expected) * (found / expected).ln()
    };
    counts.iter().zip(&reference.0).map(index).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_moved_has_no_drift_and_what_has_does() {
        let reference = Shares::try_from(vec![0.5, 0.2, 0.1, 0.1, 0.05, 0.05, 0.0, 0.0, 0.0, 0.0]).unwrap();
        let same = [500, 200, 100, 100, 50, 50, 0, 0, 0, 0];
        assert!(stability(&same, &reference).abs() < 1e-9);
        let moved = [400, 200, 100, 100, 50, 50, 0, 0, 0, 100];
        // A tenth that went from the first bin to an empty one: 0.1 ln(0.5 / 0.4) + (0.1 - 0.0001) ln(1000).
        assert!((stability(&moved, &reference) - (0.1 * 1.25_f64.ln() + 0.0999 * 1000_f64.ln())).abs() < 1e-9);
        assert!(stability(&[0; BINS], &reference).is_finite());
    }

    #[test]
    fn bins_are_open_below() {
        assert_eq!([0.0, 0.001, 0.0011, 0.9, 1.0].map(bin), [0, 0, 1, 8, 9]);
    }

    #[test]
    fn shares_that_are_none_are_refused() {
        for (given, told) in [
            (vec![1.0], "1 shares"),
            (vec![0.2; 10], "make 2"),
            (vec![-0.1, 1.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], "0 to 1"),
            (vec![f64::NAN; 10], "NaN"),
        ] {
            let problem = Shares::try_from(given).unwrap_err();
            assert!(problem.contains(told), "{problem}");
        }
    }
}
