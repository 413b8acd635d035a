//! How a generation does with the listings it rates: enough to take it back when it does badly.

use std::collections::VecDeque;

use std::time::Duration;

use crate::domain::{Rating, ReasonCode, Timings};
use crate::error::{Error, Result};
use crate::percentile::nearest_rank;
use parking_lot::Mutex;

/// Listings that are remembered.
const WINDOW: usize = 2000;

/// The last listings that a generation rated.
#[derive(Debug, Default)]
pub struct Health(Mutex<VecDeque<Listing>>);

#[derive(Debug, Clone, Copy)]
struct Listing {
    /// In all stages; `None`: it was not rated.
    took: Option<Duration>,
    failed: bool,
}

/// What the last listings say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vitals {
    /// Listings looked at.
    pub listings: usize,
    /// Listings that failed, or were rated without one of the models.
    pub failed: usize,
    /// Within which 99 of 100 were rated, without the wait in the queue.
    pub p99: Duration,
}

impl Health {
    /// A listing was rated, or was not.
    /// Work is what is timed: a full queue says nothing of the models.
    pub fn note(&self, outcome: &Result<Rating>) {
        let (failed, took) = match outcome {
            Ok(rating) => {
                let lacked_one = rating.reasons.iter().any(|reason| reason.code == ReasonCode::ModelMissing);
                (lacked_one, Some(Duration::from_micros(work_us(&rating.timings))))
            }
            Err(Error::Model { .. } | Error::Setup { .. } | Error::Bug(_)) => (true, None),
            // What the caller or the load is to blame for says nothing of the models.
            Err(
                Error::Invalid { .. }
                | Error::Overloaded { .. }
                | Error::DeadlineExceeded
                | Error::NotReady(_)
                | Error::NotFound(_)
                | Error::Refused(_)
                | Error::Unauthenticated(_)
                | Error::PermissionDenied(_),
            ) => return,
        };
        let mut listings = self.0.lock();
        if listings.len() == WINDOW {
            listings.pop_front();
        }
        listings.push_back(Listing { took, failed });
    }

    /// Figures over the last 2000 listings at most; all 0 without any.
    pub fn vitals(&self) -> Vitals {
        let listings: Vec<Listing> = self.0.lock().iter().copied().collect();
        let mut times: Vec<Duration> = listings.iter().filter_map(|listing| listing.took).collect();
        let failed = listings.iter().filter(|listing| listing.failed).count();
        Vitals { listings: listings.len(), failed, p99: nearest_rank(&mut times, 99, Ord::cmp).unwrap_or_default() }
    }

    /// Forgets everything: a switch begins a new watch.
    pub fn forget(&self) {
        self.0.lock().clear();
    }
}

/// Microseconds in all stages, without the wait in the queue.
pub(super) fn work_us(t: &Timings) -> u64 {
    t.decode_us + t.resize_us + t.image_inference_us + t.text_features_us + t.text_inference_us + t.score_us
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_models_count_and_those_of_callers_do_not() {
        let health = Health::default();
        health.note(&Err(Error::model("tusk", "broke")));
        health.note(&Err(Error::DeadlineExceeded));
        health.note(&Err(Error::invalid("images", "none")));
        assert_eq!(health.vitals(), Vitals { listings: 1, failed: 1, p99: Duration::ZERO });
        health.forget();
        assert_eq!(health.vitals(), Vitals::default());
    }

    #[test]
    fn work_is_all_stages_and_not_the_wait_for_them() {
        let stages = Timings {
            decode_us: 1,
            resize_us: 2,
            image_inference_us: 4,
            text_features_us: 8,
            text_inference_us: 16,
            score_us: 32,
            ..Timings::default()
        };
        let queued = Timings { queue_wait_us: 9_000_000, total_us: 9_000_063, ..stages };
        assert_eq!((work_us(&stages), work_us(&queued)), (63, 63));
    }

    #[test]
    fn only_the_last_listings_are_looked_at() {
        let health = Health::default();
        for _ in 0..WINDOW + 5 {
            health.note(&Err(Error::Bug("x".into())));
        }
        assert_eq!(health.vitals().listings, WINDOW);
    }
}
