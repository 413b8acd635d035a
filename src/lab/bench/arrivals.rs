//! When listings are to be sent. Pure: offsets from the start, no clock.

use std::time::Duration;

use wildwarden_core::random::SplitMix64;

/// Independent callers: a Poisson process, with exponential gaps. Endless.
#[derive(Debug)]
pub struct Poisson {
    random: SplitMix64,
    per_second: f64,
    at_seconds: f64,
}

impl Poisson {
    /// `per_second` arrivals on average, the same ones for the same `seed`.
    pub fn new(per_second: f64, seed: u64) -> Self {
        Self { random: SplitMix64(seed), per_second, at_seconds: 0.0 }
    }
}

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // 53 bits are what a double holds; in (0, 1], so that the logarithm is finite.
        let uniform = ((self.random.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        self.at_seconds -= uniform.ln() / self.per_second;
        Duration::try_from_secs_f64(self.at_seconds).ok()
    }
}

/// The rates of a ramp, evenly spaced, both ends included.
pub fn ramp(from: f64, to: f64, steps: usize) -> Vec<f64> {
    let gaps = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|step| from + (to - from) * step as f64 / gaps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_mean_rate_and_the_spread_of_a_poisson_process() {
        let counts: Vec<f64> = (0..400)
            .map(|seed| Poisson::new(50.0, seed).take_while(|at| *at < Duration::from_secs(2)).count() as f64)
            .collect();
        let mean = counts.iter().sum::<f64>() / 400.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 399.0;
        // 100 expected; four standard errors each way.
        assert!((mean - 100.0).abs() < 4.0 * 10.0 / 20.0, "mean {mean}");
        assert!((variance - 100.0).abs() < 4.0 * 100.0 * (2.0_f64 / 399.0).sqrt(), "variance {variance}");
    }

    #[test]
    fn a_seed_gives_the_same_arrivals_in_rising_order() {
        let first: Vec<Duration> = Poisson::new(10.0, 7).take(100).collect();
        assert_eq!(first, Poisson::new(10.0, 7).take(100).collect::<Vec<_>>());
        assert_ne!(first, Poisson::new(10.0, 8).take(100).collect::<Vec<_>>());
        assert!(first.is_sorted());
    }

    #[test]
    fn a_ramp_includes_both_ends() {
        assert_eq!(ramp(10.0, 50.0, 5), [10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(ramp(10.0, 50.0, 1), [10.0]);
        assert_eq!(ramp(50.0, 10.0, 2), [50.0, 10.0]);
    }
}
