//! What is kept of a rated listing: a line of `scores.jsonl`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use wildwarden_core::domain::{
    Category, CategoryRating, ImageRating, Probability, Rating, Reason, TextRating, Timings,
};

use crate::evaluate::case::Case;
use crate::evaluate::quality::Quality;

/// A rated listing. Probabilities are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 over the listing's content, the models, the policy and the degradation: the same key, the same scores.
    pub key: String,
    /// Name of the degradation; empty for the listing as it is. Only in `stress/<degradation>.jsonl`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// The listing's id in the input.
    pub id: String,
    /// True categories; empty: negative.
    pub labels: Vec<Category>,
    /// As in the input; empty when unknown.
    pub source: String,
    /// As in the input; empty when unknown.
    pub seller: String,
    /// As in the input; empty when unknown.
    pub group: String,
    /// As in the input.
    pub slices: Vec<String>,
    /// Scores a category.
    pub categories: BTreeMap<Category, Scores>,
    /// Highest fused probability.
    pub risk: f64,
    /// minimal, low, medium, high or critical.
    pub level: String,
    /// pass, review or block.
    pub suggestion: String,
    /// One entry an image, in the order of the input.
    pub images: Vec<ImageRecord>,
    /// One entry a non-blank text (title, description).
    #[serde(default)]
    pub texts: Vec<TextRecord>,
    /// One entry a non-blank text (title, description): chinese, english, mixed or other.
    pub languages: Vec<String>,
    /// A lexicon term was found in disguise.
    pub obfuscated: bool,
    /// Codes of the reasons, the strongest first: `image_evidence`, or `image_evidence: NAME` for those of a category.
    pub reasons: Vec<String>,
    /// What did not take part, as in the answer.
    pub missing: Vec<String>,
    /// Microseconds a stage, as in the answer.
    pub timings: Timings,
}

/// Scores of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Fused, at the policy's deployment prior.
    pub probability: f64,
    /// Best image alone, calibrated, at the policy's training prior; null: no image took part.
    pub image_probability: Option<f64>,
    /// Strongest passage alone, calibrated, at the policy's training prior; null: no text took part.
    pub text_probability: Option<f64>,
    /// minimal, low, medium, high or critical.
    pub level: String,
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// ok, empty, unsupported_format, corrupt, truncated, too_many_pixels or not_rated.
    pub status: String,
    /// Pixels; 0 when not decoded.
    pub width: u32,
    /// Pixels; 0 when not decoded.
    pub height: u32,
    /// Calibrated, at the policy's training prior.
    pub probabilities: BTreeMap<Category, f64>,
    /// The same after each look.
    #[serde(default)]
    pub by_look: BTreeMap<Category, Vec<f64>>,
    /// How bright and sharp it is; null when not decoded, and for degraded copies.
    pub quality: Option<Quality>,
}

/// What was read in a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextRecord {
    /// Calibrated, at the policy's training prior, after each look.
    pub by_look: BTreeMap<Category, Vec<f64>>,
}

impl Record {
    /// What `rating` says of `case`.
    pub fn new(key: String, variant: String, case: &Case, rating: &Rating, qualities: &[Option<Quality>]) -> Self {
        let scores = |rated: &CategoryRating| {
            let scores = Scores {
                probability: rated.probability.value(),
                image_probability: rated.image_probability.map(Probability::value),
                text_probability: rated.text_probability.map(Probability::value),
                level: rated.level.name().to_owned(),
            };
            (rated.category, scores)
        };
        let quality = |index: usize| qualities.get(index).copied().flatten();
        let images = rating.images.iter().enumerate().map(|(index, image)| image_record(image, quality(index)));
        let mut record = Self {
            key,
            variant,
            id: String::new(),
            labels: Vec::new(),
            source: String::new(),
            seller: String::new(),
            group: String::new(),
            slices: Vec::new(),
            categories: rating.categories.iter().map(scores).collect(),
            risk: rating.risk.value(),
            level: rating.level.name().to_owned(),
            suggestion: rating.suggestion.name().to_owned(),
            images: images.collect(),
            texts: rating.texts.iter().map(text_record).collect(),
            languages: rating.texts.iter().map(|text| text.language.name().to_owned()).collect(),
            obfuscated: rating.texts.iter().flat_map(|text| &text.terms).any(|term| term.obfuscated),
            reasons: rating.reasons.iter().map(reason).collect(),
            missing: rating.missing.iter().map(ToString::to_string).collect(),
            timings: rating.timings,
        };
        record.update_from(case);
        record
    }

    /// Takes over what the input says of the listing: labels may have been mended since it was rated.
    pub fn update_from(&mut self, case: &Case) {
        self.id.clone_from(&case.id);
        self.labels.clone_from(&case.labels);
        self.source.clone_from(&case.source);
        self.seller.clone_from(&case.seller);
        self.group.clone_from(&case.group);
        self.slices.clone_from(&case.slices);
    }

    /// What was drawn by chance with this listing: its seller, else its group, else itself.
    pub fn cluster(&self) -> String {
        let of = |kind, name: &str| if name.is_empty() { None } else { Some(format!("{kind} {name}")) };
        of("seller", &self.seller)
            .or_else(|| of("group", &self.group))
            .unwrap_or_else(|| format!("listing {}", self.id))
    }

    /// Whether the suggestion is REVIEW or BLOCK.
    pub fn is_flagged(&self) -> bool {
        self.suggestion != "pass"
    }
}

fn image_record(image: &ImageRating, quality: Option<Quality>) -> ImageRecord {
    let probabilities = image.scores.iter().map(|score| (score.category, score.probability.value()));
    ImageRecord {
        status: image.facts.status.name().to_owned(),
        width: image.facts.width,
        height: image.facts.height,
        probabilities: probabilities.collect(),
        by_look: image.scores.iter().map(|score| by_look(score.category, &score.by_look)).collect(),
        quality,
    }
}

fn text_record(text: &TextRating) -> TextRecord {
    TextRecord { by_look: text.scores.iter().map(|score| by_look(score.category, &score.by_look)).collect() }
}

fn by_look(category: Category, probabilities: &[Probability]) -> (Category, Vec<f64>) {
    (category, probabilities.iter().map(|probability| probability.value()).collect())
}

fn reason(reason: &Reason) -> String {
    let code = reason.code.name();
    reason.category.map_or_else(|| code.to_owned(), |category| format!("{code}: {category}"))
}
