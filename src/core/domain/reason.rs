//! Why a rating is what it is.

use std::collections::BTreeMap;

use super::category::Category;

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
    /// A claim in disguise raised PASS to REVIEW, or is context.
    DisguisedClaim,
    /// A claim beside a sign of sale.
    ClaimForSale,
    /// A claim beside a sign that somebody wants to buy.
    WantedToBuy,
    /// The photo alone is a REVIEW, and the text does not clear it.
    PhotoStands,
    /// A registered medicine is named whose recipe has or had a product of ours in it.
    LicensedMedicine,
    /// A product of another protected animal is named.
    OtherWildlife,
    /// A text is in a language that nothing here reads.
    UnsupportedLanguage,
    /// The photo shows a live animal, and no word names a product: lowered BLOCK to REVIEW, or is context.
    LiveAnimal,
    /// Words in an image speak for the category.
    TextInImage,
    /// An image shows how to reach somebody past the platform.
    ContactInImage,
}

impl ReasonCode {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageEvidence => "image_evidence",
            Self::TextEvidence => "text_evidence",
            Self::ClaimTerm => "claim_term",
            Self::CodeWord => "code_word",
            Self::LookAlike => "look_alike",
            Self::ModalitiesDisagree => "modalities_disagree",
            Self::ImageUnreadable => "image_unreadable",
            Self::ModelMissing => "model_missing",
            Self::ObfuscatedText => "obfuscated_text",
            Self::DisguisedClaim => "disguised_claim",
            Self::ClaimForSale => "claim_for_sale",
            Self::WantedToBuy => "wanted_to_buy",
            Self::PhotoStands => "photo_stands",
            Self::LicensedMedicine => "licensed_medicine",
            Self::OtherWildlife => "other_wildlife",
            Self::UnsupportedLanguage => "unsupported_language",
            Self::LiveAnimal => "live_animal",
            Self::TextInImage => "text_in_image",
            Self::ContactInImage => "contact_in_image",
        }
    }
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
