//! The words of the trade: listings, categories, logits, probabilities, ratings. Plain data that every stage shares.
//! Calls nothing, does no I/O.

mod rating;

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use rating::{
    CategoryRating, DEFAULT_SET, FoundTerm, ImageCategoryScore, ImageExplanation, ImageRating, LegalBasis,
    PolicyVersion, Rating, Reason, ReasonCode, SetVersion, TextCategoryScore, TextRating, Timings, TokenContribution,
};

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

impl Suggestion {
    /// The name used in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Block => "block",
        }
    }
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

impl TermKind {
    /// The name used in the policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::CodeWord => "code_word",
            Self::LookAlike => "look_alike",
        }
    }
}

/// The two sides of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Somebody sells.
    Sale,
    /// Somebody wants to buy.
    Wanted,
    /// Somebody tells of others who do: news, a court.
    Report,
}

/// What a listing names that is no category of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A registered medicine whose recipe has or had a product of ours in it.
    LicensedMedicine,
    /// A product of another protected animal.
    OtherWildlife,
}

/// What else a text says besides naming things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    /// It sells: a sign of sale stands in it.
    pub sale: bool,
    /// It wants to buy.
    pub wanted: bool,
    /// It tells of others who trade.
    pub reports: bool,
}

impl Signs {
    /// What either says.
    pub fn or(self, other: Self) -> Self {
        Self {
            sale: self.sale || other.sale,
            wanted: self.wanted || other.wanted,
            reports: self.reports || other.reports,
        }
    }
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

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageStatus {
    /// Decoded and rated.
    #[default]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ModelVersion {
    /// Name of the model.
    pub name: String,
    /// Version, the folder's name.
    pub version: String,
    /// SHA-256 of the manifest, which holds the hash of every other file; lower-case hex.
    pub sha256: String,
}
