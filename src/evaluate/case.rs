//! A labelled listing, before it is rated.

use std::path::PathBuf;

use crate::domain::Category;

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
    /// What it offers, in the order of [`Category::ALL`]; empty: nothing prohibited.
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

/// Names of labels: a category each, several spellings allowed, and the negative ones.
#[derive(Debug, Clone, Default)]
pub struct LabelNames {
    /// More names that mean "negative".
    pub negative: Vec<String>,
}

impl LabelNames {
    /// The category that `name` means, `None` for a negative one.
    ///
    /// # Errors
    /// What is allowed.
    pub fn read(&self, name: &str) -> Result<Option<Category>, String> {
        match name {
            "ivory" => Ok(Some(Category::Ivory)),
            "pangolin_scale" | "pangolin_scales" | "pangolin" => Ok(Some(Category::PangolinScale)),
            "rhino_horn" | "rhino_horns" | "rhino" => Ok(Some(Category::RhinoHorn)),
            other if NEGATIVE_NAMES.contains(&other) || self.negative.iter().any(|name| name == other) => Ok(None),
            other => Err(format!(
                "{other:?} is no label; allowed are ivory, pangolin_scale (pangolin_scales, pangolin), rhino_horn \
                 (rhino_horns, rhino) and, for listings that offer nothing prohibited, {}; --negative {other} adds it to \
                 the latter",
                NEGATIVE_NAMES.join(", ")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_spellings_and_an_unknown_one_says_what_is_allowed() {
        let names = LabelNames { negative: vec!["cups".into()] };
        assert_eq!(names.read("pangolin_scales"), Ok(Some(Category::PangolinScale)));
        assert_eq!(names.read("rhino"), Ok(Some(Category::RhinoHorn)));
        assert_eq!(names.read("cups"), Ok(None));
        let problem = names.read("plates").unwrap_err();
        assert!(problem.contains("\"plates\"") && problem.contains("benign"), "{problem}");
    }
}
