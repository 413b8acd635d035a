//! Texts on a worker thread: normalise, cut, hash, run the model, calibrate, explain.

use std::ops::Range;

use ndarray::{Array2, Axis, s};
use tokio::time::Instant;

use super::generation::Generation;
use super::outcome::{Outcome, TextOutcome};
use crate::domain::{Logit, PerCategory, TextField, TokenContribution};
use crate::error::{Error, Result};
use crate::model::runtime::engine::TextScores;
use crate::preprocess::text::{Feature, Found, PRESENT, Passages, language, look_up};
use crate::schedule::Deadline;
use crate::score::calibrate::calibrate;
use crate::score::explain::token_contributions;

/// A text that waits for the model: its place in the batch, what is known of it, and its passages.
struct Prepared {
    index: usize,
    outcome: TextOutcome,
    passages: Passages,
}

/// Reads a batch of texts; their strongest windows share one run of the model.
pub(super) fn read(
    generation: &Generation,
    worker: usize,
    texts: &[(TextField, String, Deadline)],
    with_tokens: bool,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(texts.len());
    let mut waiting: Vec<Prepared> = Vec::with_capacity(texts.len());
    for (index, (field, text, deadline)) in texts.iter().enumerate() {
        let (outcome, passages) = prepare(generation, *field, text);
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
fn prepare(generation: &Generation, field: TextField, text: &str) -> (TextOutcome, Passages) {
    let start = Instant::now();
    let mut outcome = TextOutcome {
        field,
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
    let passages: Vec<&Passages> = batch.iter().map(|text| &text.passages).collect();
    let scored = strongest_windows(generation, worker, &passages).and_then(|strongest| {
        let rows: Vec<Row<'_>> =
            strongest.iter().filter_map(|best| Some((*passages.get(best.text)?, &best.window))).collect();
        let (ids, values) = pack(&rows);
        let scores = generation.engine().score_text(worker, &ids, &values, true)?;
        Ok((strongest, scores))
    });
    match scored {
        Ok((strongest, scores)) => {
            for (row, best) in strongest.iter().enumerate() {
                if let Some(prepared) = batch.get_mut(best.text) {
                    conclude(generation, (&scores, row), best, prepared, with_tokens);
                }
            }
        }
        Err(fault) => batch.iter_mut().for_each(|text| text.outcome.fault = Some(fault.clone())),
    }
    let share = start.elapsed() / texts;
    for text in batch {
        text.outcome.inference = share;
    }
}

/// A window to score, and the text it is of.
type Row<'a> = (&'a Passages, &'a Range<usize>);

/// The window of a text that speaks loudest for a category.
struct Strongest {
    text: usize,
    column: usize,
    window: Range<usize>,
}

/// Most cells of ids that one run of the model is given, unless one text has more: its tensors stay in the processor's cache.
const RUN_CELLS: usize = 1 << 14;

/// How many of `sizes` fit into a run, padded to the longest; at least one.
fn fitting(sizes: &[usize]) -> usize {
    let mut longest = 0;
    let fits = sizes.iter().enumerate().take_while(|&(before, &size)| {
        longest = longest.max(size);
        before == 0 || (before + 1) * longest <= RUN_CELLS
    });
    fits.count()
}

/// Of each text and category the window whose features add most. All features of a text are scored in one row: what each adds
/// depends on no other, so a window's sum needs no run of its own, and a text of a thousand passages costs hardly more than one.
/// The model itself has the last word on the windows found.
///
/// # Errors
/// [`Error::Model`] when the model fails or gives no contributions.
fn strongest_windows(generation: &Generation, worker: usize, texts: &[&Passages]) -> Result<Vec<Strongest>> {
    let labels = generation.text_labels().iter().enumerate();
    let columns: Vec<usize> = labels.filter(|(_, label)| label.category.is_some()).map(|(column, _)| column).collect();
    let wholes: Vec<Range<usize>> = texts.iter().map(|passages| 0..passages.tokens.len()).collect();
    let rows: Vec<Row<'_>> = texts.iter().copied().zip(&wholes).collect();
    let sizes: Vec<usize> = rows.iter().map(|(passages, whole)| passages.features(whole).count()).collect();
    let mut strongest = Vec::with_capacity(texts.len() * columns.len());
    let mut start = 0;
    while start < rows.len() {
        let end = start + fitting(sizes.get(start..).unwrap_or_default());
        let run = rows.get(start..end).unwrap_or_default();
        let (ids, values) = pack(run);
        let scores = generation.engine().score_text(worker, &ids, &values, true)?;
        let added = scores.contributions.ok_or_else(|| Error::model("text_classifier", "gave no contributions"))?;
        for (row, (passages, _)) in run.iter().enumerate() {
            for &column in &columns {
                let added: Vec<f32> = added.slice(s![row, .., column]).to_vec();
                let sum = |window: &Range<usize>| -> f32 {
                    passages.places(window).filter_map(|place| added.get(place)).sum()
                };
                let sums = passages.windows.iter().map(|window| (sum(window), window));
                if let Some((_, window)) = sums.max_by(|a, b| a.0.total_cmp(&b.0)) {
                    strongest.push(Strongest { text: start + row, column, window: window.clone() });
                }
            }
        }
        start = end;
    }
    Ok(strongest)
}

/// Keeps the logit of a text's strongest window for a category, calibrated, and which of its tokens weigh how much when asked, or
/// when the text alone is evidence by the policy: then a reason names its words.
fn conclude(
    generation: &Generation,
    (scores, row): (&TextScores, usize),
    best: &Strongest,
    prepared: &mut Prepared,
    with_tokens: bool,
) {
    let &Strongest { column, ref window, .. } = best;
    let Some(label) = generation.text_labels().get(column) else { return };
    let (Some(category), Some(&logit)) = (label.category, scores.logits.get((row, column))) else { return };
    let Prepared { outcome, passages, .. } = prepared;
    let calibrated = calibrate(Logit(f64::from(logit)), label.calibration.slope, label.calibration.intercept);
    outcome.logits.set(category, calibrated);
    let Some(contributions) = &scores.contributions else { return };
    if !with_tokens && calibrated.probability() < generation.policy().evidence {
        return;
    }
    let of_feature = |feature| contributions.get((row, feature, column)).copied().map_or(0.0, f64::from);
    let covered = |feature: &Feature| feature.covers.start - window.start..feature.covers.end - window.start;
    let features: Vec<(Range<usize>, f64)> =
        passages.features(window).enumerate().map(|(f, feature)| (covered(feature), of_feature(f))).collect();
    let bias = f64::from(logit) - features.iter().map(|(_, contribution)| contribution).sum::<f64>();
    let shares = token_contributions(window.len(), features);
    let tokens = passages.tokens(window).iter().zip(shares).map(|(token, contribution)| TokenContribution {
        span: token.span.clone(),
        token: token.text.clone(),
        contribution,
    });
    outcome.tokens.set(category, (tokens.collect(), bias));
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
