//! Whether probabilities mean what they say: expected calibration error (Naeini et al. 2015, with bins of equal mass),
//! Brier score (Brier 1950), and the shift of a probability to another prior (Saerens et al. 2002). Pure.

/// Bins of the expected calibration error.
pub const BINS: usize = 15;
/// Probabilities are kept this far from 0 and 1 before their log-odds are taken.
const EDGE: f64 = 1e-12;

/// A probability, its truth and how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    /// Stated.
    pub probability: f64,
    /// True.
    pub positive: bool,
    /// At least 0.
    pub weight: f64,
}

/// Forecasts of similar probability.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bin {
    /// Forecasts in it.
    pub listings: usize,
    /// Their mean probability.
    pub probability: f64,
    /// Share of them that is true.
    pub observed: f64,
    /// Share of all weight.
    pub weight: f64,
}

/// Bins of equal weight over forecasts sorted by probability; equal probabilities stay together, in the bin of their
/// middle. Empty bins are left out.
///
/// `forecasts` must be sorted by probability.
pub fn reliability(forecasts: &[Forecast]) -> Vec<Bin> {
    let total: f64 = forecasts.iter().map(|forecast| forecast.weight).sum();
    let mut sums = [(0_usize, 0.0, 0.0, 0.0); BINS];
    let mut before = 0.0;
    for tied in forecasts.chunk_by(|a, b| a.probability.total_cmp(&b.probability).is_eq()) {
        let weight: f64 = tied.iter().map(|forecast| forecast.weight).sum();
        let middle = (before + weight / 2.0) / total;
        before += weight;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in [0, BINS]")]
        let bin = ((middle * BINS as f64) as usize).min(BINS - 1);
        let Some(sum) = sums.get_mut(bin).filter(|_| weight > 0.0) else { continue };
        for forecast in tied {
            sum.0 += 1;
            sum.1 += forecast.weight;
            sum.2 += forecast.weight * forecast.probability;
            sum.3 += if forecast.positive { forecast.weight } else { 0.0 };
        }
    }
    let filled = sums.into_iter().filter(|&(_, weight, _, _)| weight > 0.0);
    filled
        .map(|(listings, weight, probability, positive)| Bin {
            listings,
            probability: probability / weight,
            observed: positive / weight,
            weight: weight / total,
        })
        .collect()
}

/// Mean distance between stated and observed, over the bins.
pub fn expected_calibration_error(bins: &[Bin]) -> f64 {
    bins.iter().map(|bin| bin.weight * (bin.probability - bin.observed).abs()).sum()
}

/// Mean squared distance between stated and true.
pub fn brier(forecasts: &[Forecast]) -> f64 {
    let (sum, total) = forecasts.iter().fold((0.0, 0.0), |(sum, total), forecast| {
        let truth = f64::from(u8::from(forecast.positive));
        (sum + forecast.weight * (forecast.probability - truth).powi(2), total + forecast.weight)
    });
    sum / total
}

/// Weights of a positive and of a negative that make positives as frequent as `prior` says; the total stays.
pub fn prior_weights(positives: f64, negatives: f64, prior: f64) -> (f64, f64) {
    let total = positives + negatives;
    (prior * total / positives, (1.0 - prior) * total / negatives)
}

/// The same evidence, stated at another prior.
pub fn shift_prior(probability: f64, from: f64, to: f64) -> f64 {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let shifted = logit(probability.clamp(EDGE, 1.0 - EDGE)) + logit(to) - logit(from);
    1.0 / (1.0 + (-shifted).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../tests/fixtures/golden/evaluation.json")).unwrap()
    }

    fn numbers(value: &serde_json::Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    #[test]
    fn calibration_error_and_brier_score_agree_with_numpy_and_scikit_learn() {
        let golden = golden();
        let prior = golden["prior"].as_f64().unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let scores = numbers(&case["scores"]);
            let positive: Vec<bool> =
                case["positive"].as_array().unwrap().iter().map(|truth| truth.as_bool().unwrap()).collect();
            let ones = vec![1.0; scores.len()];
            for (weights, expected) in [(ones, &case["unweighted"]), (numbers(&case["weights"]), &case["weighted"])] {
                let sum = |truth| positive.iter().zip(&weights).filter(|(p, _)| **p == truth).map(|(_, w)| w).sum();
                let (up, down) = prior_weights(sum(true), sum(false), prior);
                for (suffix, (up, down)) in [("", (1.0, 1.0)), ("_at_prior", (up, down))] {
                    let mut forecasts: Vec<Forecast> = scores
                        .iter()
                        .zip(&positive)
                        .zip(&weights)
                        .map(|((&probability, &positive), weight)| Forecast {
                            probability,
                            positive,
                            weight: weight * if positive { up } else { down },
                        })
                        .collect();
                    forecasts.sort_by(|a, b| a.probability.total_cmp(&b.probability));
                    let ece = expected_calibration_error(&reliability(&forecasts));
                    assert!(
                        (ece - expected[format!("ece{suffix}")].as_f64().unwrap()).abs() < 1e-9,
                        "{ece} {expected}"
                    );
                    let brier = brier(&forecasts);
                    assert!((brier - expected[format!("brier{suffix}")].as_f64().unwrap()).abs() < 1e-9, "{brier}");
                }
            }
        }
    }

    #[test]
    fn a_shift_there_and_back_changes_nothing_and_a_certain_probability_stays_finite() {
        let there = shift_prior(0.3, 0.5, 0.01);
        assert!(there < 0.01 && (shift_prior(there, 0.01, 0.5) - 0.3).abs() < 1e-12);
        // Bayes: odds of 1:1 at a balanced prior are odds of 1:99 at 1 %.
        assert!((shift_prior(0.5, 0.5, 0.01) - 0.01).abs() < 1e-12);
        assert!(shift_prior(1.0, 0.5, 0.01) < 1.0 && shift_prior(0.0, 0.5, 0.01) > 0.0);
    }
}
