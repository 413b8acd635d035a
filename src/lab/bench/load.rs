//! Closed and open loop.
//!
//! In a **closed** loop a fixed number of callers each wait for their answer before they send again: a slow server gets less
//! load. In an **open** loop listings come when they come, whatever the server does, and a latency counts from when the
//! listing was to be sent: waiting that a stall causes is in the figures (no coordinated omission).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wildwarden_core::error::Error;
use wildwarden_core::error::Result;

use crate::bench::measure::Outcome;
use crate::bench::measure::Recorder;
use crate::bench::measure::Reply;

/// Arrivals that may wait for the sending task.
const PACED: usize = 1024;

/// How long a load lasts.
#[derive(Debug, Clone, Copy)]
pub struct Phases {
    /// Load before the measurement.
    pub warmup: Duration,
    /// The measurement.
    pub length: Length,
}

/// The end of a measurement.
#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// After a time.
    Time(Duration),
    /// After a number of listings.
    Listings(u64),
}

impl Phases {
    /// A recorder for a load that starts at `start`.
    ///
    /// # Errors
    /// See [`Recorder::new`].
    pub fn recorder(&self, start: Instant) -> Result<Recorder> {
        let from = start + self.warmup;
        let to = match self.length {
            Length::Time(time) => Some(from + time),
            Length::Listings(_) => None,
        };
        Recorder::new(from, to)
    }

    /// Whether a listing may still be sent `at` after the start; takes a place in `measured` if it is one to measure.
    fn admits(&self, at: Duration, measured: &AtomicU64) -> bool {
        at < self.warmup
            || match self.length {
                Length::Time(time) => at < self.warmup + time,
                Length::Listings(most) => measured.fetch_add(1, Ordering::Relaxed) < most,
            }
    }
}

/// `callers` at a time, each sending when its last answer is there. `call` sends the next listing and says how many photos
/// it had. Dropping the future ends the load.
///
/// # Errors
/// [`Error::Bug`] when a task panicked.
pub async fn closed<F, Fut>(
    callers: usize,
    phases: Phases,
    start: Instant,
    recorder: &Arc<Mutex<Recorder>>,
    call: F,
) -> Result<()>
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = (usize, Outcome)> + Send,
{
    let measured = Arc::new(AtomicU64::new(0));
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let (measured, recorder, call) = (Arc::clone(&measured), Arc::clone(recorder), call.clone());
        running.spawn(async move {
            loop {
                let sent = Instant::now();
                if !phases.admits(sent.duration_since(start), &measured) {
                    break;
                }
                let (images, outcome) = call().await;
                let finished = Instant::now();
                recorder.lock().record(&Reply { intended: sent, sent, finished, images, outcome });
            }
        });
    }
    join(running).await
}

/// Sends at the offsets `arrivals` from `start`. A listing for which none of `max_in_flight` places is free is recorded as
/// not sent. Dropping the future ends the load.
///
/// # Errors
/// [`Error::Bug`] when a task panicked or the pacing thread cannot start.
pub async fn open<F, Fut>(
    arrivals: impl Iterator<Item = Duration> + Send + 'static,
    max_in_flight: usize,
    (phases, start): (Phases, Instant),
    recorder: &Arc<Mutex<Recorder>>,
    call: F,
) -> Result<()>
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = (usize, Outcome)> + Send,
{
    let mut paced = pace(arrivals, phases, start)?;
    let places = Arc::new(Semaphore::new(max_in_flight));
    let mut running = JoinSet::new();
    while let Some(intended) = paced.recv().await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            recorder.lock().record_not_sent(intended);
            continue;
        };
        let (recorder, call) = (Arc::clone(recorder), call.clone());
        running.spawn(async move {
            let sent = Instant::now();
            let (images, outcome) = call().await;
            let finished = Instant::now();
            recorder.lock().record(&Reply { intended, sent, finished, images, outcome });
            drop(place);
        });
        while let Some(joined) = running.try_join_next() {
            joined.map_err(panicked)?;
        }
    }
    join(running).await
}

/// A thread that wakes at each arrival: tokio's timer rounds up to a millisecond, a thread's sleep is some ten times finer.
/// When the channel is full the thread is late, but the times it sends are not.
fn pace(
    arrivals: impl Iterator<Item = Duration> + Send + 'static,
    phases: Phases,
    start: Instant,
) -> Result<mpsc::Receiver<Instant>> {
    let (sender, receiver) = mpsc::channel(PACED);
    let run = move || {
        let measured = AtomicU64::new(0);
        for at in arrivals.take_while(|at| phases.admits(*at, &measured)) {
            let intended = start + at;
            std::thread::sleep(intended.saturating_duration_since(Instant::now()));
            if sender.blocking_send(intended).is_err() {
                break; // the load was ended
            }
        }
    };
    let thread = std::thread::Builder::new().name("pace".into()).spawn(run);
    thread.map_err(|cause| Error::Bug(format!("starting the pacing thread: {cause}")))?;
    Ok(receiver)
}

