//! Golden samples: inputs with known outputs, kept beside a model, that show it runs here as it ran where it was made.

use std::io::Cursor;

use image::ImageReader;
use ndarray::Array2;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::manifest::Kind;
use crate::model::registry::ModelFolder;

/// The JSON file `golden.file` of a manifest names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenFile {
    /// One or more samples.
    pub samples: Vec<GoldenSample>,
}

/// One sample: the fields its model's kind needs, and the output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenSample {
    /// An image file of the folder; of encoders and image classifiers.
    pub image: Option<String>,
    /// An embedding; of heads.
    pub embedding: Option<Vec<f32>>,
    /// A text; of text classifiers.
    pub text: Option<String>,
    /// What the model must give: the embedding, or the logits in the order of its labels.
    pub output: Vec<f32>,
}

/// How far one sample was off.
#[derive(Debug, Clone)]
pub struct GoldenDifference {
    /// Largest absolute difference.
    pub largest: f32,
    /// What the manifest allows.
    pub tolerance: f32,
}
