//! What comes out: a listing's rating, part by part.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::category::Category;
use super::listing::{ImageStatus, Language, Span, TextField};
use super::reason::Reason;
use super::scale::{Level, Probability, Suggestion};
use super::words::TermKind;
use super::written::Written;

/// A finished rating.
#[derive(Debug, Clone)]
pub struct Rating {
    /// Id of the call.
    pub request_id: String,
    /// The caller's id of the listing.
    pub listing_id: String,
    /// Highest fused probability of a category that was looked at; the deployment prior when none was.
    pub risk: Probability,
    /// Highest level of a category; above risk's own band where a rule raised it.
    pub level: Level,
    /// What the policy proposes.
    pub suggestion: Suggestion,
    /// One entry a rated category.
    pub categories: Vec<CategoryRating>,
    /// One entry an image, in the order of the request.
    pub images: Vec<ImageRating>,
    /// One entry a non-blank text.
    pub texts: Vec<TextRating>,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
    /// Provisions of law that the suspected categories touch; empty for PASS.
    pub legal_basis: Vec<LegalBasis>,
    /// A part of the listing or a model did not take part.
    pub degraded: bool,
    /// What did not take part.
    pub missing: Vec<Missing>,
    /// The models that took part.
    pub models: Vec<ModelVersion>,
    /// Version of the policy.
    pub policy: PolicyVersion,
    /// Where the time went.
    pub timings: Timings,
    /// What its parts passed through.
    pub steps: Vec<Step>,
    /// When it was made.
    pub rated_at: SystemTime,
}

/// Version and content hash of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyVersion {
    /// As the file says.
    pub version: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

/// Name of the set that folders, rules and the policy file choose.
pub const DEFAULT_SET: &str = "default";

/// Models and a policy that serve together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetVersion {
    /// Name of a set, or [`DEFAULT_SET`].
    pub name: String,
    /// SHA-256 over name, version and hash of every model and the hash of the policy, lower-case hex: sets of equal hash rate
    /// alike.
    pub sha256: String,
}

/// The rating of one category.
#[derive(Debug, Clone)]
pub struct CategoryRating {
    /// What was looked for.
    pub category: Category,
    /// Fused, at the deployment prior.
    pub probability: Probability,
    /// Calibrated, of the best image alone, at the models' own prior: not comparable with `probability`. `None`: no image was rated.
    pub image_probability: Option<Probability>,
    /// The same of the strongest passage, less the policy's caution. `None`: no text was rated.
    pub text_probability: Option<Probability>,
    /// Band of `probability`; at least LOW where a rule raised the category to REVIEW.
    pub level: Level,
    /// Image with the highest probability.
    pub best_image_id: Option<String>,
}

impl CategoryRating {
    /// Nothing that was looked at says anything of the category: its probability is the deployment prior.
    pub fn is_unrated(&self) -> bool {
        self.image_probability.is_none() && self.text_probability.is_none()
    }
}

/// What an image is, whatever it shows.
#[derive(Debug, Clone, Default)]
pub struct ImageFacts {
    /// What became of it.
    pub status: ImageStatus,
    /// Why the status is not OK.
    pub message: String,
    /// Format name; empty when not recognised.
    pub format: &'static str,
    /// Pixels after orientation; 0 when not decoded.
    pub width: u32,
    /// Pixels after orientation; 0 when not decoded.
    pub height: u32,
    /// Frames looked at.
    pub frames: usize,
}

/// What was seen in one image.
#[derive(Debug, Clone)]
pub struct ImageRating {
    /// The caller's id, or the index.
    pub image_id: String,
    /// What it is.
    pub facts: ImageFacts,
    /// SHA-256 of the bytes, lower-case hex; empty unless asked for.
    pub sha256: String,
    /// Calibrated probability a category.
    pub scores: Vec<ImageCategoryScore>,
    /// Calibrated probability of labels that feed no category, by name.
    pub labels: Vec<(String, Probability)>,
    /// Whether the scores were remembered: the same bytes were rated before.
    pub cached: bool,
    /// Looks that the scores are made of; 0 when it was not rated.
    pub looks: usize,
}

/// Score of an image for a category.
#[derive(Debug, Clone)]
pub struct ImageCategoryScore {
    /// What was looked for in it.
    pub category: Category,
    /// Calibrated.
    pub probability: Probability,
    /// The same after each look, the last of which gives `probability`.
    pub by_look: Vec<Probability>,
    /// Where the evidence is.
    pub explanation: Option<ImageExplanation>,
}

/// Where in an image the evidence is.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageExplanation {
    /// Rows of the map.
    pub rows: usize,
    /// Columns of the map.
    pub columns: usize,
    /// `[rows, columns]`, row by row: of one scorer its logits, not calibrated; of several the mean of their calibrated ones.
    pub values: Vec<f32>,
    /// left, top, right, bottom as fractions of width and height.
    pub bounding_box: Option<[f32; 4]>,
    /// What a value is.
    pub attribution: Attribution,
}

/// What was read in one text.
#[derive(Debug, Clone)]
pub struct TextRating {
    /// Title or description.
    pub field: TextField,
    /// Main language.
    pub language: Language,
    /// One entry a rated category.
    pub scores: Vec<TextCategoryScore>,
    /// Lexicon terms found.
    pub terms: Vec<FoundTerm>,
    /// Looks that the scores are made of; 0 when it was not rated.
    pub looks: usize,
    /// Of words in an image: its id, and what was read where.
    pub written: Option<(String, Written)>,
}

