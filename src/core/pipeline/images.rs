//! Images on a worker thread: hash, decode, resize, run the models, calibrate, explain.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use image::RgbImage;
use ndarray::Array2;
use tokio::time::Instant;

use super::cache::ContentHash;
use super::generation::{Generation, WeightedLabel};
use super::inputs::Inputs;
use super::looks::{Part, WordsGate};
use super::outcome::ImageOutcome;
use super::words;
use crate::domain::{Attribution, Category, ImageExplanation, ImageFacts, ImageStatus, LeftOut, Logit, PerCategory};
use crate::model::folder::manifest::{Calibration, hex_sha256};
use crate::model::runtime::engine::{ImageScores, LabelScore, ScoreMap};
use crate::model::runtime::occlusion::GoOn;
use crate::preprocess::image::{Decoded, ImageFault, decode_while};
use crate::schedule::{AskBehind, Behind, Deadline};
use crate::score::calibrate::calibrate;
use crate::score::explain::image_explanation;
use crate::score::fuse::join;

/// An image to score.
pub(super) struct Photo {
    /// The file's bytes.
    pub content: Bytes,
    /// Answer with the SHA-256 of the bytes.
    pub with_sha256: bool,
    /// When its caller stops waiting.
    pub deadline: Deadline,
}

/// An image that waits for the models.
struct Prepared {
    /// Place in the batch.
    index: usize,
    hash: ContentHash,
    outcome: ImageOutcome,
    frames: Vec<RgbImage>,
    deadline: Deadline,
    /// What the models of all looks so far gave for each label.
    scores: Vec<Option<LabelScore>>,
}

impl Part for Prepared {
    fn seen(&self) -> &PerCategory<Logit> {
        &self.outcome.logits
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }

