//! Golden samples: inputs with known outputs, kept beside a model, that show it runs here as it ran where it was made.

use serde::{Deserialize, Serialize};

/// The JSON file that `golden.file` of a manifest names.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenFile {
    /// One or more samples.
    pub samples: Vec<GoldenSample>,
}

/// One sample: the input its model's kind needs, and the output.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenSample {
    /// Name of an image file of the folder; of encoders and image classifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// An embedding; of heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Vec<f32>>,
    /// A text, of which the first passage counts; of text classifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the model must give: the embedding, or the logits in the order of its labels.
    pub output: Vec<f32>,
}

/// What a sample feeds.
#[derive(Debug)]
pub enum GoldenInput {
    /// Bytes of an image file.
    Image(Vec<u8>),
    /// An embedding.
    Embedding(Vec<f32>),
    /// A text.
    Text(String),
}
