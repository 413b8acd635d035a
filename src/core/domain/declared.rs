//! What a policy declares, as far as the choice of models must know.

use std::collections::BTreeMap;
use std::fmt;

use super::category::Category;

/// What of a listing a model speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modality {
    /// Its photos.
    Images,
    /// Its title and description.
    Texts,
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Texts => "texts",
        })
    }
}

/// What a model rates: a category, by images or by texts.
pub type Rated = (Category, Modality);

/// The categories of a policy, and which models it joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    categories: Vec<Category>,
    joined: BTreeMap<Rated, Vec<String>>,
}

impl Declared {
    /// Of `categories` in the order of answers; `joined` names the models that together rate a category.
    pub fn new(categories: Vec<Category>, joined: BTreeMap<Rated, Vec<String>>) -> Self {
        Self { categories, joined }
    }

    /// The categories, in the order of answers. None: no policy is known.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Whether `category` may be looked for; without a policy every one.
    pub fn may_rate(&self, category: Category) -> bool {
        self.categories.is_empty() || self.categories.contains(&category)
    }

    /// The models that the policy joins, by what they rate.
    pub fn joined(&self) -> impl Iterator<Item = (Rated, &[String])> {
        self.joined.iter().map(|(rated, models)| (*rated, models.as_slice()))
    }

    /// Whether the policy joins all of `models` where they rate the same.
    pub fn joins<'a>(&self, rated: Rated, mut models: impl Iterator<Item = &'a str>) -> bool {
        self.joined.get(&rated).is_some_and(|joined| models.all(|model| joined.iter().any(|name| name == model)))
    }
}
