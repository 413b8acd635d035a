//! What a caller holds while its job waits, and what it gets.

use std::time::Duration;

use tokio::sync::oneshot;

use super::job::Deadline;
use crate::error::{Error, Result};

/// An answer and how long its job waited.
#[derive(Debug)]
pub struct Finished<R> {
    /// What the worker gave.
    pub result: R,
    /// From submission to start.
    pub queue_wait: Duration,
}

/// A place in the queue. Dropping it gives the place up.
#[derive(Debug)]
pub struct Ticket<R>(pub(super) oneshot::Receiver<Finished<R>>);

impl<R> Ticket<R> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] when the worker gave the job up, [`Error::Bug`] when it panicked.
    pub async fn wait(self, deadline: Deadline) -> Result<Finished<R>> {
        let gone =
            |_| if deadline.has_passed() { Error::DeadlineExceeded } else { Error::Bug("a worker panicked".into()) };
        match deadline.0 {
            Some(at) => match tokio::time::timeout_at(at, self.0).await {
                Ok(answer) => answer.map_err(gone),
                Err(_) => Err(Error::DeadlineExceeded),
            },
            None => self.0.await.map_err(gone),
        }
    }
}
