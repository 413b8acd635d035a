//! The one queue in front of the worker threads. Owns waiting, refusal and cancellation; knows nothing of what is run.

pub mod policy;
pub mod queue;
pub mod scheduler;

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
