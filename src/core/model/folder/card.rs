//! What people should know of a model.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::Category;
use crate::drift::Shares;

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
    /// By category, which share of usual images or texts it scores how high: what drift is measured against.
    #[serde(default)]
    pub reference: BTreeMap<Category, Shares>,
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
