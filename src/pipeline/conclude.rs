//! From the outcomes of a listing's parts to its rating.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::generation::Generation;
use super::job::{ImageOutcome, Outcome, TextOutcome};
use crate::domain::{
    Category, ImageCategoryScore, ImageRating, ImageStatus, Language, Listing, PerCategory, Rating, TextCategoryScore,
    TextField, TextRating, Timings, TokenContribution,
};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::manifest::Kind;
use crate::schedule::scheduler::Finished;
use crate::score::rating::{Evidence, rate};

/// Outcomes of a listing's jobs, images and texts apart, each in the order of submission.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    images: Vec<ImageOutcome>,
    texts: Vec<TextOutcome>,
    timings: Timings,
}

impl Gathered {
    /// Takes the next outcome. Without `metrics` it leaves no trace: a shadow's work is not what operators count.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] when the job was given up.
    pub(super) fn add(&mut self, finished: Finished<Outcome>, metrics: Option<&Metrics>) -> Result<()> {
        let stage = |stage, time| metrics.into_iter().for_each(|metrics| metrics.stage(stage, time));
        let t = &mut self.timings;
        t.queue_wait_us = t.queue_wait_us.max(micros(finished.queue_wait));
        stage("queue_wait", finished.queue_wait);
        match finished.result {
            Outcome::Image(outcome) => {
                metrics.into_iter().for_each(|metrics| metrics.image(outcome.status.name(), outcome.cached));
                if !outcome.cached {
                    stage("decode", outcome.decode);
                    stage("resize", outcome.resize);
                    stage("image_inference", outcome.inference);
                }
                t.decode_us += micros(outcome.decode);
                t.resize_us += micros(outcome.resize);
                t.image_inference_us += micros(outcome.inference);
                self.images.push(outcome);
            }
            Outcome::Text(outcome) => {
                stage("text_features", outcome.features);
                stage("text_inference", outcome.inference);
                t.text_features_us += micros(outcome.features);
                t.text_inference_us += micros(outcome.inference);
                self.texts.push(outcome);
            }
            Outcome::Expired => return Err(Error::DeadlineExceeded),
            Outcome::Infer(_) => return Err(Error::Bug("a listing's part became a run of a model".into())),
        }
        Ok(())
    }
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
        labels: outcome.labels,
        image_id,
        status: outcome.status,
        message: outcome.message,
        format: outcome.format,
        width: outcome.width,
        height: outcome.height,
        sha256: outcome.sha256,
        cached: outcome.cached,
        frames: outcome.frames,
    }
}

fn text_rating(field: TextField, mut outcome: TextOutcome, categories: &[Category]) -> TextRating {
    let scores = categories.iter().filter_map(|&category| {
        let probability = outcome.logits.get(category)?.probability();
        let (tokens, bias) = outcome.tokens.take(category).unwrap_or_default();
        Some(TextCategoryScore { category, probability, tokens, bias })
    });
    TextRating { field, language: outcome.language, scores: scores.collect(), terms: outcome.found.terms }
}

/// Most words that a reason names.
const NAMED_WORDS: usize = 3;

/// The words of `text` that spoke loudest for a category, the heaviest first, each once.
fn weightiest(tokens: &[TokenContribution], text: &str) -> Vec<String> {
    let mut speaking: Vec<&TokenContribution> = tokens.iter().filter(|token| token.contribution > 0.0).collect();
    speaking.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    let mut words: Vec<String> = Vec::with_capacity(NAMED_WORDS);
    for word in speaking.iter().filter_map(|token| text.get(token.span.bytes.clone())) {
        if words.len() < NAMED_WORDS && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// Whether `text` says something in a language that nothing here reads. Numbers and signs alone say nothing.
fn is_unread(language: Language, text: &str) -> bool {
    language == Language::Other && text.chars().filter(|c| c.is_alphabetic()).nth(2).is_some()
}

fn given_text(listing: &Listing, field: TextField) -> &str {
    match field {
        TextField::Title => &listing.title,
        TextField::Description => &listing.description,
    }
}

/// Fuses and rates what became of a listing's parts; `fields` are those of its texts, in order.
///
/// # Errors
/// [`Error::Invalid`] when every image is broken and there is no text; a model's error when nothing could be scored.
pub(super) fn conclude(
    generation: &Generation,
    listing: &Listing,
    fields: &[TextField],
    gathered: Gathered,
) -> Result<Rating> {
    let Gathered { images, texts, timings } = gathered;
    let categories = &listing.options.categories;
    let mut evidence = Evidence { categories: categories.clone(), ..Evidence::default() };
    let mut missing: Vec<String> = Vec::new();
    let mut faults: Vec<Error> = Vec::new();

    let mut image_ratings = Vec::new();
    let mut unreadable = 0;
    for (given, mut outcome) in listing.images.iter().zip(images) {
        // No model failed, so there is none: a photo that nobody looked at is for a person to look at.
        let no_model = outcome.status == ImageStatus::NotRated && outcome.faults.is_empty();
        faults.append(&mut outcome.faults);
        if outcome.status == ImageStatus::Ok {
            evidence.images.push((given.image_id.clone(), outcome.logits.clone()));
            evidence.labels.extend(outcome.labels.iter().map(|(name, p)| (given.image_id.clone(), name.clone(), *p)));
        } else {
            missing.push(format!("image:{}", given.image_id));
        }
        if let Some(doubt) = outcome.doubt {
            missing.push(format!("image:{}:{}", given.image_id, doubt.name()));
            evidence.unreadable_images.push((given.image_id.clone(), doubt.name()));
        }
        if !matches!(outcome.status, ImageStatus::Ok | ImageStatus::NotRated) {
            unreadable += 1;
        }
        if no_model || !matches!(outcome.status, ImageStatus::Ok | ImageStatus::NotRated) {
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
        evidence.signs = evidence.signs.or(outcome.found.signs);
        evidence.notices.extend(outcome.found.notices.drain(..).map(|(notice, term)| (field, notice, term)));
        for &category in categories {
            let words = outcome.tokens.get(category).map(|(tokens, _)| weightiest(tokens, given_text(listing, field)));
            evidence.words.extend(words.filter(|words| !words.is_empty()).map(|words| (field, category, words)));
        }
        if is_unread(outcome.language, given_text(listing, field)) {
            evidence.unread_texts.push(field);
        }
        let terms = outcome.found.terms.iter().filter(|term| categories.contains(&term.category));
        evidence.terms.extend(terms.map(|term| (field, term.clone())));
        if !listing.options.explain_text {
            outcome.tokens = PerCategory::default();
        }
        text_ratings.push(text_rating(field, outcome, categories));
    }

    if !listing.images.is_empty() && fields.is_empty() && unreadable == listing.images.len() {
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
    if !evidence.unread_texts.is_empty() {
        missing.push("text:language".into());
    }
    missing.extend(missing_models.iter().map(|model| format!("model:{model}")));
    // What is not there by configuration is no fault, and is said.
    let engine = generation.engine();
    if !fields.is_empty() && engine.text().is_none() {
        missing.push(format!("model:{}", Kind::TextClassifier.name()));
    }
    if !listing.images.is_empty() && engine.image_scorers().next().is_none() {
        missing.push(format!("model:{}", Kind::ImageClassifier.name()));
    }
    let models = generation.models().iter().filter(|model| !missing_models.contains(&model.name)).cloned().collect();
    evidence.missing_models = missing_models.into_iter().collect();

    let verdict = rate(generation.policy(), &evidence);
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
        policy: generation.policy_version().clone(),
        timings,
        rated_at: SystemTime::now(),
    })
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
