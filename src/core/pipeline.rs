//! One listing from start to end. The only place that knows the order of the stages:
//! schedule, preprocess, model, calibrate, fuse, rate, explain.

pub mod bare;
mod cache;
mod conclude;
pub mod embed;
pub mod generation;
pub mod golden;
pub mod health;
mod images;
pub mod infer;
mod inputs;
mod job;
mod look_plan;
mod looks;
mod outcome;
mod run;
pub mod shadow;
mod texts;
pub mod traffic;
mod vocabulary;
mod words;
mod words_reader;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::conclude::{Gathered, conclude, micros};
use self::generation::Generation;
use self::inputs::Inputs;
use self::job::{Job, Task};
use self::outcome::{ImageOutcome, TextOutcome};
use self::shadow::Comparison;
use self::traffic::{Candidate, Traffic, Trial};
use crate::config::Config;
use crate::domain::{Listing, Missing, Rating, TextField};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::runtime::session::Runtime;
use crate::schedule::scheduler::{Scheduler, Worker};
use crate::schedule::ticket::{Ticket, ticket};
use crate::schedule::{Asked, Deadline, Priority};

/// How long a shadow may wait for workers before its listing is given up.
const SHADOW_PATIENCE: Duration = Duration::from_secs(30);

/// The generations in service, and the threads that rate with them.
#[derive(Debug)]
pub struct Pipeline {
    scheduler: Scheduler<Job>,
    queue_capacity: usize,
    traffic: ArcSwap<Traffic>,
    metrics: Arc<Metrics>,
    /// Kept, so that they end with what they rate with.
    second_ratings: Mutex<JoinSet<()>>,
    runtime_build: String,
}

impl Pipeline {
    /// Starts the workers, with `generation` in service.
    ///
    /// # Errors
    /// [`Error::Bug`] when the system refuses a thread, [`Error::Setup`] when ONNX Runtime is not there.
    pub fn start(config: &Config, generation: Generation, metrics: Arc<Metrics>) -> Result<Self> {
        let worker = |index| -> Worker<Job> {
            let mut inputs = Inputs::default();
            Box::new(move |batch, behind| worker::run(index, &mut inputs, batch, behind))
        };
        Ok(Self {
            scheduler: Scheduler::start(config.runtime.workers, worker, config.queue)?,
            queue_capacity: config.queue.capacity,
            traffic: ArcSwap::from_pointee(Traffic { stable: Arc::new(generation), candidate: None }),
            metrics,
            second_ratings: Mutex::default(),
            runtime_build: Runtime::load(&config.runtime.onnxruntime)?.build(),
        })
    }

    /// Models and policy in service now. A caller that holds it keeps it alive.
    pub fn generation(&self) -> Arc<Generation> {
        self.traffic().stable
    }

    /// All that is in service now.
    pub fn traffic(&self) -> Traffic {
        Traffic::clone(&self.traffic.load())
    }

    /// Puts other generations in service for listings that come from now on. Returns what served before; running listings
    /// may still hold it.
    pub fn switch(&self, traffic: Traffic) -> Traffic {
        Traffic::clone(&self.traffic.swap(Arc::new(traffic)))
    }

    /// Commit that the loaded ONNX Runtime was built from.
    pub fn runtime_build(&self) -> &str {
        &self.runtime_build
    }

    /// Jobs that wait for a worker.
    pub fn queued(&self) -> usize {
        self.scheduler.queued()
    }

    /// How long the job that waits longest has done so; zero: none waits.
    pub fn oldest(&self) -> Duration {
        self.scheduler.oldest()
    }

    /// Workers that do not return from what they do, and how many others have taken such a one's place so far.
    pub fn lost_workers(&self) -> (u64, u64) {
        self.scheduler.lost()
    }

    /// Rates one listing with the stable generation, or with the canary when the listing belongs to its share. While something
    /// is tried, the other of the two rates its share once more, after the answer is made.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when it would wait too long or be late; [`Error::DeadlineExceeded`]; [`Error::Invalid`] when every
    /// image is broken and there is no text; [`Error::Model`] when nothing could be scored because models failed.
    ///
    /// # Cancellation
    /// Dropping the future gives up the listing's places in the queue; what already runs is finished and forgotten.
    pub async fn rate(&self, listing: Listing, asked: &Asked) -> Result<Rating> {
        let arrived = Instant::now();
        let deadline = asked.deadline;
        if deadline.has_passed() {
            return Err(Error::DeadlineExceeded);
        }
        let Traffic { stable, candidate } = self.traffic();
        let wanted = &listing.options.categories;
        stable.check_categories(wanted)?;
        let candidate = candidate.filter(|candidate| candidate.share.holds(&listing)).filter(|candidate| {
            // What callers ask for and a candidate does not look for is its fault, not theirs.
            let looks_for_it = candidate.generation.check_categories(wanted).is_ok();
            if !looks_for_it {
                self.candidate_failed(candidate.comparison());
            }
            looks_for_it
        });
        let (generation, second) = match candidate.as_deref() {
            None => (stable, None),
            Some(Candidate { generation, trial, .. }) => match trial {
                Trial::Canary(comparison) => {
                    let second =
                        SecondRating { generation: stable, by_stable: true, comparison: Arc::clone(comparison) };
                    (Arc::clone(generation), Some(second))
                }
                Trial::Shadow(comparison) => {
                    let (generation, comparison) = (Arc::clone(generation), Arc::clone(comparison));
                    (stable, Some(SecondRating { generation, by_stable: false, comparison }))
                }
            },
        };
        let tickets = self.submit(&generation, &listing, asked)?;
        let outcome = finish(&generation, &listing, tickets, deadline, Some(&self.metrics)).await;
        generation.health().note(&outcome);
        if let (
            Err(Error::Model { .. } | Error::Setup { .. } | Error::Bug(_)),
            Some(SecondRating { by_stable: true, comparison, .. }),
        ) = (&outcome, &second)
        {
            self.candidate_failed(comparison);
        }
        let mut rating = outcome?;
        rating.timings.total_us = micros(arrived.elapsed());
        self.metrics.rated(&rating, arrived.elapsed(), asked.trace_id.as_deref());
        if let Some(second) = second {
            self.rate_again(second, listing, &rating);
        }
        Ok(rating)
    }

