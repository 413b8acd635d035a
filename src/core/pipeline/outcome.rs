//! What becomes of the parts of a listing.

use std::time::Duration;

use crate::domain::{
    Category, ImageExplanation, ImageFacts, Language, LeftOut, Logit, PerCategory, Probability, TextExplanation,
    TextField, Written,
};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::preprocess::image::Doubt;
use crate::preprocess::text::Found;

/// The looks that a photo or text took.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Calibrated and joined after each of them, the first look's first.
    pub logits: Vec<PerCategory<Logit>>,
    /// Why it did not take another that the policy wants.
    pub left_out: Option<LeftOut>,
    /// Time in models after the first.
    pub later: Duration,
}

impl Taken {
    /// Of a category, after each look that says something of it.
    pub(super) fn probabilities(&self, category: Category) -> Vec<Probability> {
        self.logits.iter().filter_map(|logits| logits.get(category)).map(|logit| logit.probability()).collect()
    }

    /// Counts them; `stage` is what the time after the first is counted as.
    pub(super) fn count(&self, metrics: &Metrics, modality: &'static str, stage: &'static str) {
        metrics.looks(modality, self.logits.len(), self.left_out.map(LeftOut::name));
        if self.logits.len() > 1 {
            metrics.stage(stage, self.later);
        }
    }
}

/// An image, looked at.
#[derive(Debug, Clone, Default)]
pub struct ImageOutcome {
    /// What it is.
    pub facts: ImageFacts,
    /// Why a person should look, too.
    pub doubt: Option<Doubt>,
    /// Of the bytes, lower-case hex; empty when nobody asked for it.
    pub sha256: String,
    /// Whether the scores were found in the cache: nothing was decoded.
    pub cached: bool,
    /// Calibrated, of the best frame, after the last look.
    pub logits: PerCategory<Logit>,
    /// The looks it took.
    pub looks: Taken,
    /// What is written in it; `None`: nobody looked.
    pub words: Option<WordsOutcome>,
    /// Why nobody looked although the policy wants it.
    pub words_left_out: Option<LeftOut>,
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

/// The words in an image.
#[derive(Debug, Clone, Default)]
pub struct WordsOutcome {
    /// What was read.
    pub written: Written,
    /// What it says as a text; `None`: there are no words.
    pub(super) text: Option<TextOutcome>,
    /// Time to find and read them.
    pub reading: Duration,
}

/// A text, read.
#[derive(Debug, Clone)]
pub(super) struct TextOutcome {
    /// Which text it is.
    pub field: TextField,
    /// Main language.
    pub language: Language,
    /// What the lexicon finds.
    pub found: Found,
    /// Calibrated, of the strongest window, after the last look; empty when the text has no words or the model failed.
    pub logits: PerCategory<Logit>,
    /// The looks it took.
    pub looks: Taken,
    /// Which tokens of that window weigh how much; when asked for.
    pub tokens: PerCategory<TextExplanation>,
    /// Models that failed.
    pub faults: Vec<Error>,
    /// Time to normalise, cut and hash.
    pub features: Duration,
    /// Time in the model: of a batch, this text's part.
    pub inference: Duration,
}
