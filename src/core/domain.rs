//! The words of the trade: listings, categories, logits, probabilities, ratings. Plain data that every stage shares.
//! Calls nothing, does no I/O.

mod category;
mod declared;
mod listing;
mod rating;
mod reason;
mod scale;
mod words;
mod written;

pub use category::{Category, PerCategory};
pub use declared::{Declared, Modality, Rated};
pub use listing::{ImageStatus, Language, Listing, ListingImage, Options, Span, TextField};
pub use rating::{
    Attribution, CategoryRating, DEFAULT_SET, FoundTerm, ImageCategoryScore, ImageExplanation, ImageFacts, ImageRating,
    LeftOut, LegalBasis, Missing, ModelVersion, PolicyVersion, Rating, SetVersion, Step, TextCategoryScore,
    TextExplanation, TextRating, Timings, TokenContribution,
};
pub use reason::{Reason, ReasonCode};
pub use scale::{Level, Logit, Probability, Suggestion};
pub use words::{Notice, Sign, Signs, TermKind};
pub use written::{Contact, ContactKind, Written, WrittenLine};
