//! Golden samples: inputs with known outputs, kept beside a model, that show it runs here as it ran where it was made.

use serde::Deserialize;

/// The JSON file that `golden.file` of a manifest names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenFile {
    /// One or more samples.
    pub samples: Vec<GoldenSample>,
}

/// One sample: the input its model's kind needs, and the output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenSample {
    /// An image file of the folder; of encoders.
    pub image: Option<String>,
    /// An embedding; of heads.
    pub embedding: Option<Vec<f32>>,
    /// A text of one window; of text classifiers.
    pub text: Option<String>,
    /// What the model must give: the embedding, or the logits in the order of its labels.
    pub output: Vec<f32>,
}