    /// Whether a listing with one photo would be taken now: what can be said before anything of it is read.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub fn foresees(&self, asked: &Asked) -> Result<()> {
        self.scheduler.foresees(job::PLAIN_IMAGE, asked)
    }

    fn candidate_failed(&self, comparison: &Comparison) {
        comparison.failed();
        self.metrics.models().trial_listing("failed");
    }

    fn submit(&self, generation: &Arc<Generation>, listing: &Listing, asked: &Asked) -> Result<Tickets> {
        let (jobs, tickets) = jobs(generation, listing);
        self.scheduler.submit(jobs, asked)?;
        Ok(tickets)
    }

    /// Rates a listing once more and compares, in the background. Only where there is room: it never fills the queue, never goes
    /// before an answer that waits, and nothing waits for it.
    fn rate_again(&self, second: SecondRating, listing: Listing, answered: &Rating) {
        let SecondRating { generation, by_stable, comparison } = second;
        let deadline = Deadline(Some(Instant::now() + SHADOW_PATIENCE));
        let half_full = self.scheduler.queued() > self.queue_capacity / 2;
        let place = if half_full { None } else { comparison.admit() };
        let tickets = place.and_then(|place| {
            let asked = Asked { priority: Priority::Bulk, deadline, patient: true, ..Asked::default() };
            let tickets = self.submit(&generation, &listing, &asked).ok()?;
            Some((place, tickets))
        });
        let Some((place, tickets)) = tickets else {
            comparison.dropped();
            self.metrics.models().trial_listing("dropped");
            return;
        };
        let metrics = Arc::clone(&self.metrics);
        let answered = answered.clone();
        let mut running = self.second_ratings.lock();
        // Those that ended are let go here: no more are left than run at the same time, and one.
        while running.try_join_next().is_some() {}
        running.spawn(async move {
            let outcome = finish(&generation, &listing, tickets, deadline, None).await;
            let (stable, candidate) = if by_stable {
                (outcome.as_ref().ok(), Some(&answered))
            } else {
                (Some(&answered), outcome.as_ref().ok())
            };
            let in_full = |rating: &&Rating| !rating.missing.iter().any(Missing::is_for_want_of_time);
            metrics.models().trial_listing(match (stable, candidate) {
                // What load or budget left out says nothing of the two.
                (Some(stable), Some(candidate)) if !in_full(&stable) || !in_full(&candidate) => {
                    comparison.dropped();
                    "dropped"
                }
                (Some(stable), Some(candidate)) if comparison.compare(stable, candidate) => "agreed",
                (Some(_), Some(_)) => "flipped",
                (None, _) => {
                    comparison.dropped();
                    "dropped"
                }
                (_, None) => {
                    comparison.failed();
                    "failed"
                }
            });
            // Held until here: it bounds what runs at the same time.
            drop(place);
        });
    }
}

/// What rates a listing once more while something is tried.
struct SecondRating {
    generation: Arc<Generation>,
    /// The candidate has answered, and the stable generation looks again.
    by_stable: bool,
    comparison: Arc<Comparison>,
}

/// Waits for a listing's parts and rates it.
async fn finish(
    generation: &Arc<Generation>,
    listing: &Listing,
    tickets: Tickets,
    deadline: Deadline,
    metrics: Option<&Metrics>,
) -> Result<Rating> {
    let mut gathered = Gathered::by(generation.number());
    for image in tickets.images {
        gathered.image(image.wait(deadline).await?, metrics);
    }
    for text in tickets.texts {
        gathered.text(text.wait(deadline).await?, metrics);
    }
    let scoring = Instant::now();
    let mut rating = conclude(generation, listing, gathered)?;
    rating.timings.score_us = micros(scoring.elapsed());
    Ok(rating)
}

/// Places in the queue of a listing's parts, each in the listing's order.
#[derive(Default)]
struct Tickets {
    images: Vec<Ticket<ImageOutcome>>,
    texts: Vec<Ticket<TextOutcome>>,
}

fn jobs(generation: &Arc<Generation>, listing: &Listing) -> (Vec<Job>, Tickets) {
    let job = |task| Job { generation: Arc::clone(generation), task };
    let options = &listing.options;
    let (mut jobs, mut tickets) = (Vec::with_capacity(listing.images.len() + 2), Tickets::default());
    for image in &listing.images {
        let (reply, answer) = ticket();
        let (with_maps, with_sha256) = (options.explain_images, options.image_sha256);
        jobs.push(job(Task::Image { content: image.content.clone(), with_maps, with_sha256, reply }));
        tickets.images.push(answer);
    }
    let texts = [(TextField::Title, &listing.title), (TextField::Description, &listing.description)];
    for (field, text) in texts.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
        let (reply, answer) = ticket();
        jobs.push(job(Task::Text { field, text: text.clone(), with_tokens: options.explain_text, reply }));
        tickets.texts.push(answer);
    }
    (jobs, tickets)
}