    fn rows(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    fn leave_out(&mut self, why: LeftOut) {
        self.outcome.looks.left_out = Some(why);
    }
}

/// Scores a batch of images: `done` is told of each with its place, as soon as it is; not of those whose deadline passes. What the
/// cache knows or does not decode is done before the models run, and what the first look is sure of before another begins. Gives the
/// time that looks after the first took, words among them.
pub(super) fn score(
    (generation, worker, behind): (&Generation, usize, AskBehind<'_>),
    inputs: &mut Inputs,
    images: &[Photo],
    with_maps: bool,
    done: &mut dyn FnMut(usize, ImageOutcome),
) -> Duration {
    let plan = generation.looks();
    let mut further = Duration::ZERO;
    let mut waiting: Vec<Prepared> = Vec::with_capacity(images.len());
    let mut done = |index: usize, mut outcome: ImageOutcome| {
        if let Some(photo) = images.get(index).filter(|photo| photo.with_sha256) {
            outcome.sha256 = hex_sha256(&photo.content);
        }
        done(index, outcome);
    };
    for (index, Photo { content, deadline, .. }) in images.iter().enumerate() {
        let hash = ContentHash::of(content);
        if let Some(known) = (!with_maps).then(|| remembered(generation, hash, behind)).flatten() {
            done(index, known);
            continue;
        }
        let (outcome, frames) = open(generation, content, *deadline);
        if deadline.has_passed() {
            // Given up between frames, the picture says nothing of these bytes: it must not be remembered.
        } else if frames.is_empty() {
            generation.cache().put(hash, &outcome);
            done(index, outcome);
        } else {
            waiting.push(Prepared { index, hash, outcome, frames, deadline: *deadline, scores: Vec::new() });
        }
    }
    let mut with_words: Vec<Prepared> = Vec::new();
    for look in 0..plan.images.count() {
        // A later look takes long, so each photo takes it by itself: it is answered at once, and the next gives way where it must.
        let runs: Vec<Vec<Prepared>> =
            if look == 0 { vec![waiting] } else { waiting.into_iter().map(|image| vec![image]).collect() };
        waiting = Vec::new();
        for run in runs {
            let begun = Instant::now();
            let (again, finished) = take_look((generation, worker, look), inputs, run, with_maps, behind);
            further += if look > 0 { begun.elapsed() } else { Duration::ZERO };
            waiting.extend(again);
            for mut image in finished {
                if is_read(plan.words.as_ref(), &mut image, behind()) {
                    image.frames = Vec::new();
                    with_words.push(image);
                    continue;
                }
                generation.cache().put(image.hash, &image.outcome);
                done(image.index, image.outcome);
            }
        }
    }
    // Last, since it takes longest: those that are done have been answered.
    let reading = Instant::now();
    for mut image in with_words {
        let content = images.get(image.index).map(|photo| &photo.content[..]).unwrap_or_default();
        match words::look((generation, worker, behind), content, image.deadline) {
            Ok(Ok(words)) => image.outcome.words = Some(words),
            Ok(Err(why)) => image.outcome.words_left_out = Some(why),
            Err(fault) => image.outcome.faults.push(fault),
        }
        generation.cache().put(image.hash, &image.outcome);
        done(image.index, image.outcome);
    }
    further + reading.elapsed()
}

/// What is remembered of a photo, if it is still what it would get.
fn remembered(generation: &Generation, hash: ContentHash, behind: AskBehind<'_>) -> Option<ImageOutcome> {
    let (plan, known, load) = (generation.looks(), generation.cache().get(hash)?, behind().load);
    let words = |gate: &WordsGate| gate.stands(known.words_left_out, load);
    let stands = plan.images.stands(known.looks.left_out, load) && plan.words.as_ref().is_none_or(words);
    stands.then_some(known)
}

/// Has a batch take a look. Gives those that take the next one, and those that are done, or give way to others after all.
fn take_look(
    (generation, worker, look): (&Generation, usize, usize),
    inputs: &mut Inputs,
    mut batch: Vec<Prepared>,
    with_maps: bool,
    behind: AskBehind<'_>,
) -> (Vec<Prepared>, Vec<Prepared>) {
    let plan = generation.looks();
    // Decoding, or the look before, may have taken all the caller's time: no model time is spent after it.
    batch.retain(|image| !image.deadline.has_passed());
    let gives_way = |image: &mut Prepared| {
        let why = plan.images.gives_way(look, image, behind());
        why.into_iter().for_each(|why| image.leave_out(why));
        why.is_some()
    };
    let mut finished: Vec<Prepared> = batch.extract_if(.., gives_way).collect();
    if batch.is_empty() {
        return (Vec::new(), finished);
    }
    run_models((generation, worker, look), inputs, &mut batch, with_maps);
    let (again, sure) = plan.images.sift(look + 1, batch, &plan.categories, behind());
    finished.extend(sure);
    (again, finished)
}

/// Whether the words in `image` are to be read; it keeps why not, although they should be.
fn is_read(gate: Option<&WordsGate>, image: &mut Prepared, behind: Behind) -> bool {
    let admitted = gate.map_or(Ok(false), |gate| gate.admits(&image.outcome.labels, behind, image.deadline));
    admitted.unwrap_or_else(|why| {
        image.outcome.words_left_out = Some(why);
        false
    })
}

/// Decodes one image; without frames the outcome says why.
fn open(generation: &Generation, content: &[u8], deadline: Deadline) -> (ImageOutcome, Vec<RgbImage>) {
    let mut outcome = ImageOutcome::default();
    let start = Instant::now();
    let decoded = decode_while(content, generation.limits(), generation.decode_size(), &|| !deadline.has_passed());
    outcome.decode = start.elapsed();
    match decoded {
        Ok(decoded) => {
            let Decoded { format, width, height, ref frames, doubt } = decoded;
            let frames = frames.len();
            outcome.facts = ImageFacts { format, width, height, frames, ..ImageFacts::default() };
            outcome.doubt = doubt;
            (outcome, decoded.frames)
        }
        Err(fault) => {
            let ImageFault { status, message, format } = fault;
            outcome.facts = ImageFacts { status, message, format, ..ImageFacts::default() };
            (outcome, Vec::new())
        }
    }
}

/// Resizes, runs the models of a look over the whole batch, and puts together what all looks so far say.
fn run_models(
    (generation, worker, look): (&Generation, usize, usize),
    inputs: &mut Inputs,
    batch: &mut [Prepared],
    with_maps: bool,
) {
    let began = Instant::now();
    let rows = rows_of(batch);
    let frames = batch.iter().flat_map(|image| &image.frames);
    let tensors =
        inputs.fill(frames, generation.engine().image_specs(), |place| generation.looks().of_input(place) == look);
    let resized = share(began.elapsed(), batch.len());
    let start = Instant::now();
    let scores = match &tensors {
        Ok(tensors) => {
            let go_on = || batch.iter().any(|image| !image.deadline.has_passed());
            // Where the first look has shown the place, what a later one adds is not worth a run for each part of the picture.
            let maps = (with_maps && look == 0).then_some(&go_on as GoOn<'_>);
            generation.engine().score_images(worker, tensors, &rows, maps)
        }
        Err(fault) => {
            let failed = || ImageScores { faults: vec![fault.clone()], ..ImageScores::default() };
            batch.iter().map(|_| failed()).collect()
        }
    };
    for (image, ImageScores { labels, mut faults }) in batch.iter_mut().zip(scores) {
        image.outcome.faults.append(&mut faults);
        image.scores.resize_with(image.scores.len().max(labels.len()), || None);
        let given = image.scores.iter_mut().zip(labels).filter(|(_, score)| score.is_some());
        given.for_each(|(slot, score)| *slot = score);
        calibrate_labels(&mut image.outcome, &image.scores, generation.image_labels());
    }
    let inferred = share(start.elapsed(), batch.len());
    let pictures = u32::try_from(rows.last().map_or(1, |rows| rows.end)).unwrap_or(u32::MAX).max(1);
    generation.looks().images.took(look, began.elapsed() / pictures);
    for ImageOutcome { resize, inference, looks, .. } in batch.iter_mut().map(|image| &mut image.outcome) {
        *resize += resized;
        *inference += inferred;
        looks.later += if look > 0 { inferred } else { Duration::ZERO };
    }
}

/// The rows of the batch that are each image's frames.
fn rows_of(batch: &[Prepared]) -> Vec<Range<usize>> {
    let mut next = 0;
    let rows = batch.iter().map(|image| {
        let first = next;
        next += image.frames.len();
        first..next
    });
    rows.collect()
}

/// A label's say in a category.
struct Say<'a> {
    fed: &'a WeightedLabel,
    score: &'a LabelScore,
}

impl Say<'_> {
    fn calibrated(&self) -> Logit {
        let Calibration { slope, intercept } = self.fed.label.calibration;
        calibrate(self.score.logit, slope, intercept)
    }
}

/// What the models asked so far make of an image.
fn calibrate_labels(outcome: &mut ImageOutcome, scores: &[Option<LabelScore>], labels: &[WeightedLabel]) {
    let mut says: BTreeMap<Category, Vec<Say<'_>>> = BTreeMap::new();
    outcome.labels.clear();
    for (fed, score) in labels.iter().zip(scores) {
        let Some(score) = score else { continue };
        let say = Say { fed, score };
        match fed.label.category {
            Some(category) => says.entry(category).or_default().push(say),
            None => outcome.labels.push((fed.label.name.clone(), say.calibrated().probability())),
        }
    }
    for (category, says) in says {
        let scored: Vec<(Logit, f64)> = says.iter().map(|say| (say.calibrated(), say.fed.weight)).collect();
        if let Some(logit) = join(&scored) {
            outcome.logits.set(category, logit);
        }
        if let Some(explanation) = joined_map(&says) {
            outcome.explanations.set(category, explanation);
        }
    }
    outcome.looks.logits.push(outcome.logits.clone());
    (outcome.facts.status, outcome.facts.message) = if outcome.logits.is_empty() {
        (ImageStatus::NotRated, "no image model answered".into())
    } else {
        (ImageStatus::Ok, String::new())
    };
}

/// Where the evidence is: of one scorer its map as it is, of several the mean of their calibrated ones by weight, as far as they
/// are of the heaviest one's kind and cells.
#[expect(clippy::cast_possible_truncation, reason = "weights and thresholds for f32 cells")]
fn joined_map(says: &[Say<'_>]) -> Option<ImageExplanation> {
    let with_maps = || says.iter().filter_map(|say| Some((say.fed, say.score.map.as_ref()?)));
    let (heaviest, map) = with_maps().max_by(|a, b| a.0.weight.total_cmp(&b.0.weight))?;
    let Calibration { slope, intercept } = heaviest.label.calibration;
    let attribution = match map {
        ScoreMap::Cells(_) => Attribution::Exact,
        ScoreMap::Occlusion(_) => Attribution::Occlusion,
    };
    if with_maps().count() == 1 {
        return Some(match map {
            // A cell speaks for the category from a probability of one half on; a part, when the logit falls without it.
            ScoreMap::Cells(map) => image_explanation(map, (-intercept / slope) as f32, attribution),
            ScoreMap::Occlusion(map) => image_explanation(map, 0.0, attribution),
        });
    }
    let alike = |other: &ScoreMap| match (map, other) {
        (ScoreMap::Cells(map), ScoreMap::Cells(other)) | (ScoreMap::Occlusion(map), ScoreMap::Occlusion(other)) => {
            map.dim() == other.dim()
        }
        (ScoreMap::Cells(_), ScoreMap::Occlusion(_)) | (ScoreMap::Occlusion(_), ScoreMap::Cells(_)) => false,
    };
    let fitting = || with_maps().filter(|(_, other)| alike(other));
    let weights: f64 = fitting().map(|(fed, _)| fed.weight).sum();
    let mut joined = Array2::zeros(map.cells().dim());
    for (fed, map) in fitting() {
        let Calibration { slope, intercept } = fed.label.calibration;
        let share = fed.weight / weights;
        joined.scaled_add((share * slope) as f32, map.cells());
        // What a part takes with it is a difference, of which the intercept is no part.
        if attribution == Attribution::Exact {
            joined += (share * intercept) as f32;
        }
    }
    Some(image_explanation(&joined, 0.0, attribution))
}

/// One image's part of the time of a batch.
fn share(whole: Duration, images: usize) -> Duration {
    whole / u32::try_from(images.max(1)).unwrap_or(u32::MAX)
}
