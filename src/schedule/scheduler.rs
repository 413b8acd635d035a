//! Worker threads over one queue. A thread owns its worker, and so its model sessions, for its whole life.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Deadline;
use super::policy::retry_after;
use super::queue::{Entry, Queue};
use crate::error::{Error, Result};

/// What a thread runs.
pub type Worker<J, R> = Box<dyn FnMut(J, Deadline) -> R + Send>;

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

/// The threads and their queue.
#[derive(Debug)]
pub struct Scheduler<J, R> {
    queue: Arc<Queue<J, R>>,
    threads: Vec<JoinHandle<()>>,
    mean_job_us: Arc<AtomicU64>,
}

impl<J: Send + 'static, R: Send + 'static> Scheduler<J, R> {
    /// Starts a thread for each worker.
    ///
    /// # Errors
    /// [`Error::Bug`] when the system refuses a thread.
    pub fn start(workers: Vec<Worker<J, R>>, capacity: usize) -> Result<Self> {
        let queue = Arc::new(Queue::new(capacity));
        let mean_job_us = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for (index, worker) in workers.into_iter().enumerate() {
            let (queue, mean) = (Arc::clone(&queue), Arc::clone(&mean_job_us));
            let thread =
                std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || run(worker, &queue, &mean));
            threads.push(thread.map_err(|cause| Error::Bug(format!("starting a worker thread: {cause}")))?);
        }
        Ok(Self { queue, threads, mean_job_us })
    }

    /// Queues all `jobs` or none.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when they do not fit.
    pub fn submit(&self, jobs: Vec<J>, deadline: Deadline) -> Result<Vec<Ticket<R>>> {
        let enqueued = Instant::now();
        let (entries, tickets) = jobs
            .into_iter()
            .map(|job| {
                let (reply, answer) = oneshot::channel();
                (Entry { job, deadline, enqueued, reply }, Ticket(answer))
            })
            .unzip();
        self.queue.push_all(entries).map_err(|queued| Error::Overloaded {
            queued,
            capacity: self.queue.capacity(),
            retry_after: retry_after(
                queued,
                self.threads.len(),
                Duration::from_micros(self.mean_job_us.load(Ordering::Relaxed)),
            ),
        })?;
        Ok(tickets)
    }
}

impl<J, R> Drop for Scheduler<J, R> {
    /// Lets the threads finish what waits, then joins them: sessions must not outlive the process's exit handlers.
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A worker that panicked outside a job has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

fn run<J, R>(mut worker: Worker<J, R>, queue: &Queue<J, R>, mean_job_us: &AtomicU64) {
    while let Some(Entry { job, deadline, enqueued, reply }) = queue.pop() {
        let started = Instant::now();
        // A panic is that job's error. Sessions are plain handles that a later run does not find half changed.
        let outcome = catch_unwind(AssertUnwindSafe(|| worker(job, deadline)));
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mean = mean_job_us.load(Ordering::Relaxed);
        mean_job_us.store(if mean == 0 { took } else { (mean * 7 + took) / 8 }, Ordering::Relaxed);
        match outcome {
            // Nobody listens when the caller has gone: then the answer is dropped, as it should be.
            Ok(result) => drop(reply.send(Finished { result, queue_wait: started - enqueued })),
            Err(_) => tracing::error!("a worker panicked; its job is answered with an internal error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    /// A scheduler with one worker that waits for a permit before each job and counts what it ran.
    fn gated(capacity: usize) -> (Scheduler<u32, u32>, mpsc::Sender<()>, Arc<AtomicUsize>) {
        let (permit, permits) = mpsc::channel();
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ran);
        let worker: Worker<u32, u32> = Box::new(move |job, _| {
            permits.recv().unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            assert!(job != 13, "unlucky");
            job * 2
        });
        (Scheduler::start(vec![worker], capacity).unwrap(), permit, ran)
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
        let (scheduler, permit, _) = gated(2);
        let mut tickets = scheduler.submit(vec![1, 2], Deadline::default()).unwrap();
        // The worker may have taken the first job, so fill up before expecting a refusal.
        let refusal = loop {
            match scheduler.submit(vec![3], Deadline::default()) {
                Ok(more) => tickets.extend(more),
                Err(error) => break error,
            }
        };
        assert!(matches!(refusal, Error::Overloaded { capacity: 2, retry_after, .. } if retry_after > Duration::ZERO));
        for ticket in tickets {
            permit.send(()).unwrap();
            assert!(ticket.wait(Deadline::default()).await.is_ok());
        }
    }

    #[tokio::test]
    async fn jobs_of_a_caller_that_left_and_jobs_past_their_deadline_are_never_run() {
        let (scheduler, permit, ran) = gated(8);
        let first = scheduler.submit(vec![1], Deadline::default()).unwrap();
        drop(scheduler.submit(vec![2, 3], Deadline::default()).unwrap());
        let late = scheduler.submit(vec![4], Deadline(Some(Instant::now()))).unwrap();
        let last = scheduler.submit(vec![5], Deadline::default()).unwrap();
        permit.send(()).unwrap();
        permit.send(()).unwrap();
        for ticket in first.into_iter().chain(last) {
            ticket.wait(Deadline::default()).await.unwrap();
        }
        for ticket in late {
            let outcome = ticket.wait(Deadline(Some(Instant::now()))).await;
            assert!(matches!(outcome, Err(Error::DeadlineExceeded)));
        }
        assert_eq!(ran.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_is_that_jobs_error_and_the_worker_lives() {
        let (scheduler, permit, _) = gated(8);
        let mut tickets = scheduler.submit(vec![13, 21], Deadline::default()).unwrap().into_iter();
        permit.send(()).unwrap();
        permit.send(()).unwrap();
        assert!(matches!(tickets.next().unwrap().wait(Deadline::default()).await, Err(Error::Bug(_))));
        assert_eq!(tickets.next().unwrap().wait(Deadline::default()).await.unwrap().result, 42);
    }
}
