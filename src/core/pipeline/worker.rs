//! What a worker thread runs: one batch from its first stage to its last. One thread does all of an image's work, so
//! nothing is handed over, and decoding, texts and models together never use more threads than the core budget.

use std::sync::Arc;
use std::time::Duration;

use super::images::{self, Photo};
use super::inputs::Inputs;
use super::job::{Job, Task};
use super::run::infer;
use super::texts;
use crate::schedule::AskBehind;
use crate::schedule::scheduler::Taken;
use crate::schedule::ticket::Reply;

/// Runs a batch of one lane on the sessions of `worker` and replies to each job as soon as it is done. The reply of one that came too
/// late is dropped. Gives the time that looks after the first took.
pub(super) fn run(worker: usize, inputs: &mut Inputs, batch: Vec<Taken<Job>>, behind: AskBehind<'_>) -> Duration {
    let Some(first) = batch.first() else { return Duration::ZERO };
    let generation = Arc::clone(&first.job.generation);
    let (mut photos, mut photo_replies) = (Vec::new(), Vec::new());
    let (mut words, mut word_replies) = (Vec::new(), Vec::new());
    let mut explained = false;
    // A lane holds images, texts or runs, never two of them.
    for Taken { job, deadline, queue_wait } in batch {
        match job.task {
            Task::Image { content, with_maps, with_sha256, reply } => {
                explained |= with_maps;
                photos.push(Photo { content, with_sha256, deadline });
                photo_replies.push(Some((reply, queue_wait)));
            }
            Task::Text { field, text, with_tokens, reply } => {
                explained |= with_tokens;
                words.push((field, text, deadline));
                word_replies.push(Some((reply, queue_wait)));
            }
            Task::Infer { .. } if deadline.has_passed() => {}
            Task::Infer { run, reply } => reply.give(infer(worker, run), queue_wait),
        }
    }
    let with = (&*generation, worker, behind);
    let on_photos = images::score(with, inputs, &photos, explained, &mut |place, outcome| {
        answer(&mut photo_replies, place, outcome)
    });
    on_photos + texts::score(with, &words, explained, &mut |place, outcome| answer(&mut word_replies, place, outcome))
}

fn answer<R>(replies: &mut [Option<(Reply<R>, Duration)>], place: usize, outcome: R) {
    if let Some((reply, queue_wait)) = replies.get_mut(place).and_then(Option::take) {
        reply.give(outcome, queue_wait);
    }
}
