//! Texts on a worker thread: normalise, cut, hash, run the model, calibrate, explain.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};
use tokio::time::Instant;

use super::generation::Generation;
use super::job::{Outcome, TextOutcome};
use crate::domain::{Category, Logit, PerCategory, TokenContribution};
use crate::error::{Error, Result};
use crate::preprocess::text::{Found, PRESENT, Passages, language, look_up};
use crate::schedule::Deadline;
use crate::score::calibrate::calibrate;
use crate::score::explain::token_contributions;

/// A text that waits for the model: its place in the batch, what is known of it, and its passages.
struct Prepared {
    index: usize,
    outcome: TextOutcome,
    passages: Passages,
}

/// Reads a batch of texts; their windows share the runs of the model.
pub(super) fn read(
    generation: &Generation,
    worker: usize,
    texts: &[(String, Deadline)],
    with_tokens: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(texts.len());
    let mut waiting: Vec<Prepared> = Vec::with_capacity(texts.len());
    for (index, (text, deadline)) in texts.iter().enumerate() {
        let (outcome, passages) = prepare(generation, text);
        let late = deadline.has_passed();
        if late || passages.windows.is_empty() {
            outcomes.push(Some(if late { Outcome::Expired } else { Outcome::Text(outcome) }));
        } else {
            outcomes.push(None);
            waiting.push(Prepared { index, outcome, passages });
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

/// Language, lexicon terms and passages of one text. Without a text classifier there are none; the lexicon is read all the same.
fn prepare(generation: &Generation, text: &str) -> (TextOutcome, Passages) {
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
    let mut passages = Passages::default();
    if let Some(processor) = generation.text() {
        let prepared = processor.prepare(text, generation.lexicon());
        (outcome.language, outcome.found, passages) = (prepared.language, prepared.found, prepared.passages);
    } else {
        outcome.found = look_up(text, generation.lexicon());
    }
    outcome.features = start.elapsed();
    (outcome, passages)
}

fn score(generation: &Generation, worker: usize, batch: &mut [Prepared], with_tokens: bool) {
    let Ok(texts) = u32::try_from(batch.len()) else { return };
    if texts == 0 {
        return;
    }
    let start = Instant::now();
    let windows: Vec<Row<'_>> =
        batch.iter().flat_map(|text| text.passages.windows.iter().map(|window| (&text.passages, window))).collect();
    let logits = window_logits(generation, worker, &windows);
    let mut next = 0;
    for Prepared { outcome, passages, .. } in batch.iter_mut() {
        let rows = next..next + passages.windows.len();
        next = rows.end;
        let concluded = logits.as_ref().map_err(Clone::clone).and_then(|logits| {
            let mut best = keep_strongest(generation, logits.slice_axis(Axis(0), rows.into()), outcome);
            best.retain(|best| with_tokens || is_evidence(generation, outcome, best.category));
            explain(generation, worker, passages, &best, outcome)
        });
        outcome.fault = concluded.err();
    }
    let share = start.elapsed() / texts;
    for text in batch {
        text.outcome.inference = share;
    }
}

/// A window to score, and the text it is of.
type Row<'a> = (&'a Passages, &'a Range<usize>);

/// Most cells of ids that one run of the model is given, so that its tensors stay in the processor's cache whatever the text.
const RUN_CELLS: usize = 1 << 14;

/// `[windows, labels]`, before calibration. Windows of like size share a run: shorter ones are padded to the longest.
fn window_logits(generation: &Generation, worker: usize, windows: &[Row<'_>]) -> Result<Array2<f32>> {
    let mut by_size: Vec<(usize, usize)> =
        windows.iter().map(|(passages, window)| passages.features(window).count()).zip(0..).collect();
    by_size.sort_unstable();
    let mut logits = Array2::zeros((windows.len(), generation.text_labels().len()));
    let mut rest = by_size.as_slice();
    while !rest.is_empty() {
        // Sizes rise, so each row taken tells how wide the run would be.
        let fits = |&(rows, &(size, _)): &(usize, &(usize, usize))| rows == 0 || (rows + 1) * size <= RUN_CELLS;
        let count = rest.iter().enumerate().take_while(fits).count();
        let (run, later) = rest.split_at(count);
        rest = later;
        let rows: Vec<Row<'_>> = run.iter().filter_map(|&(_, index)| windows.get(index).copied()).collect();
        let (ids, values) = pack(&rows);
        let scores = generation.engine().score_text(worker, &ids, &values, false)?;
        for (&(_, index), scored) in run.iter().zip(scores.logits.rows()) {
            logits.row_mut(index).assign(&scored);
        }
    }
    Ok(logits)
}

/// The window that speaks loudest for a category.
struct Strongest {
    category: Category,
    column: usize,
    window: usize,
}

/// Keeps the strongest window's logit of each category, calibrated.
fn keep_strongest(generation: &Generation, logits: ArrayView2<'_, f32>, outcome: &mut TextOutcome) -> Vec<Strongest> {
    let mut best = Vec::new();
    for (column, label) in generation.text_labels().iter().enumerate() {
        let Some(category) = label.category else { continue };
        let scored = logits.column(column).into_iter().copied().enumerate();
        let Some((window, logit)) = scored.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let c = label.calibration;
        outcome.logits.set(category, calibrate(Logit(f64::from(logit)), c.slope, c.intercept));
        best.push(Strongest { category, column, window });
    }
    best
}

/// Whether the text alone is evidence by the policy: then a reason names its words.
fn is_evidence(generation: &Generation, outcome: &TextOutcome, category: Category) -> bool {
    outcome.logits.get(category).is_some_and(|logit| logit.probability() >= generation.policy().evidence)
}

/// Says which tokens of the strongest windows weigh how much.
///
/// # Errors
/// [`Error::Model`] when the model fails.
fn explain(
    generation: &Generation,
    worker: usize,
    passages: &Passages,
    best: &[Strongest],
    outcome: &mut TextOutcome,
) -> Result<()> {
    if best.is_empty() {
        return Ok(());
    }
    let windows: Vec<Row<'_>> =
        best.iter().filter_map(|best| Some((passages, passages.windows.get(best.window)?))).collect();
    let (ids, values) = pack(&windows);
    let scores = generation.engine().score_text(worker, &ids, &values, true)?;
    let Some(contributions) = &scores.contributions else { return Ok(()) };
    for (row, (best, (_, window))) in best.iter().zip(&windows).enumerate() {
        let of_feature = |feature| contributions.get((row, feature, best.column)).copied().map_or(0.0, f64::from);
        let features: Vec<(Range<usize>, f64)> = passages
            .features(window)
            .enumerate()
            .map(|(f, feature)| (feature.covers.start - window.start..feature.covers.end - window.start, of_feature(f)))
            .collect();
        let logit = scores.logits.get((row, best.column)).copied().map_or(0.0, f64::from);
        let bias = logit - features.iter().map(|(_, contribution)| contribution).sum::<f64>();
        let shares = token_contributions(window.len(), features);
        let tokens = passages.tokens(window).iter().zip(shares).map(|(token, contribution)| TokenContribution {
            span: token.span.clone(),
            token: token.text.clone(),
            contribution,
        });
        outcome.tokens.set(best.category, (tokens.collect(), bias));
    }
    Ok(())
}

/// The logits of one text's first window, in the order of the labels.
///
/// # Errors
/// [`Error::Model`] when there is no text classifier or it fails, [`Error::Invalid`] when the text has no window.
pub(super) fn first_window_logits(generation: &Generation, worker: usize, text: &str) -> Result<Vec<f32>> {
    let missing = || Error::model("text_classifier", "is not loaded");
    let passages = generation.text().ok_or_else(missing)?.featurize(text);
    let first = passages.windows.first().ok_or_else(|| Error::invalid("text", "has no words"))?;
    let (ids, values) = pack(&[(&passages, first)]);
    let scores = generation.engine().score_text(worker, &ids, &values, false)?;
    Ok(scores.logits.index_axis(Axis(0), 0).to_vec())
}

/// Windows as one rectangle, padded with value 0: `ids i64 [windows, features]`, `values f32` of the same shape.
fn pack(windows: &[Row<'_>]) -> (Array2<i64>, Array2<f32>) {
    let sizes = windows.iter().map(|(passages, window)| passages.features(window).count());
    let longest = sizes.max().unwrap_or_default();
    let mut ids = Array2::zeros((windows.len(), longest));
    let mut values = Array2::zeros((windows.len(), longest));
    let rows = ids.rows_mut().into_iter().zip(values.rows_mut()).zip(windows);
    for ((mut ids, mut values), (passages, window)) in rows {
        for ((feature, to_id), to_value) in passages.features(window).zip(&mut ids).zip(&mut values) {
            (*to_id, *to_value) = (i64::from(feature.id), PRESENT);
        }
    }
    (ids, values)
}
