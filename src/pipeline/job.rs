//! The parts of a listing that workers run, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::generation::Generation;
use super::infer::{Ran, Run};
use crate::domain::{ImageExplanation, ImageStatus, Language, Logit, PerCategory, Probability, TokenContribution};
use crate::error::{Error, Result};
use crate::preprocess::image::Doubt;
use crate::preprocess::text::Found;
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

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Of [`Task::Image`].
    Image(ImageOutcome),
    /// Of [`Task::Text`].
    Text(TextOutcome),
    /// Of [`Task::Infer`].
    Infer(Result<Ran>),
    /// The deadline passed between two stages; nothing more was spent on it.
    Expired,
}

/// An image, looked at.
#[derive(Debug, Clone, Default)]
pub struct ImageOutcome {
    /// What became of it.
    pub status: ImageStatus,
    /// Why a person should look, too.
    pub doubt: Option<Doubt>,
    /// Why the status is not OK.
    pub message: String,
    /// Format name; empty when not recognised.
    pub format: &'static str,
    /// Pixels after orientation; 0 when not decoded.
    pub width: u32,
    /// Pixels after orientation; 0 when not decoded.
    pub height: u32,
    /// Of the bytes, lower-case hex.
    pub sha256: String,
    /// Frames looked at.
    pub frames: usize,
    /// Whether the scores were found in the cache: nothing was decoded.
    pub cached: bool,
    /// Calibrated, of the best frame.
    pub logits: PerCategory<Logit>,
    /// Labels of image models that feed no category, by name.
    pub labels: Vec<(String, Probability)>,
    /// When asked for.
    pub explanations: PerCategory<ImageExplanation>,
    /// Models that failed.
    pub faults: Vec<Error>,
    /// Time to decode.
    pub decode: Duration,
    /// Time to resize and normalise.
    pub resize: Duration,
    /// Time in models: of a batch, this image's part.
    pub inference: Duration,
}

/// A text, read.
#[derive(Debug)]
pub(super) struct TextOutcome {
    /// Main language.
    pub language: Language,
    /// What the lexicon finds.
    pub found: Found,
    /// Calibrated, of the strongest window; empty when the text has no words or the model failed.
    pub logits: PerCategory<Logit>,
    /// Tokens of that window with contributions, and the bias; when asked for.
    pub tokens: PerCategory<(Vec<TokenContribution>, f64)>,
    /// Why there are no logits.
    pub fault: Option<Error>,
    /// Time to normalise, cut and hash.
    pub features: Duration,
    /// Time in the model: of a batch, this text's part.
    pub inference: Duration,
}
