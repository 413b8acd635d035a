//! Worker threads over one queue: the core budget. A thread owns its worker for its whole life.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::costs::Cost;
use super::crew::{Crew, Place};
use super::flow::Entry;
use super::job::{AskBehind, Asked, Batchable, Deadline};
use super::queue::Queue;
pub use super::queue::Settings;
use crate::error::{Error, Full, Result};

/// A job that a worker has taken.
#[derive(Debug)]
pub struct Taken<J> {
    /// What to do; it carries the reply.
    pub job: J,
    /// When its caller stops waiting.
    pub deadline: Deadline,
    /// From submission to start.
    pub queue_wait: Duration,
}

/// What a thread runs: a batch of one lane, which may ask what waits behind it. It replies to each job, and tells how much time went into
/// what it would have left out under load.
pub type Worker<J> = Box<dyn FnMut(Vec<Taken<J>>, AskBehind<'_>) -> Duration + Send>;

/// How much lower than the others' the workers' priority is, as `nice` counts.
pub const BEHIND: i32 = 3;
/// Most of what lies between two batches of a worker that has enough to do.
const BETWEEN: Duration = Duration::from_millis(1);

/// The threads and their queue.
#[derive(Debug)]
pub struct Scheduler<J: Batchable> {
    queue: Arc<Queue<J>>,
    crew: Crew,
}

impl<J: Batchable + Send + 'static> Scheduler<J> {
    /// Starts `count` threads, each with the worker that `make` gives for its place, from 0 on. It is asked again for one that takes the
    /// place of a worker that does not return.
    ///
    /// # Errors
    /// [`Error::Bug`] when the system refuses a thread.
    pub fn start(count: usize, make: impl Fn(usize) -> Worker<J> + Send + 'static, settings: Settings) -> Result<Self> {
        let queue = Arc::new(Queue::new(settings, count));
        let of_crew = Arc::clone(&queue);
        let body = move |place: &Arc<Place>| -> Box<dyn FnOnce() + Send> {
            let (worker, queue, place) = (make(place.index()), Arc::clone(&of_crew), Arc::clone(place));
            Box::new(move || run(worker, &queue, &place))
        };
        let crew = Crew::start(count, Box::new(body), settings.hang)?;
        Ok(Self { queue, crew })
    }

    /// Workers that have not returned, and those that have taken a lost one's place so far.
    pub fn lost(&self) -> (u64, u64) {
        self.crew.lost()
    }

    /// Queues all `jobs` or none.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when they do not fit, would wait too long or be done too late; [`Error::DeadlineExceeded`] when they are already.
    pub fn submit(&self, jobs: Vec<J>, asked: &Asked) -> Result<()> {
        self.queue.push_all(jobs, asked).map_err(|refusal| refused(refusal, asked))
    }

    /// Whether a job of that kind would be taken now.
    ///
    /// # Errors
    /// As of [`Self::submit`].
    pub fn foresees(&self, class: usize, asked: &Asked) -> Result<()> {
        self.queue.foresees(class, asked).map_err(|refusal| refused(refusal, asked))
    }

    /// Jobs that wait.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How long the job that waits longest has done so; zero: none waits.
    pub fn oldest(&self) -> Duration {
        self.queue.oldest()
    }
}

impl<J: Batchable> Drop for Scheduler<J> {
    /// Lets the threads finish what waits, then joins them: sessions must not outlive the process's exit handlers.
    fn drop(&mut self) {
        self.queue.close();
        self.crew.join();
    }
}

/// No delay helps whoever waits no more.
fn refused((why, retry_after): (Full, Duration), asked: &Asked) -> Error {
    if asked.deadline.has_passed() { Error::DeadlineExceeded } else { Error::Overloaded { why, retry_after } }
}

fn run<J: Batchable>(mut worker: Worker<J>, queue: &Queue<J>, place: &Place) {
    // Whoever answers callers goes first: refusals must be quick, and they are cheap. Only on Linux is it a thread's own; where it is not
    // allowed, all are alike.
    if cfg!(target_os = "linux") {
        let _ = rustix::process::nice(BEHIND);
    }
    // What a job costs is the time until the worker can take the next, with all that is between.
    let mut ended: Option<Instant> = None;
    while let Some(batch) = queue.pop() {
        let started = Instant::now();
        // Longer between than this, the worker had nothing to do.
        let begun = ended.filter(|ended| started.saturating_duration_since(*ended) < BETWEEN).unwrap_or(started);
        let jobs = u32::try_from(batch.len().max(1)).unwrap_or(u32::MAX);
        let class = batch.first().map(|entry| entry.job.cost_class());
        let came = batch.first().map(|entry| entry.enqueued);
        place.begin(batch.iter().map(|entry| entry.job.claim()).collect());
        let take = |Entry { job, deadline, enqueued, .. }| Taken { job, deadline, queue_wait: started - enqueued };
        let batch: Vec<Taken<J>> = batch.into_iter().map(take).collect();
        // A panic is that batch's error. Sessions are plain handles that a later run does not find half changed.
        let outcome = catch_unwind(AssertUnwindSafe(|| worker(batch, &|| queue.behind(came))));
        let spare = outcome.unwrap_or_else(|_panic| {
            tracing::error!(jobs, "a worker panicked; its jobs are answered with an internal error");
            Duration::ZERO
        });
        if !place.end() {
            // Another has taken the place.
            return;
        }
        let whole = begun.elapsed();
        let cost = Cost { whole: whole / jobs, least: whole.saturating_sub(spare) / jobs };
        class.into_iter().for_each(|class| queue.costs().took(class, cost));
        ended = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
