//! A listing as it comes, and what can become of its parts.

use std::ops::Range;

use bytes::Bytes;

use super::category::Category;

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
    /// Categories to rate; empty: all that the policy looks for.
    pub categories: Vec<Category>,
    /// Return token contributions.
    pub explain_text: bool,
    /// Return heat maps and boxes.
    pub explain_images: bool,
    /// Answer with the SHA-256 of each image.
    pub image_sha256: bool,
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
    /// What is written in the image at this place in the listing.
    Image(usize),
}

impl TextField {
    /// The name used in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Description => "description",
            Self::Image(_) => "image",
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

impl Language {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chinese => "chinese",
            Self::English => "english",
            Self::Mixed => "mixed",
            Self::Other => "other",
        }
    }
}

/// A half-open range of a caller's string, in bytes and in Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// UTF-8 bytes.
    pub bytes: Range<usize>,
    /// Unicode scalar values.
    pub chars: Range<usize>,
}
