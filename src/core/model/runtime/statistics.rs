//! How often a model ran and how long that took: sums since it was loaded.

use parking_lot::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// A number of events and the time they took together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Events.
    pub count: u64,
    /// Their time.
    pub time: Duration,
}

impl Sum {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.time += time;
    }
}

/// Sums over the runs of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    /// Rows, images or texts, of runs that succeeded.
    pub rows: u64,
    /// Runs that succeeded, in the session.
    pub success: Sum,
    /// Runs that failed, in the session.
    pub fail: Sum,
    /// Requests for raw tensors, until a worker took them. Listings wait for all their models at once.
    pub queue: Sum,
    /// Reading the tensors of such requests.
    pub read: Sum,
    /// Writing the tensors of such requests.
    pub write: Sum,
    /// When the last run ended.
    pub last: Option<SystemTime>,
}

/// The sums of one model. Locked for the time of a few additions, so workers do not wait for each other.
#[derive(Debug, Default)]
pub struct Statistics(Mutex<Runs>);

impl Statistics {
    fn lock(&self) -> MutexGuard<'_, Runs> {
        // Nothing in here can panic half way.
        self.0.lock()
    }

    /// A run over `rows` rows ended.
    pub fn ran(&self, rows: usize, time: Duration, succeeded: bool) {
        let mut runs = self.lock();
        if succeeded {
            runs.rows += u64::try_from(rows).unwrap_or(u64::MAX);
            runs.success.add(time);
        } else {
            runs.fail.add(time);
        }
        runs.last = Some(SystemTime::now());
    }

    /// A request for raw tensors was answered.
    pub fn answered(&self, queue: Duration, read: Duration, write: Duration) {
        let mut runs = self.lock();
        runs.queue.add(queue);
        runs.read.add(read);
        runs.write.add(write);
    }

    /// The sums so far.
    pub fn runs(&self) -> Runs {
        *self.lock()
    }

    /// Forgets the runs before the model came into service: golden samples and warming.
    pub fn clear(&self) {
        *self.lock() = Runs::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_and_failure_are_summed_apart_and_a_failed_run_has_no_rows() {
        let statistics = Statistics::default();
        let ms = Duration::from_millis;
        statistics.ran(3, ms(5), true);
        statistics.ran(2, ms(7), true);
        statistics.ran(9, ms(1), false);
        statistics.answered(ms(2), ms(1), ms(4));
        let runs = statistics.runs();
        assert_eq!(
            (runs.rows, runs.success, runs.fail),
            (5, Sum { count: 2, time: ms(12) }, Sum { count: 1, time: ms(1) })
        );
        assert_eq!((runs.queue.time, runs.read.time, runs.write.time), (ms(2), ms(1), ms(4)));
        statistics.clear();
        assert_eq!(statistics.runs(), Runs::default());
    }
}
