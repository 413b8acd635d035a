//! What a job costs, by its kind, as measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::job::COST_CLASSES;

/// Before the first is measured.
const UNKNOWN_US: u64 = 2_000;

/// Means of late, in microseconds of a worker.
#[derive(Debug)]
pub(super) struct Costs([AtomicU64; COST_CLASSES]);

impl Default for Costs {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(UNKNOWN_US)))
    }
}

impl Costs {
    /// What a job of that kind is likely to take.
    pub(super) fn of(&self, class: usize) -> Duration {
        Duration::from_micros(self.0.get(class).map_or(UNKNOWN_US, |mean| mean.load(Ordering::Relaxed)))
    }

    /// A job of that kind took so long. An eighth of the mean is renewed by each; workers that do so at once lose one another's, which
    /// a mean bears.
    pub(super) fn took(&self, class: usize, time: Duration) {
        let Some(mean) = self.0.get(class) else { return };
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 16);
        let before = mean.load(Ordering::Relaxed);
        mean.store((before / 8 * 7 + before % 8 * 7 / 8).saturating_add(time / 8), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_follows_what_is_measured_and_other_kinds_keep_theirs() {
        let costs = Costs::default();
        for _ in 0..100 {
            costs.took(1, Duration::from_millis(40));
        }
        assert!((38..=40).contains(&costs.of(1).as_millis()), "{:?}", costs.of(1));
        assert_eq!(costs.of(0), Duration::from_micros(UNKNOWN_US));
        costs.took(COST_CLASSES, Duration::MAX);
    }
}