/// Score of a text for a category.
#[derive(Debug, Clone)]
pub struct TextCategoryScore {
    /// What was looked for in it.
    pub category: Category,
    /// Calibrated, of the strongest passage, less the policy's caution.
    pub probability: Probability,
    /// The same after each look, the last of which gives `probability`.
    pub by_look: Vec<Probability>,
    /// Which tokens of that passage weigh how much; when asked for.
    pub explanation: Option<TextExplanation>,
}

/// Which tokens of a passage weigh how much for a category. `bias` and all contributions together are its logit: before calibration
/// of one model, joined and less the policy's caution of several.
#[derive(Debug, Clone, PartialEq)]
pub struct TextExplanation {
    /// In the order of the text.
    pub tokens: Vec<TokenContribution>,
    /// What no token adds, in logits.
    pub bias: f64,
    /// What a contribution is.
    pub attribution: Attribution,
}

/// What a contribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// What the model adds for it, whatever stands beside it.
    Exact,
    /// What the logit loses when it is taken out.
    Occlusion,
}

/// One token's part in a score.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenContribution {
    /// Where, in the caller's string.
    pub span: Span,
    /// As matched.
    pub token: String,
    /// Logits.
    pub contribution: f64,
}

/// A lexicon term in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTerm {
    /// Where, in the caller's string.
    pub span: Span,
    /// The lexicon's spelling.
    pub term: String,
    /// What it says.
    pub kind: TermKind,
    /// Of which category.
    pub category: Category,
    /// The text hides it.
    pub obfuscated: bool,
}

/// Why a look that the policy wants was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Too much waits.
    Busy,
    /// The share that may take it is used up.
    Budget,
    /// Its caller would not have waited for it.
    Late,
    /// A model of it is not in service.
    Absent,
}

impl LeftOut {
    /// The name used in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Budget => "budget",
            Self::Late => "late",
            Self::Absent => "absent",
        }
    }
}

/// What a rating lacks, or is unsure of; any makes it degraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// No image was rated.
    Images,
    /// No text was rated.
    Texts,
    /// A text is in a language that nothing here reads.
    Language,
    /// This image.
    Image(String),
    /// Later frames of this image.
    Frames(String),
    /// This image is damaged, and decoders make different pictures of it.
    Damaged(String),
    /// A further look at this image that the policy wants, and why it was not taken.
    ImageLook(String, LeftOut),
    /// The same of this text.
    TextLook(TextField, LeftOut),
    /// The words in this image, which the policy wants read.
    Words(String, LeftOut),
    /// This model.
    Model(String),
    /// No model in service feeds this category.
    Category(Category),
}

impl Missing {
    /// A look that was left out for load, budget or deadline: the next time it may be taken.
    pub fn is_for_want_of_time(&self) -> bool {
        matches!(self, Self::ImageLook(_, why) | Self::TextLook(_, why) | Self::Words(_, why) if *why != LeftOut::Absent)
    }
}

impl std::fmt::Display for Missing {
    /// As the contract writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Images => f.write_str("image"),
            Self::Texts => f.write_str("text"),
            Self::Language => f.write_str("text:language"),
            Self::Image(id) => write!(f, "image:{id}"),
            Self::Frames(id) => write!(f, "image:{id}:frames_left_out"),
            Self::Damaged(id) => write!(f, "image:{id}:damaged"),
            Self::ImageLook(id, why) => write!(f, "image:{id}:look:{}", why.name()),
            Self::TextLook(field, why) => write!(f, "text:{}:look:{}", field.name(), why.name()),
            Self::Words(id, why) => write!(f, "image:{id}:words:{}", why.name()),
            Self::Model(name) => write!(f, "model:{name}"),
            Self::Category(category) => write!(f, "category:{category}"),
        }
    }
}

/// A rule a suspicion touches, as the policy file gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// Stable id.
    pub id: String,
    /// The instrument with its version.
    pub instrument: String,
    /// Article or clause.
    #[serde(default)]
    pub article: String,
    /// ISO date; empty when unknown.
    #[serde(default)]
    pub in_force_since: String,
    /// One line.
    pub summary: String,
    /// The wording has not been checked against the official publication.
    #[serde(default)]
    pub unverified: bool,
}

/// Microseconds a stage; see the proto for what each covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Longest wait for a worker.
    pub queue_wait_us: u64,
    /// Decoding, summed.
    pub decode_us: u64,
    /// Resizing and normalising, summed.
    pub resize_us: u64,
    /// Image models, summed.
    pub image_inference_us: u64,
    /// Normalising, cutting and hashing the texts, summed.
    pub text_features_us: u64,
    /// Text models, summed.
    pub text_inference_us: u64,
    /// Of both, what looks after the first took.
    #[serde(default)]
    pub later_looks_us: u64,
    /// Finding and reading words in images, summed.
    #[serde(default)]
    pub words_us: u64,
    /// Calibration to explanation.
    pub score_us: u64,
    /// From the arrival at the pipeline to the rating, waits included.
    pub total_us: u64,
}

/// A part of the work on a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What was done, as the metrics call it.
    pub stage: &'static str,
    /// "image" or "text".
    pub modality: &'static str,
    /// Of which of them, from 0.
    pub part: usize,
    /// After the listing came. The stages of a part follow on one another.
    pub begin: Duration,
    /// How long it took.
    pub time: Duration,
}

/// Name, version and content of a model folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ModelVersion {
    /// Name of the model.
    pub name: String,
    /// Version, the folder's name.
    pub version: String,
    /// SHA-256 of the manifest, which holds the hash of every other file; lower-case hex.
    pub sha256: String,
}
