//! Texts on a worker thread: normalise, cut, run the models, calibrate, explain.

mod passages;
mod reading;
mod windows;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::reading::Reading;
use super::generation::{Generation, TextScorer, WeightedLabel};
use super::looks::Part;
use super::outcome::{Taken, TextOutcome};
use crate::domain::{
    Attribution, Category, LeftOut, Logit, PerCategory, TextExplanation, TextField, TokenContribution,
};
use crate::error::{Error, Result};
use crate::model::folder::manifest::Calibration;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::occlusion::GoOn;
use crate::preprocess::text::{Normalized, Read, TextReader, language, look_up};
use crate::schedule::{AskBehind, Deadline};
use crate::score::calibrate::calibrate;
use crate::score::fuse::join;

/// A text that waits for the models: its place in the batch, what is known of it, and what each scorer is given of it.
struct Prepared<'a> {
    index: usize,
    outcome: TextOutcome,
    reads: Vec<Read>,
    deadline: Deadline,
    /// What the scorers of all looks so far say.
    says: BTreeMap<Category, Vec<Say<'a>>>,
}

impl Part for Prepared<'_> {
    fn seen(&self) -> &PerCategory<Logit> {
        &self.outcome.logits
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }

    fn rows(&self) -> u32 {
        1
    }

    fn leave_out(&mut self, why: LeftOut) {
        self.outcome.looks.left_out = Some(why);
    }
}

/// Scores a batch of texts: `done` is told of each with its place, as soon as it is; not of those whose deadline passes. Of each model
/// their strongest windows share runs. Gives the time that looks after the first took.
pub(super) fn score(
    (generation, worker, behind): (&Generation, usize, AskBehind<'_>),
    texts: &[(TextField, String, Deadline)],
    with_tokens: bool,
    done: &mut dyn FnMut(usize, TextOutcome),
) -> Duration {
    let mut further = Duration::ZERO;
    let mut waiting: Vec<Prepared<'_>> = Vec::with_capacity(texts.len());
    for (index, (field, text, deadline)) in texts.iter().enumerate() {
        let (outcome, reads) = prepare(generation, *field, text);
        if deadline.has_passed() {
            // Nobody waits for it.
        } else if reads.iter().all(Read::is_empty) {
            done(index, outcome);
        } else {
            waiting.push(Prepared { index, outcome, reads, deadline: *deadline, says: BTreeMap::new() });
        }
    }
    let plan = generation.looks();
    for look in 0..plan.texts.count() {
        waiting.retain(|text| !text.deadline.has_passed());
        let deadlines: Vec<Deadline> = waiting.iter().map(|text| text.deadline).collect();
        let go_on = || deadlines.iter().any(|deadline| !deadline.has_passed());
        let took = run_models((generation, worker, look), &mut waiting, &go_on);
        further += if look > 0 { took } else { Duration::ZERO };
        let (again, finished) = plan.texts.sift(look + 1, waiting, &plan.categories, behind());
        for mut text in finished {
            explain(generation, &mut text, with_tokens.then_some(&go_on));
            done(text.index, text.outcome);
        }
        waiting = again;
    }
    further
}

/// Language, lexicon terms and what each scorer reads of one text. Without a scorer of texts the lexicon is read all the same.
fn prepare(generation: &Generation, field: TextField, text: &str) -> (TextOutcome, Vec<Read>) {
    let start = Instant::now();
    let normalized = Normalized::new(text);
    let mut faults = Vec::new();
    let reads = generation.text_scorers().iter().map(|scorer| {
        let read = scorer.reader.read(text, &normalized);
        // A text that a model's tokenizer fails on is one that the model does not answer, never one without words.
        read.unwrap_or_else(|problem| {
            faults.push(Error::model(scorer.model.name(), format!("its tokenizer fails on a text: {problem}")));
            Read::Windows(Vec::new())
        })
    });
    let reads = reads.collect();
    let outcome = TextOutcome {
        field,
        language: language(text),
        found: look_up(&normalized, generation.lexicon()),
        logits: PerCategory::default(),
        looks: Taken::default(),
        tokens: PerCategory::default(),
        faults,
        features: start.elapsed(),
        inference: Duration::ZERO,
    };
    (outcome, reads)
}

/// A scorer's word on one category of one text.
struct Say<'a> {
    place: usize,
    label: &'a WeightedLabel,
    reading: Rc<dyn Reading + 'a>,
    row: usize,
    logit: f64,
}

impl Say<'_> {
    fn calibrated(&self) -> Logit {
        let Calibration { slope, intercept } = self.label.label.calibration;
        calibrate(Logit(self.logit), slope, intercept)
    }
}

/// Reads the texts of a batch that hold something for the scorer at `place`; `None`: none does.
fn read_all<'a>(
    (scorer, place): (&'a TextScorer, usize),
    worker: usize,
    batch: &[Prepared<'_>],
    go_on: GoOn<'_>,
) -> Result<Option<Rc<dyn Reading + 'a>>> {
    let reads: Vec<(usize, &Read)> =
        batch.iter().enumerate().filter_map(|(text, prepared)| Some((text, prepared.reads.get(place)?))).collect();
    if reads.iter().all(|(_, read)| read.is_empty()) {
        return Ok(None);
    }
    Ok(Some(match &*scorer.reader {
        TextReader::Features(_) => Rc::new(passages::Passaged::new(scorer, worker, &reads)?),
        TextReader::Tokens(reader) => Rc::new(windows::Windowed::new(scorer, reader, worker, &reads, go_on)),
    }))
}

