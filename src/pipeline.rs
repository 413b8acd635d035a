//! One listing from start to end. The only place that knows the order of the stages:
//! schedule, preprocess, model, calibrate, fuse, rate, explain.

pub mod bare;
mod cache;
pub mod check;
mod conclude;
pub mod embed;
pub mod generation;
mod golden;
pub mod infer;
mod inputs;
mod job;
mod look;
mod read;
mod worker;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::time::Instant;

use self::conclude::{Gathered, conclude, micros};
use self::generation::Generation;
use self::inputs::Inputs;
use self::job::{Job, Outcome, Task};
use crate::config::Config;
use crate::domain::{Listing, Rating, TextField};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::session::Runtime;
use crate::schedule::scheduler::{Scheduler, Settings, Worker};
use crate::schedule::{Deadline, Priority};

/// The generation in service, and the threads that rate with it.
#[derive(Debug)]
pub struct Pipeline {
    scheduler: Scheduler<Job, Outcome>,
    serving: RwLock<Arc<Generation>>,
    metrics: Arc<Metrics>,
    runtime_build: String,
}

impl Pipeline {
    /// Reads policy and models, checks golden samples, starts the workers.
    ///
    /// # Errors
    /// [`Error::Setup`] or [`Error::Model`] naming file and value.
    pub fn load(config: &Config, metrics: Arc<Metrics>) -> Result<Self> {
        Self::serve(config, Generation::read(config)?, metrics)
    }

    /// Starts the workers with models and policy that are loaded already.
    ///
    /// # Errors
    /// [`Error::Setup`] when threads cannot be started.
    pub fn serve(config: &Config, generation: Generation, metrics: Arc<Metrics>) -> Result<Self> {
        let workers = (0..config.workers).map(|index| -> Worker<Job, Outcome> {
            let mut inputs = Inputs::default();
            Box::new(move |batch| worker::run(index, &mut inputs, batch))
        });
        let settings = Settings { capacity: config.queue_capacity, bulk_yields: config.bulk_yields };
        Ok(Self {
            scheduler: Scheduler::start(workers.collect(), settings)?,
            serving: RwLock::new(Arc::new(generation)),
            metrics,
            runtime_build: Runtime::load(&config.onnxruntime)?.build(),
        })
    }

    /// Models and policy in service now. A caller that holds it keeps it alive.
    pub fn generation(&self) -> Arc<Generation> {
        // The lock only ever guards the exchange of a pointer.
        Arc::clone(&self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commit that the loaded ONNX Runtime was built from.
    pub fn runtime_build(&self) -> &str {
        &self.runtime_build
    }

    /// Jobs that wait for a worker.
    pub fn queued(&self) -> usize {
        self.scheduler.queued()
    }

    /// Rates one listing.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when the queue is full; [`Error::DeadlineExceeded`]; [`Error::Invalid`] when every
    /// image is broken and there is no text; [`Error::Model`] when nothing could be scored because models failed.
    ///
    /// # Cancellation
    /// Dropping the future gives up the listing's places in the queue; what already runs is finished and forgotten.
    pub async fn rate(&self, listing: Listing, priority: Priority, deadline: Deadline) -> Result<Rating> {
        let arrived = Instant::now();
        if deadline.has_passed() {
            return Err(Error::DeadlineExceeded);
        }
        let generation = self.generation();
        let texts = texts_of(&listing);
        let tickets = self.scheduler.submit(jobs(&generation, &listing, &texts), priority, deadline)?;

        let mut gathered = Gathered::default();
        for ticket in tickets {
            gathered.add(ticket.wait(deadline).await?, &self.metrics)?;
        }
        let scoring = Instant::now();
        let fields: Vec<TextField> = texts.iter().map(|(field, _)| *field).collect();
        let mut rating = conclude(&generation, &listing, &fields, gathered)?;
        rating.timings.score_us = micros(scoring.elapsed());
        rating.timings.total_us = micros(arrived.elapsed());
        self.metrics.rated(rating.suggestion.name(), scoring.elapsed(), arrived.elapsed());
        Ok(rating)
    }
}

fn jobs(generation: &Arc<Generation>, listing: &Listing, texts: &[(TextField, &str)]) -> Vec<Job> {
    let job = |task| Job { generation: Arc::clone(generation), task };
    let options = &listing.options;
    let images = listing
        .images
        .iter()
        .map(|image| job(Task::Image { content: image.content.clone(), with_maps: options.explain_images }));
    let texts =
        texts.iter().map(|(_, text)| job(Task::Text { text: (*text).to_owned(), with_tokens: options.explain_text }));
    images.chain(texts).collect()
}

fn texts_of(listing: &Listing) -> Vec<(TextField, &str)> {
    let both = [(TextField::Title, listing.title.as_str()), (TextField::Description, listing.description.as_str())];
    both.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect()
}
