//! What each threshold of the risk would catch and cost: recall a category, precision where offers are as rare as the policy
//! says, and reviews a day at a stated volume. The lexicon's rules come on top; `operation` has the whole rating.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wildwarden_core::domain::Category;

use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::declared::DeclaredCategory;
use crate::evaluate::measures::Setting;
use crate::evaluate::operation::share;
use crate::evaluate::record::Record;

/// Thresholds that are always shown.
const GRID: [f64; 9] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];

/// The volume reviews are counted for, and the precision a proposal must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Demand {
    /// Listings a day.
    pub listings_a_day: f64,
    /// Least share of the reviewed listings that are to be offers.
    pub precision: f64,
}

/// All thresholds, and the one to take.
#[derive(Debug, Serialize)]
pub struct Thresholds {
    /// What they are judged by.
    pub demand: Demand,
    /// The lowest of the table whose precision reaches the demand, even at the upper end of its false alarms' interval; null: none.
    pub proposed: Option<f64>,
    /// Lowest first.
    pub rows: Vec<Row>,
}

/// One threshold.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Of the fused probability.
    pub threshold: f64,
    /// Share of each category's offers at or above it, by that category's probability.
    pub recall: BTreeMap<Category, Estimate>,
    /// Share of listings without any offer whose risk is at or above it.
    pub false_alarms: Estimate,
    /// Share of the reviewed that are offers, at the deployment prior.
    pub precision: Option<f64>,
    /// Listings a day at or above it.
    pub reviews_a_day: Option<f64>,
}

/// The table for `records`; the policy's thresholds are among it. Categories without a positive have no recall.
pub fn thresholds(
    records: &[&Record],
    categories: &[DeclaredCategory],
    demand: Demand,
    setting: Setting,
) -> Thresholds {
    let own = categories.iter().flat_map(|declared| [declared.review, declared.block]);
    let mut values: Vec<f64> = GRID.into_iter().chain(own).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let negatives: Vec<&Record> = records.iter().copied().filter(|record| record.labels.is_empty()).collect();
    let rows: Vec<Row> = values.into_iter().map(|value| row(records, &negatives, value, demand, setting)).collect();
    let reaches = |row: &&Row| {
        let most = row.false_alarms.high.or(row.false_alarms.value);
        most.and_then(|alarms| precision(row, alarms, setting.prior)).is_some_and(|found| found >= demand.precision)
    };
    Thresholds { demand, proposed: rows.iter().find(reaches).map(|row| row.threshold), rows }
}

fn row(records: &[&Record], negatives: &[&Record], threshold: f64, demand: Demand, setting: Setting) -> Row {
    let of = |category: Category| {
        let offers: Vec<&Record> = records.iter().copied().filter(|record| record.labels.contains(&category)).collect();
        let reaches = |record: &Record| record.categories.get(&category).is_some_and(|s| s.probability >= threshold);
        (!offers.is_empty()).then(|| (category, share(&offers, setting, reaches)))
    };
    let false_alarms = if negatives.is_empty() {
        Estimate::default()
    } else {
        share(negatives, setting, |record| record.risk >= threshold)
    };
    let offered: BTreeSet<Category> = records.iter().flat_map(|record| record.labels.iter().copied()).collect();
    let recall = offered.into_iter().filter_map(of).collect();
    let mut row = Row { threshold, recall, false_alarms, precision: None, reviews_a_day: None };
    if let Some(alarms) = row.false_alarms.value {
        row.precision = precision(&row, alarms, setting.prior);
        let (offers, others) = shares(&row, alarms, setting.prior);
        row.reviews_a_day = Some((offers + others) * demand.listings_a_day);
    }
    row
}

/// Shares of all listings that are reviewed rightly and wrongly, each measured category as frequent as the prior says.
fn shares(row: &Row, false_alarms: f64, prior: f64) -> (f64, f64) {
    let offers: f64 = row.recall.values().filter_map(|recall| recall.value).sum::<f64>() * prior;
    (offers, (1.0 - prior * row.recall.len() as f64).max(0.0) * false_alarms)
}

fn precision(row: &Row, false_alarms: f64, prior: f64) -> Option<f64> {
    let (offers, others) = shares(row, false_alarms, prior);
    (offers > 0.0).then(|| offers / (offers + others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: usize, offers: bool, risk: f64) -> Record {
        let labels: &[&str] = if offers { &["cups"] } else { &[] };
        serde_json::from_value(serde_json::json!({
            "key": "", "variant": "", "id": id.to_string(), "labels": labels, "source": "", "seller": "", "group": "",
            "slices": [], "risk": risk, "level": "low", "suggestion": "pass", "images": [], "languages": [],
            "categories": { "cups": { "probability": risk, "image_probability": null, "text_probability": null, "level": "low" } },
            "obfuscated": false, "reasons": [], "missing": [],
            "timings": { "queue_wait_us": 0, "decode_us": 0, "resize_us": 0, "image_inference_us": 0, "text_features_us": 0,
                         "text_inference_us": 0, "score_us": 0, "total_us": 0 },
        }))
        .unwrap()
    }

    #[test]
    fn a_threshold_costs_what_it_flags_and_the_proposed_one_is_safe() {
        // Offers at 0.5, a hundredth of the others at 0.3, the rest at 0.
        let records: Vec<Record> = (0..40)
            .map(|i| record(i, true, 0.5))
            .chain((0..1000).map(|i| record(100 + i, false, if i % 100 == 0 { 0.3 } else { 0.0 })))
            .collect();
        let records: Vec<&Record> = records.iter().collect();
        let setting = Setting { prior: 0.01, review: 0.1, rounds: 50, seed: 1 };
        let demand = Demand { listings_a_day: 10_000.0, precision: 0.6 };
        let category = Category::new("cups").unwrap();
        let declared = DeclaredCategory { category, title: "Cups".into(), review: 0.1, block: 0.9 };
        let found = thresholds(&records, &[declared], demand, setting);
        let at = |threshold: f64| found.rows.iter().find(|row| (row.threshold - threshold).abs() < 1e-9).unwrap();
        let (low, high) = (at(0.1), at(0.4));
        assert_eq!(low.recall[&category].value, Some(1.0));
        // 1 % are offers, 1 % of the other 99 % are false alarms.
        assert!((low.precision.unwrap() - 0.01 / (0.01 + 0.99 * 0.01)).abs() < 1e-9);
        assert!((low.reviews_a_day.unwrap() - 199.0).abs() < 1e-6);
        assert_eq!((high.precision, high.reviews_a_day), (Some(1.0), Some(100.0)));
        assert_eq!(found.proposed, Some(0.4), "none is known to be without false alarms, this one has few enough");
        assert!(at(0.9).precision.is_none(), "nothing is found");
    }
}