async fn join(mut running: JoinSet<()>) -> Result<()> {
    while let Some(joined) = running.join_next().await {
        joined.map_err(panicked)?;
    }
    Ok(())
}

fn panicked(cause: tokio::task::JoinError) -> Error {
    Error::Bug(format!("sending a listing: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::Measured;
    use wildwarden_proto::v1::Timings;

    fn phases(length: Length) -> Phases {
        Phases { warmup: Duration::ZERO, length }
    }

    async fn answer(after: Duration) -> (usize, Outcome) {
        tokio::time::sleep(after).await;
        (1, Outcome::Right(Timings::default()))
    }

    async fn opened<F, Fut>(listings: u64, max_in_flight: usize, call: F) -> Measured
    where
        F: Fn() -> Fut + Clone + Send + 'static,
        Fut: Future<Output = (usize, Outcome)> + Send,
    {
        let (phases, start) = (phases(Length::Listings(listings)), Instant::now());
        let recorder = Arc::new(Mutex::new(phases.recorder(start).unwrap()));
        let arrivals = (1..).map(|n| Duration::from_millis(n * 5));
        open(arrivals, max_in_flight, (phases, start), &recorder, call).await.unwrap();
        recorder.lock().finish(None)
    }

    /// The server answers one listing at a time and stalls once. A closed loop's only caller sees one slow answer; callers
    /// who come when they come all wait.
    #[tokio::test]
    async fn a_stall_is_in_the_latency_of_all_that_were_to_be_sent_meanwhile() {
        let stalling = || {
            let (server, calls) = (Arc::new(tokio::sync::Mutex::new(())), Arc::new(AtomicU64::new(0)));
            move || {
                let (server, calls) = (Arc::clone(&server), Arc::clone(&calls));
                async move {
                    let _turn = server.lock().await;
                    let stalls = calls.fetch_add(1, Ordering::Relaxed) == 50;
                    answer(Duration::from_millis(if stalls { 300 } else { 0 })).await
                }
            }
        };
        let measured = opened(200, 1000, stalling()).await;
        assert_eq!(measured.counts.right, 200);
        // About 60 of 200 arrive in the stall; they wait 150 ms on average.
        assert!(measured.latency.p90_ms > 100.0, "{:?}", measured.latency);
        assert!(measured.latency.p50_ms < 100.0, "{:?}", measured.latency);

        let (phases, start) = (phases(Length::Listings(200)), Instant::now());
        let recorder = Arc::new(Mutex::new(phases.recorder(start).unwrap()));
        closed(1, phases, start, &recorder, stalling()).await.unwrap();
        let measured = recorder.lock().finish(None);
        assert!(measured.counts.right == 200 && measured.latency.p90_ms < 100.0, "{:?}", measured.latency);
    }

    #[tokio::test]
    async fn what_finds_no_place_is_counted_as_not_sent() {
        let measured = opened(40, 3, || answer(Duration::from_secs(1))).await;
        assert_eq!((measured.counts.right, measured.counts.not_sent, measured.listings), (3, 37, 40));
    }

    #[tokio::test]
    async fn a_closed_loop_keeps_its_callers_busy_for_the_time_and_no_longer() {
        let (phases, start) = (phases(Length::Time(Duration::from_millis(300))), Instant::now());
        let recorder = Arc::new(Mutex::new(phases.recorder(start).unwrap()));
        closed(4, phases, start, &recorder, || answer(Duration::from_millis(20))).await.unwrap();
        let measured = recorder.lock().finish(None);
        assert!((20..=60).contains(&measured.counts.right), "{:?}", measured.counts);
        assert!((measured.seconds - 0.3).abs() < 1e-9);
    }

    #[tokio::test]
    async fn the_warm_up_comes_on_top_of_an_exact_number() {
        let phases = Phases { warmup: Duration::from_millis(50), length: Length::Listings(10) };
        let start = Instant::now();
        let recorder = Arc::new(Mutex::new(phases.recorder(start).unwrap()));
        closed(2, phases, start, &recorder, || answer(Duration::from_millis(5))).await.unwrap();
        let measured = recorder.lock().finish(None);
        assert!(measured.counts.right == 10 && measured.warmup.right > 2, "{measured:?}");
    }
}
