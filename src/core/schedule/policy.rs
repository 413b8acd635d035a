//! The rules of admission, order and batches, pure: time comes in as an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::job::{BatchRule, Priority};
use crate::error::Full;

/// Whether `new` jobs may join `queued` ones. An idle queue admits a listing of any size the limits allow, or a large
/// listing could never be rated by a server with a short queue.
pub fn admits(queued: usize, new: usize, capacity: usize) -> bool {
    queued == 0 || queued.saturating_add(new) <= capacity
}

/// How long a job may wait that somebody waits for, and one of bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Of interactive work.
    pub interactive: Duration,
    /// Of bulk.
    pub bulk: Duration,
}

/// What a caller's new work meets: times of one worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// What waits of all callers.
    pub all: Duration,
    /// What of it is this caller's, and goes before the new work.
    pub own: Duration,
    /// What the new work takes.
    pub new: Duration,
    /// Jobs that it is, at least 1.
    pub jobs: usize,
    /// The weights of callers that have work, this one's included, over this one's: at least 1.
    pub shares: f64,
    /// Workers.
    pub workers: usize,
}

impl Outlook {
    /// How long the new work is likely to wait. All callers share the workers, so the caller's own work passes at its share of their pace,
    /// and never later than when all that waits is done.
    pub fn wait(&self) -> Duration {
        let own = Duration::try_from_secs_f64(self.own.as_secs_f64() * self.shares).unwrap_or(Duration::MAX);
        self.on_workers(own.min(self.all))
    }

    /// When its answer is likely to be there: after the wait, the rest of what runs, of which half a job is left on average, and the work
    /// itself, on as many workers as it has jobs for.
    pub fn done(&self) -> Duration {
        let job = self.new / Self::count(self.jobs);
        self.wait() + job / 2 + self.new / Self::count(self.jobs.min(self.workers))
    }

    fn on_workers(&self, work: Duration) -> Duration {
        work / Self::count(self.workers)
    }

    fn count(workers: usize) -> u32 {
        u32::try_from(workers.max(1)).unwrap_or(u32::MAX)
    }
}

/// A listing may wait for so many times what it takes itself, whatever the settings say.
const OWN_WORK: u32 = 4;

/// Promises are kept with so much to spare: what a job takes varies.
const TO_SPARE: f64 = 1.25;

/// Whether new work may join what waits: not when it would wait longer than `patience` says, and not when its answer would come after
/// the caller's deadline, `left` from now; then it is refused at once, and no worker spends a thing on it. Where nothing waits all is
/// welcome: what is known of costs may be wrong, and would never be corrected.
///
/// # Errors
/// Why not, and when to come back.
pub fn foresees(
    outlook: Outlook,
    priority: Priority,
    left: Option<Duration>,
    patience: Patience,
) -> Result<(), (Full, Duration)> {
    if outlook.all.is_zero() {
        return Ok(());
    }
    let (most, key) = match priority {
        Priority::Interactive => (patience.interactive, "scheduler.max_wait_ms"),
        Priority::Bulk => (patience.bulk, "scheduler.bulk_max_wait_ms"),
    };
    // On a slow machine a few large listings come to more than that, and are no overload.
    let most = most.max(outlook.on_workers(outlook.new) * OWN_WORK);
    let (wait, done) = (outlook.wait(), outlook.done());
    if wait > most {
        return Err((Full::Wait { expected: wait, most, key }, back(wait - most)));
    }
    match left {
        Some(left) if done.mul_f64(TO_SPARE) > left => {
            // Once what waits is done, the same deadline is met, unless it is too short for the work itself.
            Err((Full::Late { expected: done, left }, back(wait)))
        }
        _ => Ok(()),
    }
}

/// A delay to answer with: between 10 ms and 10 s.
fn back(delay: Duration) -> Duration {
    delay.clamp(Duration::from_millis(10), Duration::from_secs(10))
}

/// When a place is likely to be free where all are taken.
pub fn retry_after(outlook: Outlook) -> Duration {
    back(outlook.wait() / 2)
}

/// Which class is served next, given since when the first of each waits. Bulk work yields to interactive work that came
/// up to `bulk_yields` later, so it goes second under load and never starves.
pub fn next_class(interactive: Option<Instant>, bulk: Option<Instant>, bulk_yields: Duration) -> Option<Priority> {
    match (interactive, bulk) {
        (None, None) => None,
        (Some(_), None) => Some(Priority::Interactive),
        (None, Some(_)) => Some(Priority::Bulk),
        (Some(interactive), Some(bulk)) if bulk + bulk_yields < interactive => Some(Priority::Bulk),
        (Some(_), Some(_)) => Some(Priority::Interactive),
    }
}

/// What a free worker does with the lane it has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// Start this many jobs now.
    Start(usize),
    /// Wait for more, no longer than this.
    Wait(Duration),
}

