//! One listing from start to end. The only place that knows the order of the stages:
//! schedule, preprocess, model, calibrate, fuse, rate, explain.

pub mod worker;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::worker::{ImageOutcome, Job, Outcome, StageWorker, TextOutcome};
use crate::config::Config;
use crate::domain::{
    Category, ImageCategoryScore, ImageRating, ImageStatus, Listing, ModelVersion, PolicyVersion, Rating,
    TextCategoryScore, TextField, TextRating, Timings,
};
use crate::error::{Error, Result};
use crate::model::manifest::hex_sha256;
use crate::model::registry::ModelSet;
use crate::model::session::Runtime;
use crate::preprocess::image::DecodeLimits;
use crate::preprocess::text::{Lexicon, LexiconEntry, TextProcessor};
use crate::schedule::Deadline;
use crate::schedule::scheduler::{Finished, Scheduler, Worker};
use crate::score::policy::Policy;
use crate::score::rating::{Evidence, rate};

/// A policy, a model set, and the threads that run them.
#[derive(Debug)]
pub struct Pipeline {
    scheduler: Scheduler<Job, Outcome>,
    policy: Policy,
    policy_version: PolicyVersion,
    models: Vec<ModelVersion>,
    runtime_build: String,
}

impl Pipeline {
    /// Reads policy and models, checks golden samples, starts the workers.
    ///
    /// # Errors
    /// [`Error::Setup`] or [`Error::Model`] naming file and value.
    pub fn load(config: &Config) -> Result<Self> {
        let (policy, policy_version) = read_policy(&config.policy)?;
        let set = Arc::new(ModelSet::read(&config.models)?);
        let runtime = Runtime::load(&config.onnxruntime)?;
        let text = text_processor(&set)?.map(Arc::new);
        let lexicon = Arc::new(Lexicon::new(lexicon_entries(&policy))?);
        let limits = DecodeLimits { max_pixels: config.limits.max_image_pixels };
        // Sessions of different workers load side by side: start-up is the load of one.
        let load_one = || StageWorker::load(runtime, &set, text.clone(), Arc::clone(&lexicon), limits);
        let loaded: Vec<Result<StageWorker>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..config.workers).map(|_| scope.spawn(load_one)).collect();
            let panicked = |_| Err(Error::Bug("loading the models panicked".into()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        let mut workers: Vec<StageWorker> = loaded.into_iter().collect::<Result<_>>()?;
        if let Some(first) = workers.first_mut() {
            first.check_golden(&set)?;
        }
        let boxed = |mut worker: StageWorker| -> Worker<Job, Outcome> {
            Box::new(move |job, deadline| worker.run(job, deadline))
        };
        Ok(Self {
            scheduler: Scheduler::start(workers.into_iter().map(boxed).collect(), config.queue_capacity)?,
            policy,
            policy_version,
            models: set.versions(),
            runtime_build: runtime.build(),
        })
    }

    /// Versions of the models in service.
    pub fn models(&self) -> &[ModelVersion] {
        &self.models
    }

    /// Version of the policy in force.
    pub fn policy_version(&self) -> &PolicyVersion {
        &self.policy_version
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Commit that the loaded ONNX Runtime was built from.
    pub fn runtime_build(&self) -> &str {
        &self.runtime_build
    }

    /// Rates one listing.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when the queue is full; [`Error::DeadlineExceeded`]; [`Error::Invalid`] when every
    /// image is broken and there is no text; [`Error::Model`] when nothing could be scored because models failed.
    ///
    /// # Cancellation
    /// Dropping the future gives up the listing's places in the queue; what already runs is finished and forgotten.
    pub async fn rate(&self, listing: Listing, deadline: Deadline) -> Result<Rating> {
        let arrived = Instant::now();
        if deadline.has_passed() {
            return Err(Error::DeadlineExceeded);
        }
        let texts = texts_of(&listing);
        let images = listing
            .images
            .iter()
            .map(|image| Job::Image { content: image.content.clone(), with_maps: listing.options.explain_images });
        let jobs = images.chain(
            texts
                .iter()
                .map(|(_, text)| Job::Text { text: (*text).to_owned(), with_tokens: listing.options.explain_text }),
        );
        let tickets = self.scheduler.submit(jobs.collect(), deadline)?;

        let mut gathered = Gathered::default();
        for ticket in tickets {
            gathered.add(ticket.wait(deadline).await?)?;
        }
        let scoring = Instant::now();
        let fields: Vec<TextField> = texts.iter().map(|(field, _)| *field).collect();
        let mut rating = self.conclude(&listing, &fields, gathered)?;
        rating.timings.score_us = micros(scoring.elapsed());
        rating.timings.total_us = micros(arrived.elapsed());
        Ok(rating)
    }

    fn conclude(&self, listing: &Listing, fields: &[TextField], gathered: Gathered) -> Result<Rating> {
        let Gathered { images, texts, timings } = gathered;
        let categories = &listing.options.categories;
        let mut evidence = Evidence { categories: categories.clone(), ..Evidence::default() };
        let mut missing: Vec<String> = Vec::new();
        let mut faults: Vec<Error> = Vec::new();

        let mut image_ratings = Vec::new();
        for (given, mut outcome) in listing.images.iter().zip(images) {
            faults.append(&mut outcome.faults);
            if outcome.status == ImageStatus::Ok {
                evidence.images.push((given.image_id.clone(), outcome.logits.clone()));
            } else {
                missing.push(format!("image:{}", given.image_id));
            }
            if !matches!(outcome.status, ImageStatus::Ok | ImageStatus::NotRated) {
                evidence.unreadable_images.push((given.image_id.clone(), outcome.status.name()));
            }
            image_ratings.push(image_rating(given.image_id.clone(), outcome, categories));
        }
        let mut text_ratings = Vec::new();
        for (&field, mut outcome) in fields.iter().zip(texts) {
            faults.extend(outcome.fault.take());
            if !outcome.logits.is_empty() {
                evidence.texts.push((field, outcome.logits.clone()));
            }
            let terms = outcome.terms.iter().filter(|term| categories.contains(&term.category));
            evidence.terms.extend(terms.map(|term| (field, term.clone())));
            text_ratings.push(text_rating(field, outcome, categories));
        }

        if !listing.images.is_empty() && fields.is_empty() && evidence.unreadable_images.len() == listing.images.len() {
            let statuses: Vec<String> =
                evidence.unreadable_images.iter().map(|(id, status)| format!("{id}: {status}")).collect();
            let problem = format!("no image could be read ({}) and there is no text", statuses.join(", "));
            return Err(Error::invalid("images", problem));
        }
        let nothing_scored = evidence.images.is_empty() && evidence.texts.is_empty();
        if let (true, Some(fault)) = (nothing_scored, faults.first()) {
            return Err(fault.clone());
        }
        for fault in &faults {
            tracing::error!(request_id = listing.request_id, %fault, "a model did not answer");
        }
        let missing_models: BTreeSet<String> = faults.iter().map(fault_name).collect();
        let degraded = !missing.is_empty() || !missing_models.is_empty();
        if evidence.images.is_empty() {
            missing.push("image".into());
        }
        if evidence.texts.is_empty() {
            missing.push("text".into());
        }
        missing.extend(missing_models.iter().map(|model| format!("model:{model}")));
        let models = self.models.iter().filter(|model| !missing_models.contains(&model.name)).cloned().collect();
        evidence.missing_models = missing_models.into_iter().collect();

        let verdict = rate(&self.policy, &evidence);
        Ok(Rating {
            request_id: listing.request_id.clone(),
            listing_id: listing.listing_id.clone(),
            risk: verdict.risk,
            level: verdict.level,
            suggestion: verdict.suggestion,
            categories: verdict.categories,
            images: image_ratings,
            texts: text_ratings,
            reasons: verdict.reasons,
            legal_basis: verdict.legal_basis,
            degraded,
            missing,
            models,
            policy: self.policy_version.clone(),
            timings,
        })
    }
}

/// Outcomes of a listing's jobs, images and texts apart, each in the order of submission.
#[derive(Debug, Default)]
struct Gathered {
    images: Vec<ImageOutcome>,
    texts: Vec<TextOutcome>,
    timings: Timings,
}

impl Gathered {
    fn add(&mut self, finished: Finished<Outcome>) -> Result<()> {
        let t = &mut self.timings;
        t.queue_wait_us = t.queue_wait_us.max(micros(finished.queue_wait));
        match finished.result {
            Outcome::Image(outcome) => {
                t.decode_us += micros(outcome.decode);
                t.resize_us += micros(outcome.resize);
                t.image_inference_us += micros(outcome.inference);
                self.images.push(outcome);
            }
            Outcome::Text(outcome) => {
                t.text_features_us += micros(outcome.features);
                t.text_inference_us += micros(outcome.inference);
                self.texts.push(outcome);
            }
            Outcome::Expired => return Err(Error::DeadlineExceeded),
        }
        Ok(())
    }
}

fn texts_of(listing: &Listing) -> Vec<(TextField, &str)> {
    let both = [(TextField::Title, listing.title.as_str()), (TextField::Description, listing.description.as_str())];
    both.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect()
}

fn fault_name(fault: &Error) -> String {
    if let Error::Model { model, .. } = fault { model.clone() } else { "unknown".into() }
}

fn image_rating(image_id: String, mut outcome: ImageOutcome, categories: &[Category]) -> ImageRating {
    let scores = categories.iter().filter_map(|&category| {
        let probability = outcome.logits.get(category)?.probability();
        let explanation = outcome.explanations.take(category);
        Some(ImageCategoryScore { category, probability, explanation })
    });
    ImageRating {
        scores: scores.collect(),
        image_id,
        status: outcome.status,
        message: outcome.message,
        format: outcome.format,
        width: outcome.width,
        height: outcome.height,
        sha256: outcome.sha256,
        frames: outcome.frames,
    }
}

fn text_rating(field: TextField, mut outcome: TextOutcome, categories: &[Category]) -> TextRating {
    let scores = categories.iter().filter_map(|&category| {
        let probability = outcome.logits.get(category)?.probability();
        let (tokens, bias) = outcome.tokens.take(category).unwrap_or_default();
        Some(TextCategoryScore { category, probability, tokens, bias })
    });
    TextRating { field, language: outcome.language, scores: scores.collect(), terms: outcome.terms }
}

/// Reads and checks a policy file.
///
/// # Errors
/// [`Error::Setup`] naming file, key and value.
fn read_policy(path: &Path) -> Result<(Policy, PolicyVersion)> {
    let text = std::fs::read_to_string(path).map_err(|cause| Error::file(path, cause))?;
    let policy = Policy::parse(&text).map_err(|problem| Error::file(path, problem))?;
    let version = PolicyVersion { version: policy.version.clone(), sha256: hex_sha256(text.as_bytes()) };
    Ok((policy, version))
}

fn lexicon_entries(policy: &Policy) -> Vec<LexiconEntry> {
    let entries = policy.terms.iter().flat_map(|group| {
        group.terms.iter().map(|term| LexiconEntry { term: term.clone(), kind: group.kind, category: group.category })
    });
    entries.collect()
}

/// The text preparation that the set's text classifier asks for.
fn text_processor(set: &ModelSet) -> Result<Option<TextProcessor>> {
    let Some(folder) = &set.text else { return Ok(None) };
    let Some(text) = &folder.manifest.text else { return Ok(None) };
    let words = std::str::from_utf8(folder.file(&text.words)?)
        .map_err(|cause| Error::file(&folder.path.join(&text.words), cause))?;
    TextProcessor::new(text.spec(), words).map(Some)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
