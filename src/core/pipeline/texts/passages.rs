//! Passages of hashed features: what each feature adds depends on no other, so explanations are exact.

use std::ops::Range;

use ndarray::{Array2, Axis, s};

use super::reading::{Reading, Said, wordless};
use crate::domain::{Attribution, TextExplanation, TokenContribution};
use crate::error::{Error, Result};
use crate::model::runtime::engine::{TextScores, score_text};
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::occlusion::GoOn;
use crate::pipeline::generation::TextScorer;
use crate::preprocess::text::{Feature, PRESENT, Passages, Read};
use crate::score::explain::token_contributions;

/// The strongest passages of a batch, scored.
pub(super) struct Passaged {
    said: Vec<Said>,
    windows: Vec<Range<usize>>,
    scores: TextScores,
}

/// A window to score, and the text it is of.
type Row<'a> = (&'a Passages, &'a Range<usize>);

/// The window of a text that speaks loudest for a label.
struct Strongest {
    text: usize,
    column: usize,
    window: Range<usize>,
}

/// Most cells of ids that one run of the model is given, unless one text has more: its tensors stay in the processor's cache.
const RUN_CELLS: usize = 1 << 14;

impl Passaged {
    /// Scores `reads`, each with its place in the batch.
    ///
    /// # Errors
    /// [`Error::Model`] when the model fails or gives no contributions.
    pub(super) fn new(scorer: &TextScorer, worker: usize, reads: &[(usize, &Read)]) -> Result<Self> {
        let passages = reads.iter().filter_map(|&(text, read)| match read {
            Read::Passages(passages) if !passages.windows.is_empty() => Some((text, passages)),
            Read::Passages(_) | Read::Windows(_) => None,
        });
        let passages: Vec<(usize, &Passages)> = passages.collect();
        let strongest = strongest_windows(scorer, worker, &passages)?;
        let of_text = |text: usize| passages.iter().find(|(index, _)| *index == text).map(|(_, passages)| *passages);
        let rows: Vec<Row<'_>> =
            strongest.iter().filter_map(|best| Some((of_text(best.text)?, &best.window))).collect();
        let (ids, values) = pack(&rows);
        let scores = score_text(&scorer.model, worker, &ids, &values, true)?;
        let logit = |row: usize, column: usize| scores.logits.get((row, column)).copied().map_or(f64::NAN, f64::from);
        let said = strongest.iter().enumerate().map(|(row, &Strongest { text, column, .. })| {
            let logit = logit(row, column);
            Said { text, column, logit }
        });
        let said = said.collect();
        Ok(Self { said, windows: strongest.into_iter().map(|best| best.window).collect(), scores })
    }
}

impl Reading for Passaged {
    fn said(&self) -> &[Said] {
        &self.said
    }

    fn explain(&self, row: usize, read: &Read, _: Option<GoOn<'_>>) -> Result<Option<TextExplanation>> {
        let Read::Passages(passages) = read else { return Ok(None) };
        Ok(self.contributions(row, passages))
    }
}

impl Passaged {
    /// What each token of the window added to the logit, and the bias; `None` when the model gives no contributions.
    fn contributions(&self, row: usize, passages: &Passages) -> Option<TextExplanation> {
        let (&Said { column, logit, .. }, window) = (self.said.get(row)?, self.windows.get(row)?);
        let contributions = self.scores.contributions.as_ref()?;
        let of_feature = |feature| contributions.get((row, feature, column)).copied().map_or(0.0, f64::from);
        let covered = |feature: &Feature| feature.covers.start - window.start..feature.covers.end - window.start;
        let features: Vec<(Range<usize>, f64)> =
            passages.features(window).enumerate().map(|(f, feature)| (covered(feature), of_feature(f))).collect();
        let bias = logit - features.iter().map(|(_, contribution)| contribution).sum::<f64>();
        let shares = token_contributions(window.len(), features);
        let tokens = passages.tokens(window).iter().zip(shares).map(|(token, contribution)| TokenContribution {
            span: token.span.clone(),
            token: token.text.clone(),
            contribution,
        });
        Some(TextExplanation { tokens: tokens.collect(), bias, attribution: Attribution::Exact })
    }
}

/// The logits of a text's first passage.
///
/// # Errors
/// [`Error::Model`] when the model fails, [`Error::Invalid`] when the text has no passage.
pub(super) fn first(model: &LoadedModel, worker: usize, passages: &Passages) -> Result<Vec<f32>> {
    let first = passages.windows.first().ok_or_else(wordless)?;
    let (ids, values) = pack(&[(passages, first)]);
    let scores = score_text(model, worker, &ids, &values, false)?;
    Ok(scores.logits.index_axis(Axis(0), 0).to_vec())
}

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
fn strongest_windows(scorer: &TextScorer, worker: usize, texts: &[(usize, &Passages)]) -> Result<Vec<Strongest>> {
    let labels = scorer.labels.iter().enumerate();
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
        let scores = score_text(&scorer.model, worker, &ids, &values, true)?;
        let none = || Error::model(scorer.model.name(), "gave no contributions");
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
