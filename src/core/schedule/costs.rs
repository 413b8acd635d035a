//! What a job costs, by its kind, as measured.

use std::time::Duration;

use super::job::COST_CLASSES;
use super::mean::RunningMean;

/// Before the first is measured.
const UNKNOWN: Duration = Duration::from_millis(2);

/// Means of late, in the time of a worker.
#[derive(Debug)]
pub(super) struct Costs([RunningMean; COST_CLASSES]);

impl Default for Costs {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RunningMean::new(UNKNOWN)))
    }
}

impl Costs {
    /// What a job of that kind is likely to take.
    pub(super) fn of(&self, class: usize) -> Duration {
        self.0.get(class).map_or(UNKNOWN, RunningMean::mean)
    }

    /// A job of that kind took so long.
    pub(super) fn took(&self, class: usize, time: Duration) {
        self.0.get(class).into_iter().for_each(|mean| mean.took(time));
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
        assert_eq!(costs.of(0), UNKNOWN);
        costs.took(COST_CLASSES, Duration::MAX);
    }
}
