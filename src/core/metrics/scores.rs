//! What the first look scores, and how far that has drifted from what its models' cards name.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::domain::{Category, Logit, Modality, PerCategory};
use crate::drift::{SCORE_BOUNDS, Shares, bin, stability};

/// Scores before which nothing is said of a drift.
const FEWEST: u64 = 1_000;
/// At so many all counts are halved: what is told is of late.
const MOST: u64 = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Scored {
    modality: &'static str,
    category: String,
}

/// Scores of a category in images or texts, by bin, and the shares that the card names.
#[derive(Debug, Default)]
struct Seen {
    counts: [u64; SCORE_BOUNDS.len() + 1],
    reference: Option<Shares>,
}

/// Histograms of what the models in service score, and their drift.
#[derive(Debug)]
pub struct ScoreMetrics {
    scores: Family<Scored, Histogram>,
    drift: Family<Scored, Gauge<f64, AtomicU64>>,
    seen: Mutex<Serving>,
}

/// What serves, and what it scored so far.
#[derive(Debug, Default)]
struct Serving {
    generation: u64,
    seen: HashMap<(Modality, Category), Seen>,
}

impl Default for ScoreMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SCORE_BOUNDS);
        Self { scores: Family::new_with_constructor(histogram), drift: Family::default(), seen: Mutex::default() }
    }
}

impl ScoreMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "first_look_scores",
            "Calibrated probability after the first look, of what serves now",
            self.scores.clone(),
        );
        registry.register(
            "score_drift",
            "Population stability index of these scores against the shares on the model's card; above 0.1 look, above 0.25 act",
            self.drift.clone(),
        );
    }

    /// The generation of that number serves, whose models' cards name these shares. What another scored before is forgotten.
    pub fn serves(&self, generation: u64, references: impl Iterator<Item = ((Modality, Category), Shares)>) {
        let mut serving = self.seen.lock();
        if serving.generation == generation && !serving.seen.is_empty() {
            return;
        }
        self.scores.clear();
        self.drift.clear();
        let seen = references.map(|(of, shares)| (of, Seen { reference: Some(shares), ..Seen::default() })).collect();
        *serving = Serving { generation, seen };
    }

    /// The first look of a generation scored an image or a text so; what does not serve, as a canary, is left out.
    pub fn scored(&self, generation: u64, modality: Modality, logits: &PerCategory<Logit>) {
        let mut serving = self.seen.lock();
        if serving.generation != generation {
            return;
        }
        for (category, logit) in logits.iter() {
            let probability = logit.probability().value();
            self.scores.get_or_create(&labels(modality, category)).observe(probability);
            let counts = &mut serving.seen.entry((modality, category)).or_default().counts;
            counts.get_mut(bin(probability)).into_iter().for_each(|count| *count += 1);
            if counts.iter().sum::<u64>() >= MOST {
                counts.iter_mut().for_each(|count| *count /= 2);
            }
        }
    }

    /// Works the drift out, for who asks now.
    pub(super) fn render(&self) {
        for ((modality, category), Seen { counts, reference }) in &self.seen.lock().seen {
            if let Some(reference) = reference.as_ref().filter(|_| counts.iter().sum::<u64>() >= FEWEST) {
                self.drift.get_or_create(&labels(*modality, *category)).set(stability(counts, reference));
            }
        }
    }
}

fn labels(modality: Modality, category: Category) -> Scored {
    let modality = match modality {
        Modality::Images => "image",
        Modality::Texts => "text",
    };
    Scored { modality, category: category.to_string() }
}
