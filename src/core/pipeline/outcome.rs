//! What becomes of the parts of a listing.

use std::time::Duration;

use crate::domain::{
    ImageExplanation, ImageFacts, Language, Logit, PerCategory, Probability, TextExplanation, TextField,
};
use crate::error::Error;
use crate::preprocess::image::Doubt;
use crate::preprocess::text::Found;

/// An image, looked at.
#[derive(Debug, Clone, Default)]
pub struct ImageOutcome {
    /// What it is.
    pub facts: ImageFacts,
    /// Why a person should look, too.
    pub doubt: Option<Doubt>,
    /// Of the bytes, lower-case hex.
    pub sha256: String,
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
    /// Which tokens of that window weigh how much; when asked for.
    pub tokens: PerCategory<TextExplanation>,
    /// Models that failed.
    pub faults: Vec<Error>,
    /// Time to normalise, cut and hash.
    pub features: Duration,
    /// Time in the model: of a batch, this text's part.
    pub inference: Duration,
}
