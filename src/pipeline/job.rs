//! The parts of a listing that workers run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::generation::Generation;
use super::run::Run;
use crate::domain::TextField;
use crate::schedule::{BatchRule, Batchable};

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
    },
    /// Read a text.
    Text {
        /// Which text it is.
        field: TextField,
        /// The caller's string.
        text: String,
        /// Explain which tokens count.
        with_tokens: bool,
    },
    /// Run a model on tensors.
    Infer(Run),
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

/// A request for raw tensors is a batch of its own: the caller has put it together.
const ALONE: BatchRule = BatchRule { max_batch: 1, max_wait: Duration::ZERO };

impl Batchable for Job {
    type Lane = Lane;

    fn lane(&self) -> Lane {
        let generation = self.generation.number();
        match &self.task {
            Task::Image { with_maps, .. } => Lane { generation, kind: Kind::Image, explained: *with_maps },
            Task::Text { with_tokens, .. } => Lane { generation, kind: Kind::Text, explained: *with_tokens },
            Task::Infer(_) => Lane { generation, kind: Kind::Infer, explained: false },
        }
    }

    fn rule(&self) -> BatchRule {
        let rules = self.generation.batching();
        match self.task {
            Task::Image { .. } => rules.image,
            Task::Text { .. } => rules.text,
            Task::Infer(_) => ALONE,
        }
    }
}
