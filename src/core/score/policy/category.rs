//! `[[category]]`: what is looked for, in the order of answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::domain::{Category, LegalBasis, Modality, Probability};
use crate::score::fuse::FusionWeights;

/// Most categories of a policy.
pub const MAX_CATEGORIES: usize = 64;

/// Most other names of a category, and characters of one.
const MAX_ALIASES: usize = 64;
const MAX_ALIAS_CHARS: usize = 64;

/// Most models that rate a category together.
const MAX_JOINED: usize = 8;
/// Least weight of one of them: less would say that it should not run.
const LEAST_WEIGHT: f64 = 0.001;

/// A text in the two languages of the answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// Weights of models that rate a category together, by name; none: one model rates it alone.
pub type Weights = BTreeMap<String, f64>;

/// How the scores of several models are made one, by modality: the mean of their calibrated logits by these weights. A model
/// that does not answer leaves the mean to the others.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Join {
    /// Of models that look at images.
    pub images: Weights,
    /// Of models that read texts.
    pub texts: Weights,
}

impl Join {
    /// The weights of a modality.
    pub fn of(&self, modality: Modality) -> &Weights {
        match modality {
            Modality::Images => &self.images,
            Modality::Texts => &self.texts,
        }
    }

    fn check(&self) -> Result<(), String> {
        for modality in [Modality::Images, Modality::Texts] {
            let weights = self.of(modality);
            if !weights.is_empty() && !(2..=MAX_JOINED).contains(&weights.len()) {
                let given = weights.len();
                return Err(format!("join.{modality}: {given} models; name 2 to {MAX_JOINED}, or none"));
            }
            if let Some((name, weight)) = weights.iter().find(|(_, weight)| !(LEAST_WEIGHT..=1.0).contains(*weight)) {
                return Err(format!("join.{modality}.{name}: {weight} must be in {LEAST_WEIGHT} to 1"));
            }
        }
        Ok(())
    }
}

/// A category as the policy declares it.
#[derive(Debug, Clone)]
pub struct CategoryPolicy {
    /// Its name.
    pub category: Category,
    /// What people call it.
    pub title: Bilingual,
    /// What counts as one, in a line.
    pub description: Bilingual,
    /// What labelled data may call it besides.
    pub aliases: Vec<String>,
    /// Whether it is looked for.
    pub enabled: bool,
    /// Whether to name the product is to offer it, as the law has it for some: a claim alone is a REVIEW.
    pub claim_is_enough: bool,
    /// How the scores of several models are joined before.
    pub join: Join,
    /// How its scores are fused.
    pub fusion: FusionWeights,
    /// Fused probability from which a listing is suggested for review.
    pub review: Probability,
    /// Fused probability from which a listing is suggested to be blocked.
    pub block: Probability,
    /// Ids of the rules of law that a suspicion touches.
    pub legal_basis: Vec<String>,
}

/// As the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCategory {
    name: Category,
    title: Bilingual,
    description: Bilingual,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    claim_is_enough: bool,
    #[serde(default)]
    join: Join,
    fusion: FusionWeights,
    review: Option<f64>,
    block: Option<f64>,
    legal_basis: Vec<String>,
}

impl RawCategory {
    /// What it is called.
    pub(super) fn name(&self) -> Category {
        self.name
    }
}

fn yes() -> bool {
    true
}

/// Checks the declarations; `usual` thresholds are those of a category that has none of its own.
///
/// # Errors
/// What is wrong, naming the key, the value and what is allowed.
pub(super) fn checked(
    raw: Vec<RawCategory>,
    usual: (Probability, Probability),
    known: &[LegalBasis],
) -> Result<Vec<CategoryPolicy>, String> {
    if !(1..=MAX_CATEGORIES).contains(&raw.len()) {
        return Err(format!("category: {} entries; there must be 1 to {MAX_CATEGORIES}", raw.len()));
    }
    let categories = raw.into_iter().map(|raw| one(raw, usual, known)).collect::<Result<Vec<_>, _>>()?;
    if !categories.iter().any(|declared| declared.enabled) {
        return Err("category: none is enabled, so nothing would be looked for".into());
    }
    let mut names: BTreeMap<&str, Category> = BTreeMap::new();
    for declared in &categories {
        let own: BTreeSet<&str> =
            declared.aliases.iter().map(String::as_str).chain([declared.category.name()]).collect();
        for name in own {
            if let Some(other) = names.insert(name, declared.category) {
                let category = declared.category;
                let again = if other == category { "is given twice" } else { "is another category's, too" };
                return Err(format!("category.{category}: the name {name:?} {again}"));
            }
        }
    }
    Ok(categories)
}

fn one(raw: RawCategory, usual: (Probability, Probability), known: &[LegalBasis]) -> Result<CategoryPolicy, String> {
    let category = raw.name;
    let told = |problem: String| format!("category.{category}: {problem}");
    raw.join.check().map_err(told)?;
    raw.fusion.check().map_err(|problem| told(format!("fusion: {problem}")))?;
    for (key, words) in [("title", &raw.title), ("description", &raw.description)] {
        if words.en.trim().is_empty() || words.zh.trim().is_empty() {
            return Err(told(format!("{key}: en and zh must both say something")));
        }
    }
    if raw.aliases.len() > MAX_ALIASES {
        return Err(told(format!("aliases: {} of them; at most {MAX_ALIASES}", raw.aliases.len())));
    }
    // Lists of labels are separated by semicolons in tables.
    let is_odd = |alias: &&String| {
        let plain = |c: char| c.is_control() || c == ';';
        alias.is_empty() || alias.trim() != *alias || alias.contains(plain) || alias.chars().count() > MAX_ALIAS_CHARS
    };
    if let Some(odd) = raw.aliases.iter().find(is_odd) {
        let shown: String = odd.chars().take(MAX_ALIAS_CHARS).collect();
        return Err(told(format!(
            "aliases: {shown:?} must be 1 to {MAX_ALIAS_CHARS} characters without a semicolon, none blank at an end"
        )));
    }
    if let Some(lost) = raw.legal_basis.iter().find(|id| !known.iter().any(|basis| basis.id == **id)) {
        return Err(told(format!("legal_basis: no [[legal_basis]] has the id {lost:?}")));
    }
    let (review, block) = (raw.review.unwrap_or(usual.0.value()), raw.block.unwrap_or(usual.1.value()));
    let (review, block) = suggestion_thresholds((review, block)).map_err(told)?;
    Ok(CategoryPolicy {
        category,
        title: raw.title,
        description: raw.description,
        aliases: raw.aliases,
        enabled: raw.enabled,
        claim_is_enough: raw.claim_is_enough,
        join: raw.join,
        fusion: raw.fusion,
        review,
        block,
        legal_basis: raw.legal_basis,
    })
}

/// From which probability a listing is suggested for review, and from which to be blocked.
///
/// # Errors
/// When one is no probability, or review is not below block.
pub(super) fn suggestion_thresholds((review, block): (f64, f64)) -> Result<(Probability, Probability), String> {
    let read = |key: &str, value| probability(key, value);
    let (review, block) = (read("review", review)?, read("block", block)?);
    if review >= block {
        return Err(format!("review: {} must be below block, {}", review.value(), block.value()));
    }
    Ok((review, block))
}

/// A probability above 0 and below 1.
pub(super) fn probability(key: &str, value: f64) -> Result<Probability, String> {
    let inside = value > 0.0 && value < 1.0;
    Probability::new(value).filter(|_| inside).ok_or_else(|| format!("{key}: {value} must be above 0 and below 1"))
}