/// Given that `waiting` jobs of one lane wait, the first for `waited`: a worker takes its fair share, so that no other
/// worker is idle while a batch runs, and never more than `max_batch`. It waits for more only if told to.
pub fn batch(waiting: usize, waited: Duration, workers: usize, rule: BatchRule) -> Dispatch {
    if waiting < rule.max_batch && waited < rule.max_wait {
        return Dispatch::Wait(rule.max_wait - waited);
    }
    Dispatch::Start(waiting.div_ceil(workers.max(1)).clamp(1, rule.max_batch.max(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_queue_never_grows_beyond_capacity_and_one_listing(queued in 0_usize..2000, new in 1_usize..20, capacity in 1_usize..1000) {
            if admits(queued, new, capacity) {
                prop_assert!(queued + new <= capacity.max(new));
            }
        }

        #[test]
        fn more_work_before_never_means_an_earlier_answer(all in 0_u64..5000, own in 0_u64..5000, more in 0_u64..5000, new in 1_u64..500, shares in 1.0_f64..20.0, workers in 1_usize..64) {
            let ms = Duration::from_millis;
            let (all, own) = (ms(all.max(own)), ms(own));
            let before = Outlook { all, own, new: ms(new), shares, workers, jobs: 1 };
            let after = Outlook { all: all + ms(more), own: own + ms(more), ..before };
            prop_assert!(after.wait() >= before.wait() && after.done() >= before.done());
            prop_assert!(before.done() >= before.wait());
            prop_assert!(retry_after(after) >= retry_after(before));
        }

        #[test]
        fn a_flood_of_others_never_refuses_a_caller_whose_own_work_is_done(flood in 1_u64..100_000, new in 1_u64..20, workers in 1_usize..16) {
            let ms = Duration::from_millis;
            let polite = Outlook { all: ms(flood), own: Duration::ZERO, new: ms(new), jobs: 1, shares: 2.0, workers };
            let patience = Patience { interactive: ms(100), bulk: ms(1000) };
            prop_assert_eq!(foresees(polite, Priority::Interactive, Some(ms(100)), patience), Ok(()));
        }

        #[test]
        fn what_is_refused_would_have_been_late(all in 1_u64..5000, new in 1_u64..100, left in 1_u64..5000, workers in 1_usize..8) {
            let ms = Duration::from_millis;
            let outlook = Outlook { all: ms(all), own: ms(all), new: ms(new), jobs: 1, shares: 1.0, workers };
            let patience = Patience { interactive: Duration::MAX, bulk: Duration::MAX };
            let refused = foresees(outlook, Priority::Interactive, Some(ms(left)), patience).is_err();
            let done = ms(all) / u32::try_from(workers).unwrap() + ms(new);
            prop_assert!(!refused || (done + ms(new)).mul_f64(TO_SPARE) > ms(left));
            prop_assert!(refused || done <= ms(left));
        }

        #[test]
        fn without_a_wait_a_worker_always_starts_and_never_takes_more_than_its_share(waiting in 1_usize..500, workers in 1_usize..64, max_batch in 1_usize..64) {
            let rule = BatchRule { max_batch, max_wait: Duration::ZERO };
            let Dispatch::Start(taken) = batch(waiting, Duration::ZERO, workers, rule) else { return Err(TestCaseError::fail("waits")) };
            prop_assert!((1..=max_batch).contains(&taken) && taken <= waiting);
            // What is left is enough for every other worker, or is nothing they could have had.
            prop_assert!(taken == 1 || waiting - taken + workers > (workers - 1) * (taken - 1));
        }

        #[test]
        fn a_job_never_waits_for_others_longer_than_the_rule_says(waiting in 1_usize..100, waited_us in 0_u64..20_000, max_wait_us in 0_u64..10_000, workers in 1_usize..8, max_batch in 1_usize..16) {
            let (waited, max_wait) = (Duration::from_micros(waited_us), Duration::from_micros(max_wait_us));
            match batch(waiting, waited, workers, BatchRule { max_batch, max_wait }) {
                Dispatch::Wait(more) => prop_assert!(waited + more == max_wait && waiting < max_batch),
                Dispatch::Start(taken) => prop_assert!(taken >= 1 && taken <= max_batch),
            }
        }

        #[test]
        fn interactive_goes_first_until_bulk_has_waited_its_time(apart_ms in 0_u64..5000, yields_ms in 0_u64..2000) {
            let bulk = Instant::now();
            let interactive = bulk + Duration::from_millis(apart_ms);
            let next = next_class(Some(interactive), Some(bulk), Duration::from_millis(yields_ms));
            prop_assert_eq!(next == Some(Priority::Bulk), apart_ms > yields_ms);
            // Bulk that came later never overtakes.
            prop_assert_eq!(next_class(Some(bulk), Some(interactive), Duration::from_millis(yields_ms)), Some(Priority::Interactive));
        }
    }
}
