//! A ticket as who watches the workers sees it.

/// A ticket of whatever answer, whose reply a worker has.
pub trait Claim: Send + Sync {
    /// Answers that the worker did not return, if nothing was answered yet.
    fn give_up(&self);
}
