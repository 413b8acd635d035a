//! What waits of one caller, and its turn.
//!
//! Callers share the workers by start-time fair queueing (Goyal, Vin and Cheng 1996): each has a tag, the virtual time at which its next
//! job would start if all shared alike; the lowest is served, and what it takes moves its own tag on by its cost over its weight. Who
//! was away begins at the present, so nobody saves up.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::costs::Cost;
use super::job::{Batchable, Deadline, Priority};
use super::policy;

/// A job that waits.
#[derive(Debug)]
pub(super) struct Entry<J> {
    pub(super) job: J,
    pub(super) deadline: Deadline,
    pub(super) enqueued: Instant,
    /// What it is likely to take of a worker.
    pub(super) cost: Cost,
}

impl<J: Batchable> Entry<J> {
    /// Nobody will read the answer: the caller has gone, or its deadline has passed.
    pub(super) fn is_abandoned(&self, now: Instant) -> bool {
        self.job.is_abandoned() || self.deadline.0.is_some_and(|at| now >= at)
    }
}

/// Jobs of one caller: first in, first out within a class.
#[derive(Debug)]
pub(super) struct Flow<J> {
    interactive: VecDeque<Entry<J>>,
    bulk: VecDeque<Entry<J>>,
    /// Its share in relation to others'.
    pub(super) weight: f64,
    /// Virtual seconds.
    pub(super) tag: f64,
}

impl<J: Batchable> Flow<J> {
    pub(super) fn new(weight: u32) -> Self {
        Self { interactive: VecDeque::new(), bulk: VecDeque::new(), weight: f64::from(weight.max(1)), tag: 0.0 }
    }

    pub(super) fn len(&self) -> usize {
        self.interactive.len() + self.bulk.len()
    }

    /// When what waits longest came.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.interactive.front().into_iter().chain(self.bulk.front()).map(|entry| entry.enqueued).min()
    }

    pub(super) fn class(&mut self, priority: Priority) -> &mut VecDeque<Entry<J>> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }

    /// Work that waits and cannot be left out, and how much of it goes before a job of that urgency.
    pub(super) fn least_work(&self, priority: Priority) -> (Duration, Duration) {
        let sum = |queue: &VecDeque<Entry<J>>| queue.iter().map(|entry| entry.cost.least).sum::<Duration>();
        let (interactive, bulk) = (sum(&self.interactive), sum(&self.bulk));
        let all = interactive + bulk;
        (all, if priority == Priority::Interactive { interactive } else { all })
    }

    /// Work that waits and came at that moment, without what can be left out.
    pub(super) fn rest(&self, came: Instant) -> Duration {
        let both = self.interactive.iter().chain(&self.bulk);
        both.filter(|entry| entry.enqueued == came).map(|entry| entry.cost.least).sum()
    }

    /// When the interactive job came that waits longest and did not come at that moment.
    pub(super) fn oldest_of_others(&self, came: Option<Instant>) -> Option<Instant> {
        self.interactive.iter().map(|entry| entry.enqueued).find(|enqueued| Some(*enqueued) != came)
    }

    /// Interactive work that waits and did not come at that moment, with what could be left out.
    pub(super) fn work_of_others(&self, came: Option<Instant>) -> Duration {
        self.interactive.iter().filter(|entry| Some(entry.enqueued) != came).map(|entry| entry.cost.whole).sum()
    }

    /// Forgets what nobody waits for, wherever it stands.
    pub(super) fn drop_abandoned(&mut self, now: Instant) {
        self.interactive.retain(|entry| !entry.is_abandoned(now));
        self.bulk.retain(|entry| !entry.is_abandoned(now));
    }

    /// The class served next, after dropping what nobody waits for from the front of both.
    pub(super) fn next_class(&mut self, bulk_yields: Duration) -> Option<Priority> {
        let now = Instant::now();
        for queue in [&mut self.interactive, &mut self.bulk] {
            while queue.front().is_some_and(|entry| entry.is_abandoned(now)) {
                queue.pop_front();
            }
        }
        let since = |queue: &VecDeque<Entry<J>>| queue.front().map(|entry| entry.enqueued);
        policy::next_class(since(&self.interactive), since(&self.bulk), bulk_yields)
    }

    /// Removes up to `most` entries of `lane` and class that somebody still waits for; abandoned ones on the way are dropped. Its turn
    /// comes later by what they cost. `clock`: the virtual time.
    pub(super) fn take(&mut self, lane: &J::Lane, most: usize, priority: Priority, clock: f64) -> Vec<Entry<J>> {
        let mut taken = Vec::with_capacity(most);
        let now = Instant::now();
        let mut position = 0;
        let queue = self.class(priority);
        while taken.len() < most && position < queue.len() {
            if queue.get(position).is_some_and(|entry| entry.job.lane() == *lane) {
                taken.extend(queue.remove(position).filter(|entry| !entry.is_abandoned(now)));
            } else {
                position += 1;
            }
        }
        let cost: Duration = taken.iter().map(|entry| entry.cost.whole).sum();
        self.tag = self.tag.max(clock) + cost.as_secs_f64() / self.weight;
        taken
    }
}
