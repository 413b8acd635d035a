//! From the outcomes of a listing's parts to its rating.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::generation::Generation;
use super::outcome::{ImageOutcome, TextOutcome, WordsOutcome};
use crate::domain::{
    Category, ContactKind, ImageCategoryScore, ImageRating, ImageStatus, Language, LeftOut, Listing, ListingImage,
    Missing, Modality, ModelVersion, PerCategory, Rating, Step, TextCategoryScore, TextField, TextRating, Timings,
    TokenContribution,
};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::folder::manifest::Kind;
use crate::preprocess::image::Doubt;
use crate::schedule::ticket::Finished;
use crate::score::rating::{Evidence, rate};

/// Outcomes of a listing's jobs, images and texts apart, each in the order of submission.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Number of the generation that they are of.
    generation: u64,
    images: Vec<ImageOutcome>,
    texts: Vec<TextOutcome>,
    timings: Timings,
    steps: Vec<Step>,
}

impl Gathered {
    /// Nothing yet, of a listing that the generation of that number rates.
    pub(super) fn by(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// Takes what became of the next image. Without `metrics` it leaves no trace: a shadow's work is not what operators count.
    pub(super) fn image(&mut self, finished: Finished<ImageOutcome>, metrics: Option<&Metrics>) {
        let Finished { result: outcome, queue_wait } = finished;
        self.waited(queue_wait, metrics);
        if let Some(metrics) = metrics {
            metrics.image(outcome.facts.status.name(), outcome.facts.format, outcome.cached);
            outcome
                .looks
                .logits
                .first()
                .into_iter()
                .for_each(|first| metrics.scores().scored(self.generation, Modality::Images, first));
            if !outcome.cached {
                metrics.stage("decode", outcome.decode);
                metrics.stage("resize", outcome.resize);
                metrics.stage("image_inference", outcome.inference);
                outcome.looks.count(metrics, "images", "later_image_looks");
                count_words(&outcome, metrics);
            }
        }
        let t = &mut self.timings;
        if let Some(WordsOutcome { text, reading, .. }) = outcome.words.as_ref().filter(|_| !outcome.cached) {
            t.words_us += micros(*reading);
            text.iter().for_each(|text| add_text(t, text));
        }
        t.decode_us += micros(outcome.decode);
        t.resize_us += micros(outcome.resize);
        t.image_inference_us += micros(outcome.inference);
        t.later_looks_us += micros(outcome.looks.later);
        let words = outcome.words.as_ref().filter(|_| !outcome.cached).map_or(Duration::ZERO, |words| words.reading);
        self.passed(
            "image",
            self.images.len(),
            [
                ("queue_wait", queue_wait),
                ("decode", outcome.decode),
                ("resize", outcome.resize),
                ("image_inference", outcome.inference),
                ("later_image_looks", outcome.looks.later),
                ("words", words),
            ],
        );
        self.images.push(outcome);
    }

    /// Takes what became of the next text.
    pub(super) fn text(&mut self, finished: Finished<TextOutcome>, metrics: Option<&Metrics>) {
        let Finished { result: outcome, queue_wait } = finished;
        self.waited(queue_wait, metrics);
        if let Some(metrics) = metrics {
            metrics.stage("text_features", outcome.features);
            outcome
                .looks
                .logits
                .first()
                .into_iter()
                .for_each(|first| metrics.scores().scored(self.generation, Modality::Texts, first));
            metrics.stage("text_inference", outcome.inference);
            outcome.looks.count(metrics, "texts", "later_text_looks");
        }
        add_text(&mut self.timings, &outcome);
        self.passed(
            "text",
            self.texts.len(),
            [
                ("queue_wait", queue_wait),
                ("text_features", outcome.features),
                ("text_inference", outcome.inference),
                ("later_text_looks", outcome.looks.later),
            ],
        );
        self.texts.push(outcome);
    }

    /// Notes what the next part of a modality passed through, one stage after the other.
    fn passed<const N: usize>(&mut self, modality: &'static str, part: usize, stages: [(&'static str, Duration); N]) {
        let mut begin = Duration::ZERO;
        for (stage, time) in stages.into_iter().filter(|(_, time)| !time.is_zero()) {
            self.steps.push(Step { stage, modality, part, begin, time });
            begin += time;
        }
    }

    fn waited(&mut self, queue_wait: Duration, metrics: Option<&Metrics>) {
        self.timings.queue_wait_us = self.timings.queue_wait_us.max(micros(queue_wait));
        metrics.into_iter().for_each(|metrics| metrics.stage("queue_wait", queue_wait));
    }
}

fn add_text(timings: &mut Timings, text: &TextOutcome) {
    timings.text_features_us += micros(text.features);
    timings.text_inference_us += micros(text.inference);
    timings.later_looks_us += micros(text.looks.later);
}

/// Counts whether an image's words were read, or why not although they should have been.
fn count_words(outcome: &ImageOutcome, metrics: &Metrics) {
    metrics.looks("words", usize::from(outcome.words.is_some()), outcome.words_left_out.map(LeftOut::name));
    outcome.words.iter().for_each(|words| metrics.stage("words", words.reading));
}

