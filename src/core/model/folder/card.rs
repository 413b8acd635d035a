//! What people should know of a model.

use serde::Deserialize;

/// The model card.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What it is, in a sentence.
    pub summary: String,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on.
    #[serde(default)]
    pub data: Vec<DataSource>,
    /// What it scored.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Where it fails, and what is unmeasured.
    #[serde(default)]
    pub known_failures: Vec<String>,
}

/// One source of training or evaluation data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Where it comes from.
    pub source: String,
    /// Its licence as found.
    pub licence: String,
    /// Number of images or texts.
    pub count: u64,
}

/// One measured figure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Lower and upper end of the 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Data, split and how.
    pub protocol: String,
}
