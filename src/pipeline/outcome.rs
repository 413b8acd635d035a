//! What becomes of the parts of a listing.

use std::time::Duration;

use super::run::Ran;
use crate::domain::{
    ImageExplanation, ImageStatus, Language, Logit, PerCategory, Probability, TextField, TokenContribution,
};
use crate::error::{Error, Result};
use crate::preprocess::image::Doubt;
use crate::preprocess::text::Found;

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Of an image.
    Image(ImageOutcome),
    /// Of a text.
    Text(TextOutcome),
    /// Of a run of a model.
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
    /// Which text it is.
    pub field: TextField,
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