fn fault_name(fault: &Error) -> String {
    if let Error::Model { model, .. } = fault { model.clone() } else { "unknown".into() }
}

fn image_rating(image_id: String, mut outcome: ImageOutcome, categories: &[Category]) -> ImageRating {
    let scores = categories.iter().filter_map(|&category| {
        let probability = outcome.logits.get(category)?.probability();
        let explanation = outcome.explanations.take(category);
        let by_look = outcome.looks.probabilities(category);
        Some(ImageCategoryScore { category, probability, by_look, explanation })
    });
    ImageRating {
        scores: scores.collect(),
        looks: outcome.looks.logits.len(),
        labels: outcome.labels,
        image_id,
        facts: outcome.facts,
        sha256: outcome.sha256,
        cached: outcome.cached,
    }
}

fn text_rating(mut outcome: TextOutcome, categories: &[Category]) -> TextRating {
    let scores = categories.iter().filter_map(|&category| {
        let probability = outcome.logits.get(category)?.probability();
        let by_look = outcome.looks.probabilities(category);
        Some(TextCategoryScore { category, probability, by_look, explanation: outcome.tokens.take(category) })
    });
    TextRating {
        field: outcome.field,
        language: outcome.language,
        scores: scores.collect(),
        terms: outcome.found.terms,
        looks: outcome.looks.logits.len(),
        written: None,
    }
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

/// What a listing's parts say, put together.
struct Parts<'a> {
    generation: &'a Generation,
    listing: &'a Listing,
    categories: &'a [Category],
    evidence: Evidence,
    missing: Vec<Missing>,
    /// What was not read, and is no part that was sent.
    unread: Vec<Missing>,
    faults: Vec<Error>,
    /// Images whose bytes say nothing.
    unreadable: usize,
}

/// Fuses and rates what became of a listing's parts.
///
/// # Errors
/// [`Error::Invalid`] when every image is broken and there is no text; a model's error when nothing could be scored.
pub(super) fn conclude(generation: &Generation, listing: &Listing, gathered: Gathered) -> Result<Rating> {
    let Gathered { images, texts, timings, steps, generation: _ } = gathered;
    let categories = &generation.policy().chosen(&listing.options.categories);
    let image_ids = listing.images.iter().map(|image| image.image_id.clone()).collect();
    let evidence = Evidence { categories: categories.clone(), image_ids, ..Evidence::default() };
    let (missing, unread, faults) = (Vec::new(), Vec::new(), Vec::new());
    let mut parts = Parts { generation, listing, categories, evidence, missing, unread, faults, unreadable: 0 };
    let (mut image_ratings, mut words) = (Vec::with_capacity(images.len()), Vec::new());
    for (place, (given, mut outcome)) in listing.images.iter().zip(images).enumerate() {
        words.extend(outcome.words.take().map(|words| (place, given.image_id.clone(), words)));
        image_ratings.push(parts.image(given, outcome));
    }
    let (has_text, were_read) = (!texts.is_empty(), !words.is_empty());
    let mut text_ratings: Vec<TextRating> = texts.into_iter().map(|outcome| parts.given_text(outcome)).collect();
    text_ratings.extend(words.into_iter().filter_map(|(place, id, words)| parts.words(place, id, words)));
    parts.check(has_text)?;
    let missing_models: BTreeSet<String> = parts.faults.iter().map(fault_name).collect();
    let degraded = !parts.missing.is_empty() || !missing_models.is_empty();
    parts.name_missing(has_text, &missing_models);
    let Parts { mut evidence, missing, .. } = parts;
    let looks = (
        most_looks(image_ratings.iter().map(|image| image.looks)),
        most_looks(text_ratings.iter().map(|text| text.looks)),
    );
    let took_part = |model: &&ModelVersion| {
        generation.looks().takes_part(model, looks, were_read) && !missing_models.contains(&model.name)
    };
    let models = generation.models().iter().filter(took_part).cloned().collect();
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
        steps,
        rated_at: SystemTime::now(),
    })
}

