//! The words of the trade: listings, categories, logits, probabilities, ratings. Plain data that every stage shares.
//! Calls nothing, does no I/O.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What the server looks for. The order is the order of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Ivory, raw or worked.
    Ivory,
    /// Pangolin scales.
    PangolinScale,
    /// Rhinoceros horn.
    RhinoHorn,
}

impl Category {
    /// Every category, in the order of answers.
    pub const ALL: [Self; 3] = [Self::Ivory, Self::PangolinScale, Self::RhinoHorn];

    /// The name used in files, logs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ivory => "ivory",
            Self::PangolinScale => "pangolin_scale",
            Self::RhinoHorn => "rhino_horn",
        }
    }
}

/// A value a category. `None`: the category has none.
#[derive(Debug, Clone, PartialEq)]
pub struct PerCategory<T>([Option<T>; 3]);

impl<T> Default for PerCategory<T> {
    fn default() -> Self {
        Self([None, None, None])
    }
}

impl<T> PerCategory<T> {
    fn slot(category: Category) -> usize {
        match category {
            Category::Ivory => 0,
            Category::PangolinScale => 1,
            Category::RhinoHorn => 2,
        }
    }

    /// The value of `category`.
    pub fn get(&self, category: Category) -> Option<&T> {
        self.0.get(Self::slot(category)).and_then(Option::as_ref)
    }

    /// Sets the value of `category`.
    pub fn set(&mut self, category: Category, value: T) {
        if let Some(slot) = self.0.get_mut(Self::slot(category)) {
            *slot = Some(value);
        }
    }

    /// Takes the value of `category` out.
    pub fn take(&mut self, category: Category) -> Option<T> {
        self.0.get_mut(Self::slot(category)).and_then(Option::take)
    }

    /// Whether no category has a value.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Log-odds, any finite number.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Logit(pub f64);

/// A probability in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Logit {
    /// The logistic function. Never overflows.
    pub fn probability(self) -> Probability {
        Probability(if self.0 >= 0.0 {
            1.0 / (1.0 + (-self.0).exp())
        } else {
            let e = self.0.exp();
            e / (1.0 + e)
        })
    }
}

impl Probability {
    /// Checks that `value` is in [0, 1].
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The log-odds; infinite at 0 and 1.
    pub fn logit(self) -> Logit {
        Logit((self.0 / (1.0 - self.0)).ln())
    }
}

/// Bands of risk, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Below every threshold.
    Minimal,
    /// Slight.
    Low,
    /// Worth a look.
    Medium,
    /// Likely.
    High,
    /// Very likely.
    Critical,
}

/// What the policy proposes, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suggestion {
    /// Nothing to act on.
    Pass,
    /// A moderator should look.
    Review,
    /// Hold back until a moderator has looked.
    Block,
}

/// What a lexicon term says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TermKind {
    /// Names the product openly.
    Claim,
    /// Trade slang, mostly an ordinary word.
    CodeWord,
    /// A legal or false material.
    LookAlike,
}

/// One listing, checked against the limits.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Id of the call.
    pub request_id: String,
    /// The caller's id of the listing.
    pub listing_id: String,
    /// Title, may be empty.
    pub title: String,
    /// Description, may be empty.
    pub description: String,
    /// Photographs.
    pub images: Vec<ListingImage>,
    /// Per-call options.
    pub options: Options,
}

/// One photograph as it came.
#[derive(Debug, Clone)]
pub struct ListingImage {
    /// The caller's id, or the index.
    pub image_id: String,
    /// The file's bytes.
    pub content: Bytes,
}

/// Per-call options.
#[derive(Debug, Clone)]
pub struct Options {
    /// Categories to rate, in the order of answers, without repeats.
    pub categories: Vec<Category>,
    /// Return token contributions.
    pub explain_text: bool,
    /// Return heat maps and boxes.
    pub explain_images: bool,
}

/// What became of an image that could not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStatus {
    /// Decoded and rated.
    Ok,
    /// No bytes.
    Empty,
    /// Not a format of the contract.
    UnsupportedFormat,
    /// Does not decode.
    Corrupt,
    /// Ends too early.
    Truncated,
    /// Too many pixels, or too much memory.
    TooManyPixels,
    /// Decoded, but no model answered.
    NotRated,
}

impl ImageStatus {
    /// The name used in reasons and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Empty => "empty",
            Self::UnsupportedFormat => "unsupported_format",
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::TooManyPixels => "too_many_pixels",
            Self::NotRated => "not_rated",
        }
    }
}

/// Which text of the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// The title.
    Title,
    /// The description.
    Description,
}

impl TextField {
    /// The name used in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Description => "description",
        }
    }
}

