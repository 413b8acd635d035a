//! What is queued: how urgent it is, when it is too late, and what it may be run with.

use std::time::Duration;

use tokio::time::Instant;

/// When the caller stops waiting; `None`: never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadline(pub Option<Instant>);

impl Deadline {
    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }
}

/// How full the queue is: jobs that wait, as a share of those that may. Above 1 when an idle queue took a listing larger than itself.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Load(pub f64);

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Somebody waits for this one answer.
    #[default]
    Interactive,
    /// One of many; goes after interactive work, but never waits for it without end.
    Bulk,
}

/// How jobs of one kind are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRule {
    /// Jobs in one batch, at least 1.
    pub max_batch: usize,
    /// How long the first job of a batch may wait for others; zero: take what has queued while the workers were busy.
    pub max_wait: Duration,
}

/// Something a worker can run, alone or with others of its lane.
pub trait Batchable {
    /// Jobs with equal lanes may be run in one batch.
    type Lane: PartialEq;

    /// The job's lane.
    fn lane(&self) -> Self::Lane;

    /// How jobs of this lane are put together.
    fn rule(&self) -> BatchRule;

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
}
