//! What a worker thread runs: one batch from its first stage to its last. One thread does all of an image's work, so
//! nothing is handed over, and decoding, texts and models together never use more threads than the core budget.

use std::sync::Arc;

use super::inputs::Inputs;
use super::job::{Job, Task};
use super::look::look;
use super::outcome::Outcome;
use super::read::read;
use super::run::infer;
use crate::schedule::Deadline;

/// Runs a batch of one lane on the sessions of `worker`: an outcome for each job, in their order.
pub(super) fn run(worker: usize, inputs: &mut Inputs, batch: Vec<(Job, Deadline)>) -> Vec<Outcome> {
    let Some((first, _)) = batch.first() else { return Vec::new() };
    let generation = Arc::clone(&first.generation);
    let mut images = Vec::new();
    let mut texts = Vec::new();
    let mut runs = Vec::new();
    let mut explained = false;
    for (job, deadline) in batch {
        match job.task {
            Task::Image { content, with_maps } => {
                explained |= with_maps;
                images.push((content, deadline));
            }
            Task::Text { field, text, with_tokens } => {
                explained |= with_tokens;
                texts.push((field, text, deadline));
            }
            Task::Infer(run) => runs.push((run, deadline)),
        }
    }
    // A lane holds images, texts or runs, never two of them.
    if !runs.is_empty() {
        let one = |(run, deadline): (_, Deadline)| {
            if deadline.has_passed() { Outcome::Expired } else { Outcome::Infer(infer(worker, run)) }
        };
        runs.into_iter().map(one).collect()
    } else if texts.is_empty() {
        look(&generation, worker, inputs, &images, explained)
    } else {
        read(&generation, worker, &texts, explained)
    }
}
