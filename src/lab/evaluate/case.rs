//! A labelled listing, before it is rated.

use std::path::PathBuf;

use wildwarden_core::domain::Category;

/// A listing with what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// Unique in the input.
    pub id: String,
    /// May be empty.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// Image files.
    pub images: Vec<PathBuf>,
    /// What it offers, in the order of answers; empty: nothing prohibited.
    pub labels: Vec<Category>,
    /// Where the data comes from; may be empty.
    pub source: String,
    /// Who sells; may be empty.
    pub seller: String,
    /// Near-duplicates or the same object share it; may be empty.
    pub group: String,
    /// Free names of slices the listing belongs to.
    pub slices: Vec<String>,
    /// Anything else; may be empty.
    pub note: String,
}

/// Folder names and values of a label that mean "offers nothing prohibited".
pub const NEGATIVE_NAMES: [&str; 11] = [
    "negative",
    "negatives",
    "benign",
    "none",
    "other",
    "other_wildlife",
    "conservation",
    "mammoth",
    "elephant",
    "look_alike",
    "look_alikes",
];

/// How labels are read.
#[derive(Debug, Clone)]
pub enum LabelNames {
    /// Nobody asks what the listings offer: any label will do, and none is kept.
    Ignored,
    /// A category each, under several names, or a negative one.
    Known {
        /// What the policy looks for, in the order of answers, each with its other names.
        categories: Vec<(Category, Vec<String>)>,
        /// More names that mean "negative".
        negative: Vec<String>,
    },
}

impl LabelNames {
    /// # Errors
    /// A name that would mean a category and a negative one.
    pub fn known(categories: Vec<(Category, Vec<String>)>, negative: &[String]) -> Result<Self, String> {
        for (category, aliases) in &categories {
            let mut names = aliases.iter().map(String::as_str).chain([category.name()]);
            let is_negative = |name: &&str| NEGATIVE_NAMES.contains(name) || negative.iter().any(|other| other == name);
            if let Some(name) = names.find(is_negative) {
                return Err(format!("{name:?} means the category {category}, and that nothing prohibited is offered"));
            }
        }
        Ok(Self::Known { categories, negative: negative.to_owned() })
    }

    /// The categories that `names` mean, in the order of answers, without repeats.
    ///
    /// # Errors
    /// The name that means none, and what is allowed.
    pub fn read<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Category>, String> {
        let Self::Known { categories, negative } = self else { return Ok(Vec::new()) };
        let mut meant = Vec::new();
        for name in names {
            let means = |(category, aliases): &&(Category, Vec<String>)| {
                category.name() == name || aliases.iter().any(|alias| alias == name)
            };
            if let Some((category, _)) = categories.iter().find(means) {
                meant.push(*category);
            } else if !NEGATIVE_NAMES.contains(&name) && !negative.iter().any(|negative| negative == name) {
                return Err(unknown(name, categories));
            }
        }
        Ok(categories.iter().map(|(category, _)| *category).filter(|category| meant.contains(category)).collect())
    }
}

fn unknown(name: &str, categories: &[(Category, Vec<String>)]) -> String {
    let shown = |(category, aliases): &(Category, Vec<String>)| match aliases.as_slice() {
        [] => category.to_string(),
        aliases => format!("{category} ({})", aliases.join(", ")),
    };
    format!(
        "{name:?} is no label; allowed are {} and, for listings that offer nothing prohibited, {}; --negative {name} adds it to \
         the latter",
        categories.iter().map(shown).collect::<Vec<_>>().join(", "),
        NEGATIVE_NAMES.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_spellings_and_an_unknown_one_says_what_is_allowed() {
        let [scale, horn] = ["scale", "horn"].map(|name| Category::new(name).unwrap());
        let categories = vec![(scale, vec!["scales".to_owned()]), (horn, Vec::new())];
        let names = LabelNames::Known { categories, negative: vec!["cups".into()] };
        assert_eq!(names.read(["horn", "cups", "scales", "horn"]), Ok(vec![scale, horn]));
        assert_eq!(names.read(["benign"]), Ok(Vec::new()));
        let problem = names.read(["horn", "plates"]).unwrap_err();
        assert!(problem.contains("\"plates\"") && problem.contains("scale (scales), horn and"), "{problem}");
        assert_eq!(LabelNames::Ignored.read(["plates"]), Ok(Vec::new()));
        let twice =
            |alias: &str, negative: &[String]| LabelNames::known(vec![(horn, vec![alias.to_owned()])], negative);
        assert!(twice("horns", &[]).is_ok());
        assert!(twice("benign", &[]).is_err() && twice("horns", &["horns".into()]).is_err());
    }
}
