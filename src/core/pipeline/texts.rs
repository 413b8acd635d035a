//! Texts on a worker thread: normalise, cut, hash, run the model, calibrate, explain.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Axis, s};
use tokio::time::Instant;

use super::generation::{Generation, TextScorer, WeightedLabel};
use super::outcome::TextOutcome;
use crate::domain::{Category, Logit, PerCategory, TextField, TokenContribution};
use crate::error::{Error, Result};
use crate::model::folder::manifest::Calibration;
use crate::model::runtime::engine::{TextScores, score_text};
use crate::model::runtime::loaded::LoadedModel;
use crate::preprocess::text::{Feature, Found, PRESENT, Passages, language, look_up};
use crate::schedule::Deadline;
use crate::score::calibrate::calibrate;
use crate::score::explain::token_contributions;
use crate::score::fuse::join;

/// A text that waits for the models: its place in the batch, what is known of it, and its passages as each reader wants them.
struct Prepared {
    index: usize,
    outcome: TextOutcome,
    passages: Vec<Passages>,
}

/// Scores a batch of texts: an outcome for each, in their order; `None`: its deadline passed. Of each model their strongest windows
/// share one run.
pub(super) fn score(
    generation: &Generation,
    worker: usize,
    texts: &[(TextField, String, Deadline)],
    with_tokens: bool,
) -> Vec<Option<TextOutcome>> {
    let mut outcomes: Vec<Option<TextOutcome>> = Vec::with_capacity(texts.len());
    let mut waiting: Vec<Prepared> = Vec::with_capacity(texts.len());
    for (index, (field, text, deadline)) in texts.iter().enumerate() {
        let (outcome, passages) = prepare(generation, *field, text);
        if deadline.has_passed() {
            outcomes.push(None);
        } else if passages.iter().all(|passages| passages.windows.is_empty()) {
            outcomes.push(Some(outcome));
        } else {
            outcomes.push(None);
            waiting.push(Prepared { index, outcome, passages });
        }
    }
    run_models(generation, worker, &mut waiting, with_tokens);
    for Prepared { index, outcome, .. } in waiting {
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }
    outcomes
}

/// Language, lexicon terms and passages of one text. Without a scorer of texts there are none; the lexicon is read all the same.
fn prepare(generation: &Generation, field: TextField, text: &str) -> (TextOutcome, Vec<Passages>) {
    let start = Instant::now();
    let mut outcome = TextOutcome {
        field,
        language: language(text),
        found: Found::default(),
        logits: PerCategory::default(),
        tokens: PerCategory::default(),
        faults: Vec::new(),
        features: std::time::Duration::ZERO,
        inference: std::time::Duration::ZERO,
    };
    let mut passages = Vec::with_capacity(generation.text_scorers().len());
    if let Some((first, others)) = generation.text_scorers().split_first() {
        let prepared = first.processor.prepare(text, generation.lexicon());
        (outcome.language, outcome.found) = (prepared.language, prepared.found);
        passages.push(prepared.passages);
        passages.extend(others.iter().map(|reader| reader.processor.featurize(text)));
    } else {
        outcome.found = look_up(text, generation.lexicon());
    }
    outcome.features = start.elapsed();
    (outcome, passages)
}

/// What a reader makes of a batch: a row of scores for each window.
struct Reading {
    strongest: Vec<Strongest>,
    scores: TextScores,
}

/// A reader's word on one category of one text: a row of its reading.
struct Say<'a> {
    place: usize,
    reader: &'a TextScorer,
    reading: &'a Reading,
    row: usize,
}

