//! What a job costs, by its kind, as measured.

use std::time::Duration;

use super::job::COST_CLASSES;
use super::mean::RunningMean;

/// Before the first is measured.
const UNKNOWN: Duration = Duration::from_millis(2);

/// What a job is likely to take of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// With all that it takes of late.
    pub(super) whole: Duration,
    /// Without what is left out under load: nobody is refused for the sake of that.
    pub(super) least: Duration,
}

/// Means of late, in the time of a worker.
#[derive(Debug)]
pub(super) struct Costs([Means; COST_CLASSES]);

#[derive(Debug)]
struct Means {
    whole: RunningMean,
    least: RunningMean,
}

impl Default for Costs {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Means { whole: RunningMean::new(UNKNOWN), least: RunningMean::new(UNKNOWN) }))
    }
}

impl Costs {
    /// What a job of that kind is likely to take.
    pub(super) fn of(&self, class: usize) -> Cost {
        let unknown = Cost { whole: UNKNOWN, least: UNKNOWN };
        self.0.get(class).map_or(unknown, |means| Cost { whole: means.whole.mean(), least: means.least.mean() })
    }

    /// A job of that kind took so much.
    pub(super) fn took(&self, class: usize, cost: Cost) {
        if let Some(means) = self.0.get(class) {
            means.whole.took(cost.whole);
            means.least.took(cost.least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_follow_what_is_measured_and_other_kinds_keep_theirs() {
        let costs = Costs::default();
        let took = Cost { whole: Duration::from_millis(40), least: Duration::from_millis(10) };
        for _ in 0..100 {
            costs.took(1, took);
        }
        let Cost { whole, least } = costs.of(1);
        assert!((38..=40).contains(&whole.as_millis()) && (9..=10).contains(&least.as_millis()), "{whole:?} {least:?}");
        assert_eq!(costs.of(0), Cost { whole: UNKNOWN, least: UNKNOWN });
        costs.took(COST_CLASSES, took);
    }
}
