//! Intervals by resampling whole clusters (Efron 1979; Field and Welsh 2007): listings of one seller resemble each other, so
//! the seller, not the listing, is what was drawn by chance. Percentiles, 95 %. Pure and reproducible from a seed.

use std::collections::HashMap;

use wildwarden_core::random::SplitMix64;

/// Lower and upper percentile, as shares.
const TAILS: (f64, f64) = (0.025, 0.975);

/// Which listings belong together.
#[derive(Debug, Clone)]
pub struct Clusters {
    of_sample: Vec<usize>,
    count: usize,
}

/// A figure with its 95 % interval. `None`: undefined, because a class is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Estimate {
    /// On all listings.
    pub value: Option<f64>,
    /// 2.5th percentile.
    pub low: Option<f64>,
    /// 97.5th percentile.
    pub high: Option<f64>,
}

impl Clusters {
    /// Samples of the same name are one cluster.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut of_sample = Vec::new();
        for name in names {
            let next = seen.len();
            of_sample.push(*seen.entry(name).or_insert(next));
        }
        Self { of_sample, count: seen.len() }
    }

    /// Number of clusters.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.of_sample.len()
    }

    /// `statistics` of all samples, each with the interval of `rounds` resamplings. `statistics` gets a weight a sample and
    /// gives the same number of figures each time, NaN where undefined; rounds without a value are left out of its interval.
    /// One cluster alone has no spread to show, and so no interval.
    pub fn estimates(&self, rounds: usize, seed: u64, mut statistics: impl FnMut(&[f64]) -> Vec<f64>) -> Vec<Estimate> {
        let values = statistics(&vec![1.0; self.of_sample.len()]);
        let mut resampled: Vec<Vec<f64>> = vec![Vec::with_capacity(rounds); values.len()];
        let mut random = SplitMix64(seed);
        for _ in 0..rounds {
            let weights = self.draw(&mut random);
            for (figures, figure) in resampled.iter_mut().zip(statistics(&weights)) {
                if figure.is_finite() {
                    figures.push(figure);
                }
            }
        }
        let estimate = |(value, mut figures): (f64, Vec<f64>)| {
            figures.sort_by(f64::total_cmp);
            let value = value.is_finite().then_some(value);
            let bound = |share| value.filter(|_| self.count > 1).and_then(|_| percentile(&figures, share));
            Estimate { value, low: bound(TAILS.0), high: bound(TAILS.1) }
        };
        values.into_iter().zip(resampled).map(estimate).collect()
    }

    /// How often each sample is in a resampling: clusters are drawn with replacement.
    fn draw(&self, random: &mut SplitMix64) -> Vec<f64> {
        let mut times = vec![0.0_f64; self.count];
        for _ in 0..self.count {
            if let Some(time) = times.get_mut(random.below(self.count)) {
                *time += 1.0;
            }
        }
        self.of_sample.iter().map(|&cluster| times.get(cluster).copied().unwrap_or_default()).collect()
    }
}

impl Estimate {
    /// For a share: no narrower than the exact interval of as many independent trials as there are clusters (Clopper and Pearson
    /// 1934). Few clusters resampled show too little spread, and none at 0 and 1.
    #[must_use]
    pub fn of_share(self, clusters: usize) -> Self {
        let Some(value) = self.value.filter(|_| (1..=MOST_EXACT_CLUSTERS).contains(&clusters)) else {
            return self.of_bound(clusters);
        };
        let successes = value * clusters as f64;
        let low = exact_bound(|p| at_least(successes.floor(), clusters, p));
        let high = 1.0 - exact_bound(|q| at_least(clusters as f64 - successes.ceil(), clusters, q));
        let low = if value <= 0.0 { 0.0 } else { low };
        let high = if value >= 1.0 { 1.0 } else { high };
        Self {
            low: Some(self.low.map_or(low, |own| own.min(low))),
            high: Some(self.high.map_or(high, |own| own.max(high))),
            ..self
        }
    }

    /// For a figure in [0, 1] that is at its end in all listings, where resampling shows no spread: the exact bound of as many
    /// independent trials as there are clusters.
    #[must_use]
    pub fn of_bound(self, clusters: usize) -> Self {
        let Some(value) = self.value.filter(|_| clusters > 0) else { return self };
        let least_chance = TAILS.0.powf(1.0 / clusters as f64);
        if value <= 0.0 {
            Self { high: Some(self.high.unwrap_or(0.0).max(1.0 - least_chance)), ..self }
        } else if value >= 1.0 {
            Self { low: Some(self.low.unwrap_or(1.0).min(least_chance)), ..self }
        } else {
            self
        }
    }
}

