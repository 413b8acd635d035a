//! What a worker thread runs: one batch from its first stage to its last. One thread does all of an image's work, so
//! nothing is handed over, and decoding, texts and models together never use more threads than the core budget.

use std::sync::Arc;
use std::time::Duration;

use super::images;
use super::inputs::Inputs;
use super::job::{Job, Task};
use super::run::infer;
use super::texts;
use crate::schedule::scheduler::Taken;
use crate::schedule::ticket::Reply;

/// Runs a batch of one lane on the sessions of `worker` and replies to each job. The reply of one that came too late is dropped.
pub(super) fn run(worker: usize, inputs: &mut Inputs, batch: Vec<Taken<Job>>) {
    let Some(first) = batch.first() else { return };
    let generation = Arc::clone(&first.job.generation);
    let (mut photos, mut photo_replies) = (Vec::new(), Vec::new());
    let (mut words, mut word_replies) = (Vec::new(), Vec::new());
    let mut explained = false;
    // A lane holds images, texts or runs, never two of them.
    for Taken { job, deadline, queue_wait } in batch {
        match job.task {
            Task::Image { content, with_maps, reply } => {
                explained |= with_maps;
                photos.push((content, deadline));
                photo_replies.push((reply, queue_wait));
            }
            Task::Text { field, text, with_tokens, reply } => {
                explained |= with_tokens;
                words.push((field, text, deadline));
                word_replies.push((reply, queue_wait));
            }
            Task::Infer { .. } if deadline.has_passed() => {}
            Task::Infer { run, reply } => reply.give(infer(worker, run), queue_wait),
        }
    }
    if !photos.is_empty() {
        answer(photo_replies, images::score(&generation, worker, inputs, &photos, explained));
    }
    if !words.is_empty() {
        answer(word_replies, texts::score(&generation, worker, &words, explained));
    }
}

fn answer<R>(replies: Vec<(Reply<R>, Duration)>, outcomes: Vec<Option<R>>) {
    for ((reply, queue_wait), outcome) in replies.into_iter().zip(outcomes) {
        if let Some(outcome) = outcome {
            reply.give(outcome, queue_wait);
        }
    }
}
