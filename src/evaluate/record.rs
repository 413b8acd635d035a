//! What is kept of a rated listing: a line of `scores.jsonl`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::domain::Category;
use crate::evaluate::case::Case;
use crate::evaluate::quality::Quality;
use crate::transport::proto;

/// A rated listing. Probabilities are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 over the listing's content, the models, the policy and the degradation: the same key, the same scores.
    pub key: String,
    /// Name of the degradation; empty for the listing as it is. Only in `stress.jsonl`.
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
    /// How bright and sharp it is; null when not decoded, and for degraded copies.
    pub quality: Option<Quality>,
}

/// Microseconds; see the proto for what each covers.
#[expect(missing_docs, reason = "names of the proto")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    pub queue_wait_us: u64,
    pub decode_us: u64,
    pub resize_us: u64,
    pub image_inference_us: u64,
    pub text_features_us: u64,
    pub text_inference_us: u64,
    pub score_us: u64,
    pub total_us: u64,
}

impl Record {
    /// What `response` says of `case`.
    pub fn new(
        key: String,
        variant: String,
        case: &Case,
        response: &proto::ClassifyResponse,
        qualities: &[Option<Quality>],
    ) -> Self {
        let scores = |rating: &proto::CategoryRating| {
            let scores = Scores {
                probability: rating.probability,
                image_probability: rating.image_probability,
                text_probability: rating.text_probability,
                level: short(rating.level().as_str_name(), "LEVEL_"),
            };
            Some((Category::new(&rating.category).ok()?, scores))
        };
        let mut record = Self {
            key,
            variant,
            id: String::new(),
            labels: Vec::new(),
            source: String::new(),
            seller: String::new(),
            group: String::new(),
            slices: Vec::new(),
            categories: response.categories.iter().filter_map(scores).collect(),
            risk: response.risk,
            level: short(response.level().as_str_name(), "LEVEL_"),
            suggestion: short(response.suggestion().as_str_name(), "SUGGESTION_"),
            images: response
                .images
                .iter()
                .enumerate()
                .map(|(index, image)| image_record(image, qualities.get(index).copied().flatten()))
                .collect(),
            languages: response.texts.iter().map(|text| short(text.language().as_str_name(), "LANGUAGE_")).collect(),
            obfuscated: response.texts.iter().flat_map(|text| &text.terms).any(|term| term.obfuscated),
            reasons: response.reasons.iter().map(reason).collect(),
            missing: response.missing.clone(),
            timings: response.timings.map(timings).unwrap_or_default(),
        };
        record.describe(case);
        record
    }

    /// Takes over what the input says of the listing: labels may have been mended since it was rated.
    pub fn describe(&mut self, case: &Case) {
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

fn image_record(image: &proto::ImageRating, quality: Option<Quality>) -> ImageRecord {
    let probabilities =
        image.scores.iter().filter_map(|score| Some((Category::new(&score.category).ok()?, score.probability)));
    ImageRecord {
        status: short(image.status().as_str_name(), "IMAGE_STATUS_"),
        width: image.width,
        height: image.height,
        probabilities: probabilities.collect(),
        quality,
    }
}

fn reason(reason: &proto::Reason) -> String {
    let code = short(reason.code().as_str_name(), "REASON_CODE_");
    if reason.category.is_empty() { code } else { format!("{code}: {}", reason.category) }
}

fn timings(timings: proto::Timings) -> Timings {
    Timings {
        queue_wait_us: timings.queue_wait_us,
        decode_us: timings.decode_us,
        resize_us: timings.resize_us,
        image_inference_us: timings.image_inference_us,
        text_features_us: timings.text_features_us,
        text_inference_us: timings.text_inference_us,
        score_us: timings.score_us,
        total_us: timings.total_us,
    }
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}
