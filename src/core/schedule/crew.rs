//! The worker threads, and who watches them: one that does not return is answered for, and another takes its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::time::Instant;

use super::claim::Claim;
use crate::error::{Error, Result};

/// How often an end looks whether the threads have ended.
const LOOK: Duration = Duration::from_millis(2);
/// How often workers are looked at, in parts of what they may take, and at most.
const LOOKS: u32 = 8;
const SELDOM: Duration = Duration::from_secs(1);

/// What a thread runs at a place until the work is at an end, or it is taken not to return.
pub(super) type Body = Box<dyn Fn(&Arc<Place>) -> Box<dyn FnOnce() + Send> + Send>;

/// A thread's place, and what it does there.
pub(super) struct Place {
    index: usize,
    /// What it works on.
    batch: Mutex<Option<Batch>>,
    /// It did not return in time: the place is another's.
    is_lost: AtomicBool,
    counts: Arc<Counts>,
}

struct Batch {
    since: Instant,
    claims: Vec<Arc<dyn Claim>>,
}

/// Of workers that did not return.
#[derive(Debug, Default)]
struct Counts {
    stuck: AtomicU64,
    replaced: AtomicU64,
}

impl Place {
    pub(super) fn index(&self) -> usize {
        self.index
    }

    fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// A batch begins, whose tickets these are.
    pub(super) fn begin(&self, claims: Vec<Arc<dyn Claim>>) {
        *self.batch.lock() = Some(Batch { since: Instant::now(), claims });
    }

    /// It has ended. `false`: too late, and the thread has no place any more.
    pub(super) fn end(&self) -> bool {
        // Under the lock: whoever gives the batch up has either done so by now, or never will.
        let mut batch = self.batch.lock();
        *batch = None;
        let kept = !self.is_lost();
        if !kept {
            self.counts.stuck.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(worker = self.index, "a worker that was given up has returned");
        }
        kept
    }

    /// Gives up a batch that has taken longer than `hang`. `false`: there is none.
    fn give_up(&self, hang: Duration) -> bool {
        let mut batch = self.batch.lock();
        if batch.as_ref().is_none_or(|batch| batch.since.elapsed() < hang) {
            return false;
        }
        self.is_lost.store(true, Ordering::Release);
        self.counts.stuck.fetch_add(1, Ordering::Relaxed);
        batch.take().into_iter().flat_map(|batch| batch.claims).for_each(|claim| claim.give_up());
        true
    }
}

/// The threads.
#[derive(Debug)]
pub(super) struct Crew {
    hands: Arc<Mutex<Vec<Hand>>>,
    counts: Arc<Counts>,
    over: Arc<(Mutex<bool>, Condvar)>,
    watch: Option<JoinHandle<()>>,
}

struct Hand {
    place: Arc<Place>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hand").field("place", &self.place.index).finish_non_exhaustive()
    }
}

impl Hand {
    fn start(index: usize, body: &Body, counts: &Arc<Counts>) -> Result<Self> {
        let place = Arc::new(Place {
            index,
            batch: Mutex::default(),
            is_lost: AtomicBool::new(false),
            counts: Arc::clone(counts),
        });
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(body(&place));
        let thread = thread.map_err(|cause| Error::Bug(format!("starting a worker thread: {cause}")))?;
        Ok(Self { place, thread })
    }
}

impl Crew {
    /// `count` threads, of which none may take longer than `hang` for a batch.
    ///
    /// # Errors
    /// [`Error::Bug`] when the system refuses a thread.
    pub(super) fn start(count: usize, body: Body, hang: Duration) -> Result<Self> {
        let counts: Arc<Counts> = Arc::default();
        let hands = (0..count).map(|index| Hand::start(index, &body, &counts)).collect::<Result<Vec<_>>>()?;
        let hands = Arc::new(Mutex::new(hands));
        let over: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let (watched, ends, of) = (Arc::clone(&hands), Arc::clone(&over), Arc::clone(&counts));
        let watch = move || watch(&watched, &body, hang, &ends, &of);
        let watch = std::thread::Builder::new().name("watchdog".into()).spawn(watch);
        let watch = watch.map_err(|cause| Error::Bug(format!("starting the watchdog: {cause}")))?;
        Ok(Self { hands, counts, over, watch: Some(watch) })
    }

    /// Workers that have not returned, and how many have taken such a one's place so far.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.counts.stuck.load(Ordering::Relaxed), self.counts.replaced.load(Ordering::Relaxed))
    }

    /// Waits for those that will end: whoever does not return is left behind.
    pub(super) fn join(&mut self) {
        loop {
            let ended = self.hands.lock().iter().all(|hand| hand.thread.is_finished() || hand.place.is_lost());
            if ended {
                break;
            }
            std::thread::sleep(LOOK);
        }
        *self.over.0.lock() = true;
        self.over.1.notify_all();
        // A thread that panicked outside a job has nothing left to clean up.
        self.watch.take().into_iter().for_each(|watch| drop(watch.join()));
        let ended = self.hands.lock().drain(..).filter(|hand| hand.thread.is_finished()).collect::<Vec<_>>();
        ended.into_iter().for_each(|hand| drop(hand.thread.join()));
    }
}

fn watch(
    hands: &Mutex<Vec<Hand>>,
    body: &Body,
    hang: Duration,
    (over, changed): &(Mutex<bool>, Condvar),
    counts: &Arc<Counts>,
) {
    let mut over = over.lock();
    while !*over {
        changed.wait_for(&mut over, (hang / LOOKS).min(SELDOM));
        for hand in hands.lock().iter_mut() {
            if hand.place.give_up(hang) {
                tracing::error!(
                    worker = hand.place.index,
                    seconds = hang.as_secs_f64(),
                    "a worker does not return: its listings are answered with an internal error, and another takes its \
                     place"
                );
            }
            if !hand.place.is_lost() {
                continue;
            }
            let worker = hand.place.index;
            match Hand::start(worker, body, counts) {
                // The thread of the one that is lost ends by itself, if ever.
                Ok(other) => {
                    *hand = other;
                    counts.replaced.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => tracing::error!(worker, %error, "nobody takes its place yet"),
            }
        }
    }
}
