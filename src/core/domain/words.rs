//! What words of a text can say.

use serde::Deserialize;

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

/// What a text says of a trade besides naming the product.
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
