//! A bounded queue between async callers and worker threads. Full is an answer, not a fault.

use std::collections::VecDeque;

use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::time::Instant;

use super::job::{Batchable, Deadline, Load, Priority};
use super::policy::{self, Dispatch};

/// A job that waits.
#[derive(Debug)]
pub(super) struct Entry<J> {
    pub(super) job: J,
    pub(super) deadline: Deadline,
    pub(super) enqueued: Instant,
}

impl<J: Batchable> Entry<J> {
    /// Nobody will read the answer: the caller has gone, or its deadline has passed.
    fn is_abandoned(&self) -> bool {
        self.job.is_abandoned() || self.deadline.has_passed()
    }
}

#[derive(Debug)]
struct State<J> {
    interactive: VecDeque<Entry<J>>,
    bulk: VecDeque<Entry<J>>,
    closed: bool,
}

impl<J: Batchable> State<J> {
    fn len(&self) -> usize {
        self.interactive.len() + self.bulk.len()
    }

    fn class(&mut self, priority: Priority) -> &mut VecDeque<Entry<J>> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }

    fn drop_abandoned(&mut self) {
        self.interactive.retain(|entry| !entry.is_abandoned());
        self.bulk.retain(|entry| !entry.is_abandoned());
    }
}

/// First in, first out within a class.
#[derive(Debug)]
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
    capacity: usize,
    workers: usize,
    bulk_yields: Duration,
}

impl<J: Batchable> Queue<J> {
    pub(super) fn new(capacity: usize, workers: usize, bulk_yields: Duration) -> Self {
        let state = State { interactive: VecDeque::new(), bulk: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity, workers, bulk_yields }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // A panic while holding the lock cannot leave a deque half changed.
        self.state.lock()
    }

    /// Adds all entries or none. Refused: the number that wait.
    pub(super) fn push_all(&self, entries: Vec<Entry<J>>, priority: Priority) -> Result<(), usize> {
        let mut state = self.lock();
        if !policy::admits(state.len(), entries.len(), self.capacity) {
            // What nobody waits for any more makes room first.
            state.drop_abandoned();
            if !policy::admits(state.len(), entries.len(), self.capacity) {
                return Err(state.len());
            }
        }
        let single = entries.len() == 1;
        state.class(priority).extend(entries);
        drop(state);
        if single {
            self.changed.notify_one();
        } else {
            self.changed.notify_all();
        }
        Ok(())
    }

    /// The next batch: entries of one lane, in their order, each still waited for; and what is left behind it. Blocks; `None` once
    /// closed and empty.
    pub(super) fn pop(&self) -> Option<(Vec<Entry<J>>, Load)> {
        let mut state = self.lock();
        loop {
            let Some(priority) = self.next_class(&mut state) else {
                if state.closed {
                    return None;
                }
                self.changed.wait(&mut state);
                continue;
            };
            let closed = state.closed;
            match choose(state.class(priority), self.workers, closed) {
                NextBatch::Start(batch) if batch.is_empty() => {} // all of it was abandoned meanwhile
                NextBatch::Start(batch) => return Some((batch, self.load(state.len()))),
                NextBatch::Wait(longest) => {
                    self.changed.wait_for(&mut state, longest);
                }
            }
        }
    }

    /// The class served next, after dropping what nobody waits for from the front of both.
    fn next_class(&self, state: &mut State<J>) -> Option<Priority> {
        for queue in [&mut state.interactive, &mut state.bulk] {
            while queue.front().is_some_and(Entry::is_abandoned) {
                queue.pop_front();
            }
        }
        let since = |queue: &VecDeque<Entry<J>>| queue.front().map(|entry| entry.enqueued);
        policy::next_class(since(&state.interactive), since(&state.bulk), self.bulk_yields)
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of jobs")]
    fn load(&self, waiting: usize) -> Load {
        Load(waiting as f64 / self.capacity.max(1) as f64)
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

enum NextBatch<J> {
    Start(Vec<Entry<J>>),
    Wait(Duration),
}

/// The first lane, in the order of the queue, that has enough to start; a lane that waits for more holds up no other.
fn choose<J: Batchable>(queue: &mut VecDeque<Entry<J>>, workers: usize, closed: bool) -> NextBatch<J> {
    let mut passed_over: Vec<J::Lane> = Vec::new();
    let mut longest = Duration::MAX;
    let mut start = None;
    for entry in queue.iter() {
        let (lane, rule) = (entry.job.lane(), entry.job.rule());
        if passed_over.contains(&lane) {
            continue;
        }
        // More than this changes no decision, so the rest of a long queue need not be looked at.
        let enough = rule.max_batch.saturating_mul(workers);
        let waiting = queue.iter().filter(|other| other.job.lane() == lane).take(enough).count();
        let waited = if closed { rule.max_wait } else { entry.enqueued.elapsed() };
        match policy::batch(waiting, waited, workers, rule) {
            Dispatch::Start(most) => {
                start = Some((lane, most));
                break;
            }
            Dispatch::Wait(more) => {
                longest = longest.min(more);
                passed_over.push(lane);
            }
        }
    }
    match start {
        Some((lane, most)) => NextBatch::Start(take(queue, &lane, most)),
        None => NextBatch::Wait(longest),
    }
}

/// Removes up to `most` entries of `lane` that somebody still waits for; abandoned ones on the way are dropped.
fn take<J: Batchable>(queue: &mut VecDeque<Entry<J>>, lane: &J::Lane, most: usize) -> Vec<Entry<J>> {
    let mut taken = Vec::with_capacity(most);
    let mut position = 0;
    while taken.len() < most && position < queue.len() {
        if queue.get(position).is_some_and(|entry| entry.job.lane() == *lane) {
            taken.extend(queue.remove(position).filter(|entry| !entry.is_abandoned()));
        } else {
            position += 1;
        }
    }
    taken
}
