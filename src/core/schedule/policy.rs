//! The rules of admission, order and batches, pure: time comes in as an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::job::{BatchRule, Priority};

/// Whether `new` jobs may join `queued` ones. An idle queue admits a listing of any size the limits allow, or a large
/// listing could never be rated by a server with a short queue.
pub fn admits(queued: usize, new: usize, capacity: usize) -> bool {
    queued == 0 || queued.saturating_add(new) <= capacity
}

/// When a place is likely to be free: the time the workers need for what waits, between 10 ms and 10 s.
pub fn retry_after(queued: usize, workers: usize, mean_job: Duration) -> Duration {
    let rounds = u32::try_from(queued.div_ceil(workers.max(1))).unwrap_or(u32::MAX);
    mean_job.saturating_mul(rounds).clamp(Duration::from_millis(10), Duration::from_secs(10))
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
        fn a_longer_queue_never_promises_an_earlier_place(queued in 0_usize..5000, more in 0_usize..5000, workers in 1_usize..64, ms in 0_u64..200) {
            let mean = Duration::from_millis(ms);
            prop_assert!(retry_after(queued + more, workers, mean) >= retry_after(queued, workers, mean));
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
