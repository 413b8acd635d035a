//! What scorers of texts have in common.

use crate::domain::TextExplanation;
use crate::error::{Error, Result};
use crate::model::runtime::occlusion::GoOn;
use crate::preprocess::text::Read;

/// What a scorer makes of a batch.
pub(super) trait Reading {
    /// Of each text and category the strongest window's word.
    fn said(&self) -> &[Said];

    /// Texts, by their places, that the scorer failed on, and how.
    fn faults(&self) -> &[(usize, Error)] {
        &[]
    }

    /// Which tokens of that window weigh how much, for the word at `row`, of a text that was read as `read`. `None`: it cannot be
    /// told, or only at a price that nobody asked for. `asked`: somebody did, and waits as long as it says so.
    ///
    /// # Errors
    /// [`Error::Model`] when the model fails.
    fn explain(&self, row: usize, read: &Read, asked: Option<GoOn<'_>>) -> Result<Option<TextExplanation>>;
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