fn run_models(generation: &Generation, worker: usize, batch: &mut [Prepared], with_tokens: bool) {
    let Ok(texts) = u32::try_from(batch.len()) else { return };
    if texts == 0 {
        return;
    }
    let start = Instant::now();
    let readings: Vec<Result<Option<Reading>>> = generation
        .text_scorers()
        .iter()
        .enumerate()
        .map(|(place, reader)| read_all(reader, worker, place, batch))
        .collect();
    let mut says: Vec<BTreeMap<Category, Vec<Say<'_>>>> = batch.iter().map(|_| BTreeMap::new()).collect();
    for (place, (reader, reading)) in generation.text_scorers().iter().zip(&readings).enumerate() {
        let reading = match reading {
            Ok(Some(reading)) => reading,
            Ok(None) => continue,
            Err(fault) => {
                batch.iter_mut().for_each(|text| text.outcome.faults.push(fault.clone()));
                continue;
            }
        };
        for (row, best) in reading.strongest.iter().enumerate() {
            let category = reader.labels.get(best.column).and_then(|fed| fed.label.category);
            if let (Some(category), Some(of_text)) = (category, says.get_mut(best.text)) {
                of_text.entry(category).or_default().push(Say { place, reader, reading, row });
            }
        }
    }
    for (prepared, says) in batch.iter_mut().zip(&says) {
        for (category, says) in says {
            join_says(generation, *category, says, prepared, with_tokens);
        }
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

/// Reads the texts of a batch that have a passage for the reader at `place`; `None`: there are none.
///
/// # Errors
/// See [`strongest_windows`].
fn read_all(reader: &TextScorer, worker: usize, place: usize, batch: &[Prepared]) -> Result<Option<Reading>> {
    let of_reader = batch.iter().map(|prepared| prepared.passages.get(place)).enumerate();
    let passages = of_reader.filter_map(|(text, passages)| Some((text, passages?)));
    let passages: Vec<(usize, &Passages)> = passages.filter(|(_, passages)| !passages.windows.is_empty()).collect();
    if passages.is_empty() {
        return Ok(None);
    }
    let strongest = strongest_windows(reader, worker, &passages)?;
    let of_text = |text: usize| passages.iter().find(|(index, _)| *index == text).map(|(_, passages)| *passages);
    let rows: Vec<Row<'_>> = strongest.iter().filter_map(|best| Some((of_text(best.text)?, &best.window))).collect();
    let (ids, values) = pack(&rows);
    let scores = score_text(&reader.model, worker, &ids, &values, true)?;
    Ok(Some(Reading { strongest, scores }))
}

/// Of each text and category the window whose features add most. All features of a text are scored in one row: what each adds
/// depends on no other, so a window's sum needs no run of its own, and a text of a thousand passages costs hardly more than one.
/// The model itself has the last word on the windows found.
///
/// # Errors
/// [`Error::Model`] when the model fails or gives no contributions.
fn strongest_windows(reader: &TextScorer, worker: usize, texts: &[(usize, &Passages)]) -> Result<Vec<Strongest>> {
    let labels = reader.labels.iter().enumerate();
    let columns: Vec<usize> =
        labels.filter(|(_, fed)| fed.label.category.is_some()).map(|(column, _)| column).collect();
    let wholes: Vec<Range<usize>> = texts.iter().map(|(_, passages)| 0..passages.tokens.len()).collect();
    let rows: Vec<Row<'_>> = texts.iter().map(|(_, passages)| *passages).zip(&wholes).collect();
    let sizes: Vec<usize> = rows.iter().map(|(passages, whole)| passages.features(whole).count()).collect();
    let mut strongest = Vec::with_capacity(texts.len() * columns.len());
    let mut start = 0;
    while start < rows.len() {
        let end = start + fitting(sizes.get(start..).unwrap_or_default());
        let run = rows.get(start..end).unwrap_or_default();
        let (ids, values) = pack(run);
        let scores = score_text(&reader.model, worker, &ids, &values, true)?;
        let none = || Error::model(reader.model.name(), "gave no contributions");
        let added = scores.contributions.ok_or_else(none)?;
        for (row, ((text, passages), _)) in texts.get(start..end).unwrap_or_default().iter().zip(run).enumerate() {
            for &column in &columns {
                let added: Vec<f32> = added.slice(s![row, .., column]).to_vec();
                let sum = |window: &Range<usize>| -> f32 {
                    passages.places(window).filter_map(|place| added.get(place)).sum()
                };
                let sums = passages.windows.iter().map(|window| (sum(window), window));
                if let Some((_, window)) = sums.max_by(|a, b| a.0.total_cmp(&b.0)) {
                    strongest.push(Strongest { text: *text, column, window: window.clone() });
                }
            }
        }
        start = end;
    }
    Ok(strongest)
}

/// Keeps a text's logit for a category, of each reader's strongest window, calibrated and joined, less the policy's caution; and
/// which of their tokens weigh how much when asked, or when the text alone is evidence by the policy: then a reason names its words.
fn join_says(
    generation: &Generation,
    category: Category,
    says: &[Say<'_>],
    prepared: &mut Prepared,
    with_tokens: bool,
) {
    let scored: Vec<(Logit, f64)> = says.iter().filter_map(|say| Some((say.calibrated()?, say.weight()))).collect();
    let policy = generation.policy();
    let Some(logit) = join(&scored).map(|joined| Logit(joined.0 - policy.text_caution)) else { return };
    let Prepared { outcome, passages, .. } = prepared;
    outcome.logits.set(category, logit);
    if !with_tokens && logit.probability() < policy.evidence {
        return;
    }
    let told = says.iter().filter_map(|say| Some((say, say.tokens(passages.get(say.place)?)?)));
    let told: Vec<(&Say<'_>, (Vec<TokenContribution>, f64))> = told.collect();
    if let Some(tokens) = joined_tokens(told, policy.text_caution) {
        outcome.tokens.set(category, tokens);
    }
}

impl Say<'_> {
    fn label(&self) -> Option<&WeightedLabel> {
        self.reader.labels.get(self.reading.strongest.get(self.row)?.column)
    }

    fn weight(&self) -> f64 {
        self.label().map_or(1.0, |fed| fed.weight)
    }

    fn logit(&self) -> Option<f64> {
        let best = self.reading.strongest.get(self.row)?;
        self.reading.scores.logits.get((self.row, best.column)).copied().map(f64::from)
    }

    fn calibrated(&self) -> Option<Logit> {
        let Calibration { slope, intercept } = self.label()?.label.calibration;
        Some(calibrate(Logit(self.logit()?), slope, intercept))
    }

    /// What each token of the window added to the logit, and the bias; `None` when the model gives no contributions.
    fn tokens(&self, passages: &Passages) -> Option<(Vec<TokenContribution>, f64)> {
        let Strongest { column, window, .. } = self.reading.strongest.get(self.row)?;
        let contributions = self.reading.scores.contributions.as_ref()?;
        let of_feature = |feature| contributions.get((self.row, feature, *column)).copied().map_or(0.0, f64::from);
        let covered = |feature: &Feature| feature.covers.start - window.start..feature.covers.end - window.start;
        let features: Vec<(Range<usize>, f64)> =
            passages.features(window).enumerate().map(|(f, feature)| (covered(feature), of_feature(f))).collect();
        let bias = self.logit()? - features.iter().map(|(_, contribution)| contribution).sum::<f64>();
        let shares = token_contributions(window.len(), features);
        let tokens = passages.tokens(window).iter().zip(shares).map(|(token, contribution)| TokenContribution {
            span: token.span.clone(),
            token: token.text.clone(),
            contribution,
        });
        Some((tokens.collect(), bias))
    }
}

/// Of one reader what it gave. Of several what each token added to the joined, calibrated logit, less `caution`; tokens that both
/// cut are one.
fn joined_tokens(
    mut told: Vec<(&Say<'_>, (Vec<TokenContribution>, f64))>,
    caution: f64,
) -> Option<(Vec<TokenContribution>, f64)> {
    if told.len() < 2 {
        return told.pop().map(|(_, tokens)| tokens);
    }
    let weights: f64 = told.iter().map(|(say, _)| say.weight()).sum();
    let mut joined: BTreeMap<(usize, usize), TokenContribution> = BTreeMap::new();
    let mut bias = -caution;
    for (say, (tokens, own_bias)) in told {
        let Calibration { slope, intercept } = say.label()?.label.calibration;
        let share = say.weight() / weights;
        bias += share * (slope * own_bias + intercept);
        for token in tokens {
            let added = share * slope * token.contribution;
            let place = (token.span.bytes.start, token.span.bytes.end);
            let known = joined.entry(place).or_insert(TokenContribution { contribution: 0.0, ..token });
            known.contribution += added;
        }
    }
    Some((joined.into_values().collect(), bias))
}

/// The logits of one text's first window by `model`, in the order of its labels.
///
/// # Errors
/// [`Error::Model`] when it is no scorer of texts or fails, [`Error::Invalid`] when the text has no window.
pub(super) fn first_window_logits(
    generation: &Generation,
    model: &LoadedModel,
    worker: usize,
    text: &str,
) -> Result<Vec<f32>> {
    let is_it = |reader: &&TextScorer| std::ptr::eq(Arc::as_ptr(&reader.model), model);
    let reader = generation.text_scorers().iter().find(is_it);
    let reader = reader.ok_or_else(|| Error::model(model.name(), "reads no texts"))?;
    let passages = reader.processor.featurize(text);
    let first = passages.windows.first().ok_or_else(|| Error::invalid("text", "has no words"))?;
    let (ids, values) = pack(&[(&passages, first)]);
    let scores = score_text(model, worker, &ids, &values, false)?;
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
