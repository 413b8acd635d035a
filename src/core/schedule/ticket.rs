//! What a caller holds while its job waits, and what it gets.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::claim::Claim;
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
pub struct Ticket<R>(oneshot::Receiver<Answer<R>>);

/// Where a worker gives the answer to a ticket. Dropping it gives the job up: that is an answer, too.
#[derive(Debug)]
pub struct Reply<R>(Arc<Open<R>>);

/// `Err`: the worker did not return.
type Answer<R> = std::result::Result<Finished<R>, Lost>;

#[derive(Debug)]
struct Lost;

/// A ticket that has no answer yet. `None`: it has.
type Open<R> = Mutex<Option<oneshot::Sender<Answer<R>>>>;

impl<R: Send> Claim for Open<R> {
    fn give_up(&self) {
        if let Some(sender) = self.lock().take() {
            drop(sender.send(Err(Lost)));
        }
    }
}

/// A ticket, and the reply that its job carries.
pub fn ticket<R>() -> (Reply<R>, Ticket<R>) {
    let (reply, answer) = oneshot::channel();
    (Reply(Arc::new(Mutex::new(Some(reply)))), Ticket(answer))
}

impl<R> Reply<R> {
    /// Gives the answer; `queue_wait` is how long the job waited.
    pub fn give(self, result: R, queue_wait: Duration) {
        // Nobody listens when the caller has gone: then the answer is dropped, as it should be.
        if let Some(sender) = self.0.lock().take() {
            drop(sender.send(Ok(Finished { result, queue_wait })));
        }
    }

    /// Whether the ticket is gone.
    pub fn is_abandoned(&self) -> bool {
        self.0.lock().as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

impl<R: Send + 'static> Reply<R> {
    /// The same ticket, for who watches the worker.
    pub fn claim(&self) -> Arc<dyn Claim> {
        Arc::clone(&self.0) as Arc<dyn Claim>
    }
}

impl<R> Drop for Reply<R> {
    fn drop(&mut self) {
        drop(self.0.lock().take());
    }
}

impl<R> Ticket<R> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] when the worker gave the job up because of it, [`Error::Bug`] when it panicked or did not return.
    pub async fn wait(self, deadline: Deadline) -> Result<Finished<R>> {
        let answer = match deadline.0 {
            Some(at) => tokio::time::timeout_at(at, self.0).await.map_err(|_elapsed| Error::DeadlineExceeded)?,
            None => self.0.await,
        };
        let why = match answer {
            Ok(Ok(finished)) => return Ok(finished),
            Ok(Err(Lost)) => "a worker did not return (scheduler.hang_seconds)",
            Err(_) => "a worker panicked",
        };
        Err(if deadline.has_passed() { Error::DeadlineExceeded } else { Error::Bug(why.into()) })
    }
}
