//! The parts of a listing that workers run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::generation::Generation;
use super::outcome::{ImageOutcome, TextOutcome};
use super::run::{Ran, Run};
use crate::domain::TextField;
use crate::error::Result;
use crate::schedule::ticket::Reply;
use crate::schedule::{BatchRule, Batchable, Claim};

/// One part of a listing. It carries the generation that the whole listing is rated with.
#[derive(Debug)]
pub(super) struct Job {
    /// Models, policy and cache to use.
    pub generation: Arc<Generation>,
    /// What to do.
    pub task: Task,
}

/// What to do with a part.
#[derive(Debug)]
pub(super) enum Task {
    /// Look at an image.
    Image {
        /// The file's bytes.
        content: Bytes,
        /// Explain where the evidence is.
        with_maps: bool,
        /// Answer with the SHA-256 of the bytes.
        with_sha256: bool,
        /// Where the answer goes.
        reply: Reply<ImageOutcome>,
    },
    /// Read a text.
    Text {
        /// Which text it is.
        field: TextField,
        /// The caller's string.
        text: String,
        /// Explain which tokens count.
        with_tokens: bool,
        /// Where the answer goes.
        reply: Reply<TextOutcome>,
    },
    /// Run a model on tensors.
    Infer {
        /// Which, on what.
        run: Run,
        /// Where the answer goes.
        reply: Reply<Result<Ran>>,
    },
}

/// What must be equal for jobs to share a batch: the generation, the kind of task, and whether it is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    generation: u64,
    kind: Kind,
    explained: bool,
}

/// The kind of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Text,
    Infer,
}

/// Cost class of an image that is not explained: what most listings hold.
pub(super) const PLAIN_IMAGE: usize = 0;

/// A request for raw tensors is a batch of its own: the caller has put it together.
const ALONE: BatchRule = BatchRule { max_batch: 1, max_wait: Duration::ZERO };

impl Batchable for Job {
    type Lane = Lane;

    fn lane(&self) -> Lane {
        let generation = self.generation.number();
        match &self.task {
            Task::Image { with_maps, .. } => Lane { generation, kind: Kind::Image, explained: *with_maps },
            Task::Text { with_tokens, .. } => Lane { generation, kind: Kind::Text, explained: *with_tokens },
            Task::Infer { .. } => Lane { generation, kind: Kind::Infer, explained: false },
        }
    }

    fn cost_class(&self) -> usize {
        let Lane { kind, explained, .. } = self.lane();
        match (kind, explained) {
            (Kind::Image, false) => PLAIN_IMAGE,
            (Kind::Image, true) => 1,
            (Kind::Text, false) => 2,
            (Kind::Text, true) => 3,
            (Kind::Infer, _) => 4,
        }
    }

    fn rule(&self) -> BatchRule {
        let rules = self.generation.batching();
        match self.task {
            Task::Image { .. } => rules.image,
            Task::Text { .. } => rules.text,
            Task::Infer { .. } => ALONE,
        }
    }

    fn is_abandoned(&self) -> bool {
        match &self.task {
            Task::Image { reply, .. } => reply.is_abandoned(),
            Task::Text { reply, .. } => reply.is_abandoned(),
            Task::Infer { reply, .. } => reply.is_abandoned(),
        }
    }

    fn claim(&self) -> Arc<dyn Claim> {
        match &self.task {
            Task::Image { reply, .. } => reply.claim(),
            Task::Text { reply, .. } => reply.claim(),
            Task::Infer { reply, .. } => reply.claim(),
        }
    }
}
