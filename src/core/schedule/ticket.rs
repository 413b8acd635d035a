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
pub struct Ticket<R>(oneshot::Receiver<Finished<R>>);

/// Where a worker gives the answer to a ticket. Dropping it gives the job up: that is an answer, too.
#[derive(Debug)]
pub struct Reply<R>(oneshot::Sender<Finished<R>>);

/// A ticket, and the reply that its job carries.
pub fn ticket<R>() -> (Reply<R>, Ticket<R>) {
    let (reply, answer) = oneshot::channel();
    (Reply(reply), Ticket(answer))
}

impl<R> Reply<R> {
    /// Gives the answer; `queue_wait` is how long the job waited.
    pub fn give(self, result: R, queue_wait: Duration) {
        // Nobody listens when the caller has gone: then the answer is dropped, as it should be.
        drop(self.0.send(Finished { result, queue_wait }));
    }

    /// Whether the ticket is gone.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

impl<R> Ticket<R> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] when the worker gave the job up because of it, [`Error::Bug`] when it panicked.
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