/// With more clusters than this, resampling shows the spread of any share that is not at an end.
const MOST_EXACT_CLUSTERS: usize = 500;

/// To far below the width of any such interval.
const HALVINGS: usize = 40;

/// The probability of success at which `tail`, which rises with it, is the lower tail.
fn exact_bound(tail: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if tail(middle) < TAILS.0 { low = middle } else { high = middle }
    }
    low
}

/// Chance of at least `successes` of `trials` at probability `p`.
fn at_least(successes: f64, trials: usize, p: f64) -> f64 {
    let n = trials as f64;
    let odds = p / (1.0 - p);
    let mut chance = (n * (1.0 - p).ln()).exp();
    let mut sum = 0.0;
    for k in 0..=trials {
        let k = k as f64;
        if k >= successes {
            sum += chance;
        }
        chance *= (n - k) / (k + 1.0) * odds;
    }
    sum
}

/// Linear between order statistics, as numpy's default. `sorted` rises.
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let below = place.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (place - place.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_agree_with_numpy() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/golden/evaluation.json")).unwrap();
        let values = golden["percentiles"]["values"].as_array().unwrap();
        let mut values: Vec<f64> = values.iter().map(|value| value.as_f64().unwrap()).collect();
        values.sort_by(f64::total_cmp);
        for (share, expected) in golden["percentiles"]["expected"].as_object().unwrap() {
            let found = percentile(&values, share.parse().unwrap()).unwrap();
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-12, "{share}: {found}, numpy says {expected}");
        }
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        // 400 independent coin throws, half heads: standard error 0.025, so 0.402 to 0.598.
        let truth: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let names: Vec<String> = (0..400).map(|i| i.to_string()).collect();
        let mean = |weights: &[f64]| {
            let sum: f64 = weights.iter().zip(&truth).map(|(weight, truth)| weight * truth).sum();
            vec![sum / weights.iter().sum::<f64>()]
        };
        let alone = Clusters::new(names.iter().map(String::as_str)).estimates(2000, 7, mean)[0];
        assert_eq!(alone.value, Some(0.5));
        assert!((alone.low.unwrap() - 0.451).abs() < 0.006 && (alone.high.unwrap() - 0.549).abs() < 0.006, "{alone:?}");

        // In clusters of twenty that agree, only twenty throws were made: standard error 0.112.
        let truth: Vec<f64> = (0..400).map(|i| f64::from((i / 20) % 2)).collect();
        let names: Vec<String> = (0..400).map(|i| (i / 20).to_string()).collect();
        let mean = |weights: &[f64]| {
            let sum: f64 = weights.iter().zip(&truth).map(|(weight, truth)| weight * truth).sum();
            vec![sum / weights.iter().sum::<f64>()]
        };
        let clustered = Clusters::new(names.iter().map(String::as_str)).estimates(2000, 7, mean)[0];
        assert!(
            (clustered.low.unwrap() - 0.281).abs() < 0.03 && (clustered.high.unwrap() - 0.719).abs() < 0.03,
            "{clustered:?}"
        );
    }

    #[test]
    fn a_seed_gives_the_same_interval_and_undefined_stays_undefined() {
        let clusters = Clusters::new(["a", "b", "b", "c"]);
        let first = |weights: &[f64]| vec![weights[0], f64::NAN];
        let estimates = clusters.estimates(50, 3, first);
        assert_eq!(estimates, clusters.estimates(50, 3, first));
        assert_eq!(estimates[1], Estimate::default());
    }

    #[test]
    fn a_share_of_none_has_the_exact_upper_bound() {
        let none = Estimate { value: Some(0.0), low: Some(0.0), high: Some(0.0) }.of_share(100);
        // Clopper and Pearson, 0 of 100: 0 to 0.0362.
        assert!((none.high.unwrap() - 0.0362).abs() < 1e-4, "{none:?}");
        let all = Estimate { value: Some(1.0), low: Some(1.0), high: Some(1.0) }.of_share(100);
        assert!((all.low.unwrap() - 0.9638).abs() < 1e-4, "{all:?}");
        // 4 of 5: 0.2836 to 0.9949, where resampling five clusters ends at 1.
        let few = Estimate { value: Some(0.8), low: Some(0.4), high: Some(1.0) }.of_share(5);
        assert!((few.low.unwrap() - 0.2836).abs() < 1e-4 && few.high == Some(1.0), "{few:?}");
    }
}
