//! What scorers of texts have in common.

use crate::domain::TextExplanation;
use crate::error::{Error, Result};
use crate::preprocess::text::Read;

/// What a scorer makes of a batch.
pub(super) trait Reading {
    /// Of each text and category the strongest window's word.
    fn said(&self) -> &[Said];

    /// Which tokens of that window weigh how much, for the word at `row`, of a text that was read as `read`. `None`: it cannot be
    /// told, or only at a price that nobody asked for.
    ///
    /// # Errors
    /// [`Error::Model`] when the model fails.
    fn explain(&self, row: usize, read: &Read, is_asked_for: bool) -> Result<Option<TextExplanation>>;
}

/// What the strongest window of a text says of a label.
pub(super) struct Said {
    /// Place of the text in the batch.
    pub text: usize,
    /// Place of the label.
    pub column: usize,
    /// Before calibration.
    pub logit: f64,
}

/// Of a text that holds nothing to score.
pub(super) fn wordless() -> Error {
    Error::invalid("text", "has no words")
}