/// Main language of a text, told from its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Han script.
    Chinese,
    /// Latin script.
    English,
    /// Both, each more than a fifth of the letters.
    Mixed,
    /// Neither, or no letters.
    Other,
}

/// A half-open range of a caller's string, in bytes and in Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// UTF-8 bytes.
    pub bytes: Range<usize>,
    /// Unicode scalar values.
    pub chars: Range<usize>,
}

/// Name, version and content of a model folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelVersion {
    /// Name of the model.
    pub name: String,
    /// Version, the folder's name.
    pub version: String,
    /// SHA-256 of the manifest, which holds the hash of every other file; lower-case hex.
    pub sha256: String,
}

/// A finished rating.
#[derive(Debug, Clone)]
pub struct Rating {
    /// Id of the call.
    pub request_id: String,
    /// The caller's id of the listing.
    pub listing_id: String,
    /// Highest fused probability.
    pub risk: Probability,
    /// Its band.
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
    /// Ids of the policy's legal bases that apply.
    pub legal_basis: Vec<LegalBasis>,
    /// A part of the listing or a model did not take part.
    pub degraded: bool,
    /// What did not take part.
    pub missing: Vec<String>,
    /// The models that took part.
    pub models: Vec<ModelVersion>,
    /// Version of the policy.
    pub policy: PolicyVersion,
    /// Where the time went.
    pub timings: Timings,
}

/// Version and content hash of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// As the file says.
    pub version: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

/// The rating of one category.
#[derive(Debug, Clone)]
pub struct CategoryRating {
    /// The category.
    pub category: Category,
    /// Fused, at the deployment prior.
    pub probability: Probability,
    /// Best image alone.
    pub image_probability: Option<Probability>,
    /// Strongest passage of text alone.
    pub text_probability: Option<Probability>,
    /// Band of `probability` after caps and floors.
    pub level: Level,
    /// Image with the highest probability.
    pub best_image_id: Option<String>,
}

/// What was seen in one image.
#[derive(Debug, Clone)]
pub struct ImageRating {
    /// The caller's id, or the index.
    pub image_id: String,
    /// What became of it.
    pub status: ImageStatus,
    /// Why the status is not OK.
    pub message: String,
    /// Format name; empty when not recognised.
    pub format: &'static str,
    /// Pixels after orientation.
    pub width: u32,
    /// Pixels after orientation.
    pub height: u32,
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
    /// Calibrated probability a category.
    pub scores: Vec<ImageCategoryScore>,
    /// Frames looked at.
    pub frames: usize,
}

/// Score of an image for a category.
#[derive(Debug, Clone)]
pub struct ImageCategoryScore {
    /// The category.
    pub category: Category,
    /// Calibrated.
    pub probability: Probability,
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
    /// Logits, row by row.
    pub values: Vec<f32>,
    /// left, top, right, bottom as fractions of width and height.
    pub bounding_box: Option<[f32; 4]>,
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
}

/// Score of a text for a category.
#[derive(Debug, Clone)]
pub struct TextCategoryScore {
    /// The category.
    pub category: Category,
    /// Calibrated, of the strongest passage.
    pub probability: Probability,
    /// Tokens of that passage, when asked for.
    pub tokens: Vec<TokenContribution>,
    /// Constant term of the classifier, in logits.
    pub bias: f64,
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

/// Why a rating is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonCode {
    /// The best image speaks for the category.
    ImageEvidence,
    /// The strongest passage speaks for the category.
    TextEvidence,
    /// The text names the product.
    ClaimTerm,
    /// The text has trade slang.
    CodeWord,
    /// The text names a look-alike.
    LookAlike,
    /// Image and text disagree.
    ModalitiesDisagree,
    /// An image could not be looked at.
    ImageUnreadable,
    /// A model did not answer.
    ModelMissing,
    /// The text hides a word.
    ObfuscatedText,
}

/// One reason with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// What it says.
    pub code: ReasonCode,
    /// Of which category; `None`: of the listing.
    pub category: Option<Category>,
    /// Values by name.
    pub arguments: BTreeMap<&'static str, String>,
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
    /// Categories it applies to; empty: all.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// The wording has not been checked against the official publication.
    #[serde(default)]
    pub unverified: bool,
}

/// Microseconds a stage; see the proto for what each covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Longest wait for a worker.
    pub queue_wait_us: u64,
    /// Decoding, summed.
    pub decode_us: u64,
    /// Resizing and normalising, summed.
    pub resize_us: u64,
    /// Image models, summed.
    pub image_inference_us: u64,
    /// Text features.
    pub text_features_us: u64,
    /// Text model.
    pub text_inference_us: u64,
    /// Calibration to explanation.
    pub score_us: u64,
    /// Whole.
    pub total_us: u64,
}
