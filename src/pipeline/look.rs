//! Images on a worker thread: hash, decode, resize, run the models, calibrate, explain.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use image::RgbImage;
use tokio::time::Instant;

use super::cache::ContentHash;
use super::generation::Generation;
use super::inputs::Inputs;
use super::outcome::{ImageOutcome, Outcome};
use crate::domain::{Category, ImageStatus};
use crate::model::folder::manifest::Label;
use crate::model::runtime::engine::ImageScores;
use crate::preprocess::image::decode_while;
use crate::schedule::Deadline;
use crate::score::calibrate::calibrate;
use crate::score::explain::image_explanation;

/// An image that waits for the models.
struct Prepared {
    /// Place in the batch.
    index: usize,
    hash: ContentHash,
    outcome: ImageOutcome,
    frames: Vec<RgbImage>,
    deadline: Deadline,
}

/// Looks at a batch of images. Those that the cache knows or that do not decode are done before the models run, and so
/// are those whose deadline passed meanwhile.
pub(super) fn look(
    generation: &Generation,
    worker: usize,
    inputs: &mut Inputs,
    images: &[(Bytes, Deadline)],
    with_maps: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(images.len());
    let mut waiting: Vec<Prepared> = Vec::with_capacity(images.len());
    for (index, (content, deadline)) in images.iter().enumerate() {
        let hash = ContentHash::of(content);
        let known = if with_maps { None } else { generation.cache().get(hash) };
        outcomes.push(known.map(Outcome::Image));
        if outcomes.last().is_some_and(Option::is_some) {
            continue;
        }
        let (outcome, frames) = open(generation, content, hash, *deadline);
        // Given up between frames, the picture says nothing of these bytes: it must not be remembered.
        if deadline.has_passed() {
            set(&mut outcomes, index, Outcome::Expired);
        } else if frames.is_empty() {
            generation.cache().put(hash, &outcome);
            set(&mut outcomes, index, Outcome::Image(outcome));
        } else {
            waiting.push(Prepared { index, hash, outcome, frames, deadline: *deadline });
        }
    }
    // Decoding may have taken all the caller's time: no model time is spent after it.
    waiting.retain(|image| {
        let late = image.deadline.has_passed();
        if late {
            set(&mut outcomes, image.index, Outcome::Expired);
        }
        !late
    });
    score(generation, worker, inputs, &mut waiting, with_maps);
    for Prepared { index, hash, outcome, .. } in waiting {
        generation.cache().put(hash, &outcome);
        set(&mut outcomes, index, Outcome::Image(outcome));
    }
    outcomes.into_iter().flatten().collect()
}

fn set(outcomes: &mut [Option<Outcome>], index: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(index) {
        *slot = Some(outcome);
    }
}

/// Decodes one image; without frames the outcome says why.
fn open(
    generation: &Generation,
    content: &[u8],
    hash: ContentHash,
    deadline: Deadline,
) -> (ImageOutcome, Vec<RgbImage>) {
    let mut outcome = ImageOutcome { sha256: hash.to_hex(), ..ImageOutcome::default() };
    let start = Instant::now();
    let decoded = decode_while(content, generation.limits(), generation.wanted(), &|| !deadline.has_passed());
    outcome.decode = start.elapsed();
    match decoded {
        Ok(decoded) => {
            outcome.format = decoded.format;
            outcome.frames = decoded.frames.len();
            outcome.doubt = decoded.doubt;
            (outcome.width, outcome.height) = (decoded.width, decoded.height);
            (outcome, decoded.frames)
        }
        Err(fault) => {
            (outcome.status, outcome.message, outcome.format) = (fault.status, fault.message, fault.format);
            (outcome, Vec::new())
        }
    }
}

/// Resizes, runs the models over the whole batch, calibrates.
fn score(generation: &Generation, worker: usize, inputs: &mut Inputs, batch: &mut [Prepared], with_maps: bool) {
    if batch.is_empty() {
        return;
    }
    let start = Instant::now();
    let rows = rows_of(batch);
    let frames = batch.iter().flat_map(|image| &image.frames);
    let tensors = inputs.fill(frames, generation.engine().image_specs());
    let resized = share(start.elapsed(), batch.len());
    let start = Instant::now();
    let scores = match &tensors {
        Ok(tensors) => generation.engine().score_images(worker, tensors, &rows, with_maps),
        Err(fault) => {
            let failed = || ImageScores { faults: vec![fault.clone()], ..ImageScores::default() };
            batch.iter().map(|_| failed()).collect()
        }
    };
    for (image, scores) in batch.iter_mut().zip(scores) {
        conclude(&mut image.outcome, scores, generation.image_labels());
    }
    let inferred = share(start.elapsed(), batch.len());
    for image in batch {
        (image.outcome.resize, image.outcome.inference) = (resized, inferred);
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

fn conclude(outcome: &mut ImageOutcome, scores: ImageScores, labels: &[Label]) {
    outcome.faults = scores.faults;
    for (label, category) in feeding(labels) {
        let c = label.calibration;
        if let Some(&logit) = scores.logits.get(category) {
            outcome.logits.set(category, calibrate(logit, c.slope, c.intercept));
        }
        if let Some(map) = scores.maps.get(category) {
            #[expect(clippy::cast_possible_truncation, reason = "a threshold for f32 cells")]
            let baseline = (-c.intercept / c.slope) as f32;
            outcome.explanations.set(category, image_explanation(map, baseline));
        }
    }
    for (name, logit) in scores.informing {
        if let Some(Label { calibration: c, .. }) =
            labels.iter().find(|label| label.category.is_none() && label.name == name)
        {
            outcome.labels.push((name, calibrate(logit, c.slope, c.intercept).probability()));
        }
    }
    if outcome.logits.is_empty() {
        outcome.status = ImageStatus::NotRated;
        outcome.message = "no image model answered".into();
    }
}

fn feeding(labels: &[Label]) -> impl Iterator<Item = (&Label, Category)> {
    labels.iter().filter_map(|label| Some((label, label.category?)))
}

/// One image's part of the time of a batch.
fn share(whole: Duration, images: usize) -> Duration {
    whole / u32::try_from(images.max(1)).unwrap_or(u32::MAX)
}