/// Runs the models of a look over the whole batch, and puts together what all looks so far say. Gives the time it took.
fn run_models<'a>(
    (generation, worker, look): (&'a Generation, usize, usize),
    batch: &mut [Prepared<'a>],
    go_on: GoOn<'_>,
) -> Duration {
    let texts = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    if texts == 0 {
        return Duration::ZERO;
    }
    let start = Instant::now();
    for (place, scorer) in generation.text_scorers().iter().enumerate().filter(|(_, scorer)| scorer.look == look) {
        let reading = match read_all((scorer, place), worker, batch, go_on) {
            Ok(Some(reading)) => reading,
            Ok(None) => continue,
            Err(fault) => {
                batch.iter_mut().for_each(|text| text.outcome.faults.push(fault.clone()));
                continue;
            }
        };
        for (text, fault) in reading.faults() {
            batch.get_mut(*text).into_iter().for_each(|text| text.outcome.faults.push(fault.clone()));
        }
        for (row, said) in reading.said().iter().enumerate() {
            let label = scorer.labels.get(said.column);
            let of_category = label.and_then(|label| Some((label, label.label.category?)));
            if let (Some((label, category)), Some(text)) = (of_category, batch.get_mut(said.text)) {
                let say = Say { place, label, reading: Rc::clone(&reading), row, logit: said.logit };
                text.says.entry(category).or_default().push(say);
            }
        }
    }
    batch.iter_mut().for_each(|text| join_says(text, generation.policy().text_caution));
    let share = start.elapsed() / texts;
    generation.looks().texts.took(look, share);
    for TextOutcome { inference, looks, .. } in batch.iter_mut().map(|text| &mut text.outcome) {
        *inference += share;
        looks.later += if look > 0 { share } else { Duration::ZERO };
    }
    start.elapsed()
}

/// Keeps a text's logit for each category, of each scorer's strongest window, calibrated and joined, less the policy's caution.
fn join_says(Prepared { outcome, says, .. }: &mut Prepared<'_>, caution: f64) {
    for (category, says) in says {
        let scored: Vec<(Logit, f64)> = says.iter().map(|say| (say.calibrated(), say.label.weight)).collect();
        if let Some(joined) = join(&scored) {
            outcome.logits.set(*category, Logit(joined.0 - caution));
        }
    }
    outcome.looks.logits.push(outcome.logits.clone());
}

/// Which tokens weigh how much for each category, when asked, or when the text alone is evidence by the policy: then a reason names its
/// words.
fn explain(generation: &Generation, text: &mut Prepared<'_>, asked: Option<GoOn<'_>>) {
    let policy = generation.policy();
    let Prepared { outcome, reads, says, .. } = text;
    for (category, says) in says {
        let is_evidence = outcome.logits.get(*category).is_some_and(|logit| logit.probability() >= policy.evidence);
        if asked.is_none() && !is_evidence {
            continue;
        }
        let mut told: Vec<(&Say<'_>, TextExplanation)> = Vec::with_capacity(says.len());
        for say in &*says {
            let Some(read) = reads.get(say.place) else { continue };
            match say.reading.explain(say.row, read, asked) {
                Ok(Some(explanation)) => told.push((say, explanation)),
                Ok(None) => {}
                Err(fault) => outcome.faults.push(fault),
            }
        }
        if let Some(tokens) = joined_tokens(told, policy.text_caution) {
            outcome.tokens.set(*category, tokens);
        }
    }
}

/// Of one scorer what it gave. Of several what each token added to the joined, calibrated logit, less `caution`; tokens that both
/// cut are one.
fn joined_tokens(mut told: Vec<(&Say<'_>, TextExplanation)>, caution: f64) -> Option<TextExplanation> {
    if told.len() < 2 {
        return told.pop().map(|(_, explanation)| explanation);
    }
    let weights: f64 = told.iter().map(|(say, _)| say.label.weight).sum();
    let mut joined: BTreeMap<(usize, usize), TokenContribution> = BTreeMap::new();
    let mut bias = -caution;
    let is_exact = told.iter().all(|(_, explanation)| explanation.attribution == Attribution::Exact);
    for (say, explanation) in told {
        let Calibration { slope, intercept } = say.label.label.calibration;
        let share = say.label.weight / weights;
        bias += share * (slope * explanation.bias + intercept);
        for token in explanation.tokens {
            let added = share * slope * token.contribution;
            let place = (token.span.bytes.start, token.span.bytes.end);
            let known = joined.entry(place).or_insert(TokenContribution { contribution: 0.0, ..token });
            known.contribution += added;
        }
    }
    let attribution = if is_exact { Attribution::Exact } else { Attribution::Occlusion };
    Some(TextExplanation { tokens: joined.into_values().collect(), bias, attribution })
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
    let is_it = |scorer: &&TextScorer| std::ptr::eq(Arc::as_ptr(&scorer.model), model);
    let scorer = generation.text_scorers().iter().find(is_it);
    let scorer = scorer.ok_or_else(|| Error::model(model.name(), "reads no texts"))?;
    let failed = |problem: String| Error::model(model.name(), format!("its tokenizer fails on a text: {problem}"));
    match scorer.reader.read(text, &Normalized::new(text)).map_err(failed)? {
        Read::Passages(passages) => passages::first(model, worker, &passages),
        Read::Windows(windows) => match &*scorer.reader {
            TextReader::Tokens(reader) => windows::first(model, reader, worker, &windows),
            TextReader::Features(_) => Err(Error::Bug("features read as tokens".into())),
        },
    }
}
