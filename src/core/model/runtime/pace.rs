//! How much of the machine loading may take.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};

/// How many sessions a model gets, how many threads each session runs on, and how fast they are loaded. Workers times threads
/// are the core budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Workers, and so sessions a model; at least 1.
    pub workers: usize,
    /// Threads a session, at least 1.
    pub threads: usize,
    /// How loading shares the cores with what runs already.
    pub pace: Pace,
}

/// How fast models are loaded and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The sessions of a model side by side: nothing else runs yet.
    Full,
    /// Beside traffic: one session after another, and after each piece of work a rest, so that loading takes at most a
    /// quarter of one core, and less on a busy machine, where the same piece takes longer. Low priority alone would not do:
    /// a thread that hardly runs holds the locks of memory allocation that the workers wait for.
    Gentle,
}

/// Rest after a piece of work, in multiples of the time it took, but no longer than this.
const GENTLE_REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_secs(1);

impl Pace {
    /// Does one piece of work, then rests.
    pub fn piece<T>(self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        if self == Self::Gentle {
            std::thread::sleep((begun.elapsed() * GENTLE_REST).min(LONGEST_REST));
        }
        done
    }
}

impl Budget {
    /// Runs `work` once a worker, in the order of workers.
    ///
    /// # Errors
    /// The first that `work` gives; [`Error::Bug`] when it panics on a thread of its own.
    pub fn for_each_worker<T: Send>(self, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let workers = 0..self.workers.max(1);
        if self.pace == Pace::Gentle {
            return workers.map(|worker| self.pace.piece(|| work(worker))).collect();
        }
        let work = &work;
        let outcomes: Vec<Result<T>> = std::thread::scope(|scope| {
            let threads: Vec<_> = workers.map(|worker| scope.spawn(move || work(worker))).collect();
            let panicked = |_| Err(Error::Bug("loading or checking a model panicked".into()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        outcomes.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_traffic_loading_leaves_a_core_to_others_for_three_quarters_of_the_time() {
        let work = Duration::from_millis(4);
        let begun = Instant::now();
        let budget = Budget { workers: 2, threads: 1, pace: Pace::Gentle };
        let done = budget.for_each_worker(|worker| {
            std::thread::sleep(work);
            Ok(worker)
        });
        assert_eq!(done.unwrap(), [0, 1]);
        assert!(begun.elapsed() >= 2 * work * (1 + GENTLE_REST));
    }

    #[test]
    fn the_first_worker_that_fails_is_told_at_either_pace() {
        for pace in [Pace::Full, Pace::Gentle] {
            let budget = Budget { workers: 3, threads: 1, pace };
            let failing = |worker| if worker == 0 { Ok(()) } else { Err(Error::model("tusk", worker)) };
            assert!(budget.for_each_worker(failing).unwrap_err().to_string().contains('1'));
        }
    }
}
