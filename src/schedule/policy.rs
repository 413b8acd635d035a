//! The rules of admission, pure.

use std::time::Duration;

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
    }
}
