//! Windows of a tokenizer's tokens. What a token adds depends on all others, so an explanation is what the logit loses without each
//! word, and made only for who asks: it costs a run a word.

use ndarray::{Array2, Axis};

use super::reading::{Reading, Said, wordless};
use crate::domain::{Attribution, Span, TextExplanation, TokenContribution};
use crate::error::Result;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::tokens::{TokenRow, score_tokens};
use crate::pipeline::generation::TextScorer;
use crate::preprocess::text::{Read, TokenReader, TokenWindow, Word};

/// The strongest windows of a batch.
pub(super) struct Windowed<'a> {
    scorer: &'a TextScorer,
    reader: &'a TokenReader,
    worker: usize,
    said: Vec<Said>,
    /// Of each word said, the place of its window among the text's.
    strongest: Vec<usize>,
}

/// Most parts of a window that are taken out in turn; of more words neighbours are taken out together.
const MOST_PARTS: usize = 64;

impl<'a> Windowed<'a> {
    /// Scores `reads`, each with its place in the batch.
    ///
    /// # Errors
    /// See [`score_tokens`].
    pub(super) fn new(
        scorer: &'a TextScorer,
        reader: &'a TokenReader,
        worker: usize,
        reads: &[(usize, &Read)],
    ) -> Result<Self> {
        let mut rows: Vec<(usize, TokenRow<'_>)> = Vec::new();
        for &(text, read) in reads {
            if let Read::Windows(windows) = read {
                rows.extend(windows.iter().map(|window| (text, row(window))));
            }
        }
        let windows: Vec<TokenRow<'_>> = rows.iter().map(|(_, row)| *row).collect();
        let logits = score_tokens(&scorer.model, worker, &windows, reader.pad())?;
        let (mut said, mut strongest) = (Vec::new(), Vec::new());
        let fed: Vec<usize> = (0..scorer.labels.len()).filter(|&column| feeds(scorer, column)).collect();
        for of_text in rows.iter().enumerate().collect::<Vec<_>>().chunk_by(|a, b| a.1.0 == b.1.0) {
            let Some(&(first, &(text, _))) = of_text.first() else { continue };
            for &column in &fed {
                let logit = |place: usize| logits.get((first + place, column)).copied().unwrap_or(f32::NEG_INFINITY);
                let best = (0..of_text.len()).max_by(|&a, &b| logit(a).total_cmp(&logit(b)).then(b.cmp(&a)));
                let Some(best) = best else { continue };
                said.push(Said { text, column, logit: f64::from(logit(best)) });
                strongest.push(best);
            }
        }
        Ok(Self { scorer, reader, worker, said, strongest })
    }
}

fn feeds(scorer: &TextScorer, column: usize) -> bool {
    scorer.labels.get(column).is_some_and(|label| label.label.category.is_some())
}

fn row(window: &TokenWindow) -> TokenRow<'_> {
    TokenRow { ids: &window.ids, types: &window.types }
}

impl Reading for Windowed<'_> {
    fn said(&self) -> &[Said] {
        &self.said
    }

    fn explain(&self, row: usize, read: &Read, is_asked_for: bool) -> Result<Option<TextExplanation>> {
        let (Read::Windows(windows), Some(said), Some(&place)) = (read, self.said.get(row), self.strongest.get(row))
        else {
            return Ok(None);
        };
        match windows.get(place).filter(|_| is_asked_for) {
            Some(window) => self.occluded(window, said).map(Some),
            None => Ok(None),
        }
    }
}

impl Windowed<'_> {
    /// What the logit loses without each word. The rest, which no word takes with it, is the bias.
    fn occluded(&self, window: &TokenWindow, said: &Said) -> Result<TextExplanation> {
        let parts: Vec<&[Word]> = window.words.chunks(window.words.len().div_ceil(MOST_PARTS).max(1)).collect();
        let without = parts.iter().map(|part| {
            let mut ids = window.ids.clone();
            for place in part.iter().flat_map(|word| word.tokens.clone()) {
                ids.get_mut(place).into_iter().for_each(|id| *id = self.reader.mask());
            }
            ids
        });
        let without: Vec<Vec<u32>> = without.collect();
        let rows: Vec<TokenRow<'_>> = without.iter().map(|ids| TokenRow { ids, types: &window.types }).collect();
        let logits: Array2<f32> = score_tokens(&self.scorer.model, self.worker, &rows, self.reader.pad())?;
        let lost = logits.index_axis(Axis(1), said.column).mapv(|logit| said.logit - f64::from(logit));
        let tokens = parts.iter().zip(&lost).filter_map(|(part, &contribution)| {
            let (first, last) = (part.first()?, part.last()?);
            let words: Vec<&str> = part.iter().map(|word| word.text.as_str()).collect();
            let span = Span {
                bytes: first.span.bytes.start..last.span.bytes.end,
                chars: first.span.chars.start..last.span.chars.end,
            };
            Some(TokenContribution { token: words.join(" "), span, contribution })
        });
        let tokens = tokens.collect();
        Ok(TextExplanation { tokens, bias: said.logit - lost.sum(), attribution: Attribution::Occlusion })
    }
}

/// The logits of a text's first window.
///
/// # Errors
/// See [`score_tokens`]; [`crate::error::Error::Invalid`] when the text has no window.
pub(super) fn first(
    model: &LoadedModel,
    reader: &TokenReader,
    worker: usize,
    windows: &[TokenWindow],
) -> Result<Vec<f32>> {
    let first = windows.first().ok_or_else(wordless)?;
    let logits = score_tokens(model, worker, &[row(first)], reader.pad())?;
    Ok(logits.index_axis(Axis(0), 0).to_vec())
}
