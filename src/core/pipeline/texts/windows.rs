//! Windows of a tokenizer's tokens. What a token adds depends on all others, so an explanation is what the logit loses without each
//! word, and made only for who asks: it costs a run a word.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ndarray::{Array2, Axis};

use super::reading::{Reading, Said, wordless};
use crate::domain::{Attribution, Span, TextExplanation, TokenContribution};
use crate::error::{Error, Result};
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::occlusion::GoOn;
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
    faults: Vec<(usize, Error)>,
    /// Logits without each part of a window, by text and window: categories share them.
    without: RefCell<BTreeMap<(usize, usize), Array2<f32>>>,
}

/// Most parts of a window that are taken out in turn; of more words neighbours are taken out together.
const MOST_PARTS: usize = 64;
/// Parts between two looks at whether anybody still waits.
const PARTS_A_RUN: usize = 8;

impl<'a> Windowed<'a> {
    /// Scores `reads`, each with its place in the batch.
    pub(super) fn new<'b>(
        scorer: &'a TextScorer,
        reader: &'a TokenReader,
        worker: usize,
        reads: &[(usize, &'b Read)],
        go_on: GoOn<'_>,
    ) -> Self {
        let of_text = |&(text, read): &(usize, &'b Read)| match read {
            Read::Windows(windows) if !windows.is_empty() => Some((text, windows.iter().map(row).collect::<Vec<_>>())),
            Read::Windows(_) | Read::Passages(_) => None,
        };
        let texts: Vec<(usize, Vec<TokenRow<'b>>)> = reads.iter().filter_map(of_text).collect();
        let fed: Vec<usize> = (0..scorer.labels.len()).filter(|&column| feeds(scorer, column)).collect();
        let (mut said, mut strongest, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for ((text, _), logits) in texts.iter().zip(score_each(scorer, reader, worker, &texts, go_on)) {
            let logits = match logits {
                Ok(logits) => logits,
                Err(fault) => {
                    faults.push((*text, fault));
                    continue;
                }
            };
            for &column in &fed {
                let best = logits
                    .column(column)
                    .iter()
                    .copied()
                    .enumerate()
                    .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
                let Some((best, logit)) = best else { continue };
                said.push(Said { text: *text, column, logit: f64::from(logit) });
                strongest.push(best);
            }
        }
        Self { scorer, reader, worker, said, strongest, faults, without: RefCell::default() }
    }
}

/// The logits of each text's windows. All share runs; where these fail, each has its own, so that one text is no other's fault.
fn score_each(
    scorer: &TextScorer,
    reader: &TokenReader,
    worker: usize,
    texts: &[(usize, Vec<TokenRow<'_>>)],
    go_on: GoOn<'_>,
) -> Vec<Result<Array2<f32>>> {
    let model = &scorer.model;
    let together: Vec<TokenRow<'_>> = texts.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let finite = |logits: Array2<f32>| {
        let all = logits.iter().all(|logit| logit.is_finite());
        if all { Ok(logits) } else { Err(Error::model(model.name(), "gave a non-finite score")) }
    };
    match score_tokens(model, worker, &together, reader.pad(), go_on) {
        Ok(logits) => {
            let mut start = 0;
            let own = texts.iter().map(|(_, rows)| {
                let range = start..start + rows.len();
                start = range.end;
                finite(logits.slice_axis(Axis(0), range.into()).to_owned())
            });
            own.collect()
        }
        Err(fault) if texts.len() < 2 => texts.iter().map(|_| Err(fault.clone())).collect(),
        Err(_of_one) => texts
            .iter()
            .map(|(_, rows)| score_tokens(model, worker, rows, reader.pad(), go_on).and_then(finite))
            .collect(),
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

    fn faults(&self) -> &[(usize, Error)] {
        &self.faults
    }

    fn explain(&self, row: usize, read: &Read, asked: Option<GoOn<'_>>) -> Result<Option<TextExplanation>> {
        let (Read::Windows(windows), Some(said), Some(&place)) = (read, self.said.get(row), self.strongest.get(row))
        else {
            return Ok(None);
        };
        match (windows.get(place), asked) {
            (Some(window), Some(go_on)) => self.occluded(window, said, place, go_on),
            (None, _) | (_, None) => Ok(None),
        }
    }
}

impl Windowed<'_> {
    /// What the logit loses without each word. The rest, which no word takes with it, is the bias.
    fn occluded(
        &self,
        window: &TokenWindow,
        said: &Said,
        place: usize,
        go_on: GoOn<'_>,
    ) -> Result<Option<TextExplanation>> {
        let parts: Vec<&[Word]> = window.words.chunks(window.words.len().div_ceil(MOST_PARTS).max(1)).collect();
        let key = (said.text, place);
        if !self.without.borrow().contains_key(&key) {
            let Some(made) = self.without_each(window, &parts, go_on)? else { return Ok(None) };
            self.without.borrow_mut().insert(key, made);
        }
        let without = self.without.borrow();
        let Some(logits) = without.get(&key) else { return Err(Error::Bug("an occlusion is lost".into())) };
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
        Ok(Some(TextExplanation { tokens, bias: said.logit - lost.sum(), attribution: Attribution::Occlusion }))
    }
}

impl Windowed<'_> {
    /// The logits without each of `parts`, `[parts, labels]`; `None`: nobody waits any more.
    fn without_each(&self, window: &TokenWindow, parts: &[&[Word]], go_on: GoOn<'_>) -> Result<Option<Array2<f32>>> {
        let without = parts.iter().map(|part| {
            let mut ids = window.ids.clone();
            for place in part.iter().flat_map(|word| word.tokens.clone()) {
                ids.get_mut(place).into_iter().for_each(|id| *id = self.reader.mask());
            }
            ids
        });
        let without: Vec<Vec<u32>> = without.collect();
        let rows: Vec<TokenRow<'_>> = without.iter().map(|ids| TokenRow { ids, types: &window.types }).collect();
        let mut logits = Array2::zeros((0, self.scorer.labels.len()));
        for rows in rows.chunks(PARTS_A_RUN) {
            if !go_on() {
                return Ok(None);
            }
            let given = score_tokens(&self.scorer.model, self.worker, rows, self.reader.pad(), go_on)?;
            logits
                .append(Axis(0), given.view())
                .map_err(|cause| Error::Bug(format!("rows of an occlusion: {cause}")))?;
        }
        Ok(Some(logits))
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
    let logits = score_tokens(model, worker, &[row(first)], reader.pad(), &|| true)?;
    Ok(logits.index_axis(Axis(0), 0).to_vec())
}
