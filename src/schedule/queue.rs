//! A bounded queue between async callers and worker threads. Full is an answer, not a fault.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Deadline, policy};

/// A job that waits.
#[derive(Debug)]
pub(super) struct Entry<J, R> {
    pub(super) job: J,
    pub(super) deadline: Deadline,
    pub(super) enqueued: Instant,
    pub(super) reply: oneshot::Sender<super::scheduler::Finished<R>>,
}

impl<J, R> Entry<J, R> {
    /// Nobody will read the answer: the caller has gone, or its deadline has passed.
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed() || self.deadline.has_passed()
    }
}

#[derive(Debug)]
struct State<J, R> {
    waiting: VecDeque<Entry<J, R>>,
    closed: bool,
}

/// First in, first out.
#[derive(Debug)]
pub(super) struct Queue<J, R> {
    state: Mutex<State<J, R>>,
    changed: Condvar,
    capacity: usize,
}

impl<J, R> Queue<J, R> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::new(State { waiting: VecDeque::new(), closed: false }), changed: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, State<J, R>> {
        // A panic while holding the lock cannot leave a deque half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds all entries or none. Refused: the number that wait.
    pub(super) fn push_all(&self, entries: Vec<Entry<J, R>>) -> Result<(), usize> {
        let mut state = self.lock();
        if !policy::admits(state.waiting.len(), entries.len(), self.capacity) {
            // What nobody waits for any more makes room first.
            state.waiting.retain(|entry| !entry.is_abandoned());
            if !policy::admits(state.waiting.len(), entries.len(), self.capacity) {
                return Err(state.waiting.len());
            }
        }
        state.waiting.extend(entries);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The next entry somebody still waits for; blocks; `None` once closed and empty.
    pub(super) fn pop(&self) -> Option<Entry<J, R>> {
        let mut state = self.lock();
        loop {
            while let Some(entry) = state.waiting.pop_front() {
                if !entry.is_abandoned() {
                    return Some(entry);
                }
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }
}
