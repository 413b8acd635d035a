//! A mean of late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A mean time of which each measurement renews an eighth, in microseconds; the first is taken whole. Threads that measure at once lose one
/// another's, which a mean bears.
#[derive(Debug, Default)]
pub(crate) struct RunningMean(AtomicU64);

impl RunningMean {
    /// Before the first is measured.
    pub(crate) fn new(guess: Duration) -> Self {
        Self(AtomicU64::new(micros(guess)))
    }

    /// Zero before the first.
    pub(crate) fn mean(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// It took so long this time.
    pub(crate) fn took(&self, time: Duration) {
        let (time, before) = (micros(time), self.0.load(Ordering::Relaxed));
        let kept = before / 8 * 7 + before % 8 * 7 / 8;
        self.0.store(if before == 0 { time } else { kept.saturating_add(time / 8) }, Ordering::Relaxed);
    }

    /// Nobody measures, because it is taken to be too long: it comes down by and by, so that somebody tries.
    pub(crate) fn fade(&self) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before - before / 64, Ordering::Relaxed);
    }
}

/// At most a day, so that sums of means stay far from any limit.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.min(Duration::from_hours(24)).as_micros()).unwrap_or(u64::MAX)
}
