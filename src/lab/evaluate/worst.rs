//! The listings the service is most wrong about.

use serde::Serialize;
use wildwarden_core::domain::Category;

use crate::evaluate::record::Record;
use crate::evaluate::record::Scores;

/// Errors of one category.
#[derive(Debug, Default, Serialize)]
pub struct Worst {
    /// Positives with the lowest fused probability.
    pub false_negatives: Vec<WrongListing>,
    /// Negatives with the highest fused probability.
    pub false_positives: Vec<WrongListing>,
}

/// A listing the service is wrong about.
#[derive(Debug, Clone, Serialize)]
pub struct WrongListing {
    /// Place among the cases.
    #[serde(skip)]
    pub case: usize,
    /// Place of its image that speaks most for the category.
    pub image: Option<usize>,
    /// Which listing, as the input has it.
    pub id: String,
    /// True categories.
    pub labels: Vec<Category>,
    /// What the service said of the category.
    pub scores: Scores,
    /// What the service suggested for the listing.
    pub suggestion: String,
    /// Codes of the reasons.
    pub reasons: Vec<String>,
}

/// The `most` worst of each kind. A positive at or above the REVIEW threshold, and a negative below it, is no error.
pub fn worst(records: &[(usize, Record)], category: Category, review: f64, most: usize) -> Worst {
    let wrong = |positive: bool| {
        let of_kind = records.iter().filter_map(|(case, record)| {
            let scores = record.categories.get(&category)?;
            let is_wrong = (scores.probability >= review) != positive;
            (record.labels.contains(&category) == positive && is_wrong).then(|| WrongListing {
                case: *case,
                image: best_image(record, category),
                id: record.id.clone(),
                labels: record.labels.clone(),
                scores: scores.clone(),
                suggestion: record.suggestion.clone(),
                reasons: record.reasons.clone(),
            })
        });
        of_kind.collect::<Vec<_>>()
    };
    let (mut false_negatives, mut false_positives) = (wrong(true), wrong(false));
    false_negatives.sort_by(|a, b| a.scores.probability.total_cmp(&b.scores.probability));
    false_positives.sort_by(|a, b| b.scores.probability.total_cmp(&a.scores.probability));
    false_negatives.truncate(most);
    false_positives.truncate(most);
    Worst { false_negatives, false_positives }
}

fn best_image(record: &Record, category: Category) -> Option<usize> {
    let scored = record.images.iter().enumerate();
    let scored = scored.filter_map(|(place, image)| Some((place, *image.probabilities.get(&category)?)));
    scored.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
}
