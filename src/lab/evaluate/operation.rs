//! What a moderator would see: suggestions and flagged categories by true label, over all listings.

use std::collections::BTreeMap;

use serde::Serialize;
use wildwarden_core::domain::{Category, Level, Suggestion};

use crate::evaluate::bootstrap::Clusters;
use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::declared::DeclaredCategory;
use crate::evaluate::measures::Setting;
use crate::evaluate::record::Record;

/// Name of listings that offer nothing prohibited.
pub const NEGATIVE: &str = "negative";

/// Listings of one true label. A listing of two categories is in both rows.
#[derive(Debug, Serialize)]
pub struct Row {
    /// A category's name, or negative.
    pub label: String,
    /// How many.
    pub listings: usize,
    /// By suggestion.
    pub suggestions: BTreeMap<&'static str, usize>,
    /// By level of the listing.
    pub levels: BTreeMap<&'static str, usize>,
    /// Share with REVIEW or BLOCK.
    pub flagged_share: Estimate,
    /// Share with BLOCK.
    pub blocked_share: Estimate,
    /// How many reach the REVIEW threshold in each category: rows and columns make the confusion of categories.
    pub flagged_as: BTreeMap<Category, usize>,
}

/// A row a label that occurs.
pub fn rows(records: &[&Record], categories: &[DeclaredCategory], setting: Setting) -> Vec<Row> {
    let labels = categories.iter().map(|declared| Some(declared.category)).chain([None]);
    labels.filter_map(|label| row(records, label, categories, setting)).collect()
}

fn row(records: &[&Record], label: Option<Category>, categories: &[DeclaredCategory], setting: Setting) -> Option<Row> {
    let is_in = |record: &&&Record| label.map_or(record.labels.is_empty(), |label| record.labels.contains(&label));
    let records: Vec<&Record> = records.iter().filter(is_in).copied().collect();
    let count = |test: &dyn Fn(&Record) -> bool| records.iter().filter(|record| test(record)).count();
    let flagged_in = |&DeclaredCategory { category, review, .. }: &DeclaredCategory| {
        count(&|record| record.categories.get(&category).is_some_and(|scores| scores.probability >= review))
    };
    if records.is_empty() {
        return None;
    }
    Some(Row {
        label: label.map_or_else(|| NEGATIVE.to_owned(), |label| label.to_string()),
        listings: records.len(),
        suggestions: Suggestion::NAMES.iter().map(|&name| (name, count(&|record| record.suggestion == name))).collect(),
        levels: Level::NAMES.iter().map(|&name| (name, count(&|record| record.level == name))).collect(),
        flagged_share: share(&records, setting, Record::is_flagged),
        blocked_share: share(&records, setting, |record| record.suggestion == "block"),
        flagged_as: categories.iter().map(|declared| (declared.category, flagged_in(declared))).collect(),
    })
}

/// The share of `records` for which `test` holds.
pub fn share(records: &[&Record], setting: Setting, test: impl Fn(&Record) -> bool) -> Estimate {
    let names: Vec<String> = records.iter().map(|record| record.cluster()).collect();
    let clusters = Clusters::new(names.iter().map(String::as_str));
    let holds: Vec<f64> = records.iter().map(|record| f64::from(u8::from(test(record)))).collect();
    let estimates = clusters.estimates(setting.rounds, setting.seed, |weights| {
        let (sum, total) = weights
            .iter()
            .zip(&holds)
            .fold((0.0, 0.0), |(sum, total), (weight, holds)| (sum + weight * holds, total + weight));
        vec![sum / total]
    });
    estimates.first().copied().unwrap_or_default().of_share(clusters.count())
}
