//! Texts on a worker thread: normalise, cut, hash, run the model, calibrate, explain.

use std::ops::Range;

use ndarray::{Array2, Axis};
use tokio::time::Instant;

use super::generation::Generation;
use super::job::{Outcome, TextOutcome};
use crate::domain::{Logit, PerCategory, TokenContribution};
use crate::error::{Error, Result};
use crate::model::engine::TextScores;
use crate::preprocess::text::{Found, Window, language, look_up};
use crate::schedule::Deadline;
use crate::score::calibrate::calibrate;
use crate::score::explain::token_contributions;

/// A text that waits for the model: its place in the batch, what is known of it, and its windows.
struct Prepared {
    index: usize,
    outcome: TextOutcome,
    windows: Vec<Window>,
}

/// Reads a batch of texts; their windows share one run of the model.
pub(super) fn read(
    generation: &Generation,
    worker: usize,
    texts: &[(String, Deadline)],
    with_tokens: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(texts.len());
    let mut waiting: Vec<Prepared> = Vec::with_capacity(texts.len());
    for (index, (text, deadline)) in texts.iter().enumerate() {
        let (outcome, windows) = prepare(generation, text);
        let late = deadline.has_passed();
        if late || windows.is_empty() {
            outcomes.push(Some(if late { Outcome::Expired } else { Outcome::Text(outcome) }));
        } else {
            outcomes.push(None);
            waiting.push(Prepared { index, outcome, windows });
        }
    }
    score(generation, worker, &mut waiting, with_tokens);
    for Prepared { index, outcome, .. } in waiting {
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = Some(Outcome::Text(outcome));
        }
    }
    outcomes.into_iter().flatten().collect()
}

/// Language, lexicon terms and windows of one text. Without a text classifier there are no windows; the lexicon is read all the same.
fn prepare(generation: &Generation, text: &str) -> (TextOutcome, Vec<Window>) {
    let start = Instant::now();
    let mut outcome = TextOutcome {
        language: language(text),
        found: Found::default(),
        logits: PerCategory::default(),
        tokens: PerCategory::default(),
        fault: None,
        features: std::time::Duration::ZERO,
        inference: std::time::Duration::ZERO,
    };
    let mut windows = Vec::new();
    if let Some(processor) = generation.text() {
        let prepared = processor.prepare(text, generation.lexicon());
        (outcome.language, outcome.found, windows) = (prepared.language, prepared.found, prepared.windows);
    } else {
        outcome.found = look_up(text, generation.lexicon());
    }
    outcome.features = start.elapsed();
    (outcome, windows)
}

fn score(generation: &Generation, worker: usize, batch: &mut [Prepared], with_tokens: bool) {
    let Ok(texts) = u32::try_from(batch.len()) else { return };
    if texts == 0 {
        return;
    }
    let start = Instant::now();
    let (ids, values) = pack(batch.iter().flat_map(|text| &text.windows));
    let scores = generation.engine().score_text(worker, &ids, &values, with_tokens);
    let mut next = 0;
    for Prepared { outcome, windows, .. } in batch.iter_mut() {
        let rows = next..next + windows.len();
        next = rows.end;
        match &scores {
            Ok(scores) => conclude(generation, scores, rows, windows, outcome),
            Err(fault) => outcome.fault = Some(fault.clone()),
        }
    }
    let share = start.elapsed() / texts;
    for text in batch {
        text.outcome.inference = share;
    }
}

/// Keeps the strongest window's logit of each category, and that window's tokens when there are contributions.
fn conclude(
    generation: &Generation,
    scores: &TextScores,
    rows: Range<usize>,
    windows: &[Window],
    outcome: &mut TextOutcome,
) {
    for (column, label) in generation.text_labels().iter().enumerate() {
        let Some(category) = label.category else { continue };
        let logits = rows.clone().zip(windows).filter_map(|(row, window)| {
            let logit = scores.logits.get((row, column)).copied()?;
            Some((row, window, logit))
        });
        let Some((row, window, logit)) = logits.max_by(|a, b| a.2.total_cmp(&b.2)) else { continue };
        let c = label.calibration;
        outcome.logits.set(category, calibrate(Logit(f64::from(logit)), c.slope, c.intercept));
        let Some(contributions) = &scores.contributions else { continue };
        let of_feature = |feature| contributions.get((row, feature, column)).copied().map_or(0.0, f64::from);
        let features: Vec<(Range<usize>, f64)> =
            window.covers.iter().cloned().enumerate().map(|(f, covered)| (covered, of_feature(f))).collect();
        let bias = f64::from(logit) - features.iter().map(|(_, contribution)| contribution).sum::<f64>();
        let shares = token_contributions(window.tokens.len(), features);
        let tokens = window.tokens.iter().zip(shares).map(|(token, contribution)| TokenContribution {
            span: token.span.clone(),
            token: token.text.clone(),
            contribution,
        });
        outcome.tokens.set(category, (tokens.collect(), bias));
    }
}

/// The logits of one text's first window, in the order of the labels.
///
/// # Errors
/// [`Error::Model`] when there is no text classifier or it fails.
pub(super) fn first_window_logits(generation: &Generation, worker: usize, text: &str) -> Result<Vec<f32>> {
    let missing = || Error::model("text_classifier", "is not loaded");
    let windows = generation.text().ok_or_else(missing)?.featurize(text);
    let (ids, values) = pack(windows.first().into_iter());
    let scores = generation.engine().score_text(worker, &ids, &values, false)?;
    Ok(scores.logits.index_axis(Axis(0), 0).to_vec())
}

/// Windows as one rectangle, padded with value 0: `ids i64 [windows, features]`, `values f32` of the same shape.
fn pack<'a>(windows: impl Iterator<Item = &'a Window> + Clone) -> (Array2<i64>, Array2<f32>) {
    let longest = windows.clone().map(|window| window.ids.len()).max().unwrap_or_default();
    let count = windows.clone().count();
    let mut ids = Array2::zeros((count, longest));
    let mut values = Array2::zeros((count, longest));
    for ((window, mut ids), mut values) in windows.zip(ids.rows_mut()).zip(values.rows_mut()) {
        for ((&id, to_id), to_value) in window.ids.iter().zip(&mut ids).zip(&mut values) {
            (*to_id, *to_value) = (i64::from(id), window.value);
        }
    }
    (ids, values)
}