impl Parts<'_> {
    fn image(&mut self, given: &ListingImage, mut outcome: ImageOutcome) -> ImageRating {
        let id = &given.image_id;
        // No model failed, so there is none: a photo that nobody looked at is for a person to look at.
        let no_model = outcome.facts.status == ImageStatus::NotRated && outcome.faults.is_empty();
        self.faults.append(&mut outcome.faults);
        if outcome.facts.status == ImageStatus::Ok {
            self.evidence.images.push((id.clone(), outcome.logits.clone()));
            self.evidence.labels.extend(outcome.labels.iter().map(|(name, p)| (id.clone(), name.clone(), *p)));
        } else {
            self.missing.push(Missing::Image(id.clone()));
        }
        if let Some(why) = outcome.looks.left_out {
            self.missing.push(Missing::ImageLook(id.clone(), why));
        }
        self.unread.extend(outcome.words_left_out.map(|why| Missing::Words(id.clone(), why)));
        if let Some(doubt) = outcome.doubt {
            self.missing.push(match doubt {
                Doubt::FramesLeftOut => Missing::Frames(id.clone()),
                Doubt::Damaged => Missing::Damaged(id.clone()),
            });
            self.evidence.doubtful_images.push((id.clone(), doubt.name()));
        }
        let is_unreadable = !matches!(outcome.facts.status, ImageStatus::Ok | ImageStatus::NotRated);
        self.unreadable += usize::from(is_unreadable);
        if no_model || is_unreadable {
            self.evidence.doubtful_images.push((id.clone(), outcome.facts.status.name()));
        }
        image_rating(id.clone(), outcome, self.categories)
    }

    /// The title or the description.
    fn given_text(&mut self, outcome: TextOutcome) -> TextRating {
        let listing = self.listing;
        let is_title = outcome.field == TextField::Title;
        self.text(outcome, if is_title { &listing.title } else { &listing.description })
    }

    /// What is written in the image at `place`; `None`: nothing.
    fn words(&mut self, place: usize, image_id: String, words: WordsOutcome) -> Option<TextRating> {
        let WordsOutcome { written, text, .. } = words;
        let kinds: BTreeSet<ContactKind> = written.contacts.iter().map(|contact| contact.kind).collect();
        self.evidence.contacts.extend(kinds.into_iter().map(|kind| (image_id.clone(), kind)));
        let outcome = TextOutcome { field: TextField::Image(place), ..text? };
        let rating = self.text(outcome, &written.text);
        Some(TextRating { written: Some((image_id, written)), ..rating })
    }

    fn text(&mut self, mut outcome: TextOutcome, text: &str) -> TextRating {
        let field = outcome.field;
        let evidence = &mut self.evidence;
        self.faults.append(&mut outcome.faults);
        match (outcome.looks.left_out, field) {
            (Some(why), TextField::Image(place)) => {
                let id = self.listing.images.get(place).map(|image| image.image_id.clone());
                self.unread.push(Missing::Words(id.unwrap_or_default(), why));
            }
            (Some(why), _) => self.missing.push(Missing::TextLook(field, why)),
            (None, _) => {}
        }
        if !outcome.logits.is_empty() {
            evidence.texts.push((field, outcome.logits.clone()));
        }
        evidence.signs = evidence.signs.or(outcome.found.signs);
        evidence.notices.extend(outcome.found.notices.drain(..).map(|(notice, term)| (field, notice, term)));
        for &category in self.categories {
            let words = outcome.tokens.get(category).map(|told| weightiest(&told.tokens, text));
            evidence.words.extend(words.filter(|words| !words.is_empty()).map(|words| (field, category, words)));
        }
        // Of a picture it is what was taken for words.
        if is_unread(outcome.language, text) && !matches!(field, TextField::Image(_)) {
            evidence.unread_texts.push(field);
        }
        let terms = outcome.found.terms.iter().filter(|term| self.categories.contains(&term.category));
        evidence.terms.extend(terms.map(|term| (field, term.clone())));
        if !self.listing.options.explain_text {
            outcome.tokens = PerCategory::default();
        }
        text_rating(outcome, self.categories)
    }

    /// Whether enough is left to rate; models that failed are told of.
    fn check(&self, has_text: bool) -> Result<()> {
        if self.unreadable > 0 && !has_text && self.unreadable == self.listing.images.len() {
            let unreadable = self.evidence.doubtful_images.iter();
            let statuses: Vec<String> = unreadable.map(|(id, status)| format!("{id}: {status}")).collect();
            let problem = format!("no image could be read ({}) and there is no text", statuses.join(", "));
            return Err(Error::invalid("images", problem));
        }
        let nothing_scored = self.evidence.images.is_empty() && self.evidence.texts.is_empty();
        if let (true, Some(fault)) = (nothing_scored, self.faults.first()) {
            return Err(fault.clone());
        }
        for fault in &self.faults {
            tracing::error!(request_id = self.listing.request_id, %fault, "a model did not answer");
        }
        Ok(())
    }

    /// What did not take part, besides single images.
    fn name_missing(&mut self, has_text: bool, missing_models: &BTreeSet<String>) {
        let Self { generation, listing, categories, evidence, missing, unread, .. } = self;
        missing.append(unread);
        if evidence.images.is_empty() {
            missing.push(Missing::Images);
        }
        if evidence.texts.is_empty() {
            missing.push(Missing::Texts);
        }
        if !evidence.unread_texts.is_empty() {
            missing.push(Missing::Language);
        }
        missing.extend(missing_models.iter().cloned().map(Missing::Model));
        // What is not there by configuration is no fault, and is said.
        let unfed = categories.iter().filter(|category| generation.rates(**category) == (false, false));
        missing.extend(unfed.copied().map(Missing::Category));
        let engine = generation.engine();
        if has_text && engine.text_scorers().is_empty() {
            missing.push(Missing::Model(Kind::TextClassifier.name().to_owned()));
        }
        if !listing.images.is_empty() && engine.image_scorers().next().is_none() {
            missing.push(Missing::Model(Kind::ImageClassifier.name().to_owned()));
        }
    }
}

/// The most looks that one of a listing's parts took; 0 where there is no such part.
fn most_looks(taken: impl Iterator<Item = usize>) -> usize {
    taken.max().unwrap_or_default()
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
